"""Which generation of the code serves: every decision of the dev server about its workers, and none of the acting.

Theory. A *worker* is a process, known by a number. At most one, the *old* one, accepts connections. When the code has
changed, the *next* one loads it: it imports the code and starts its lifespan beside the old one, which goes on serving.
Only when the next one is ready the old one is told to close its door, and only when it has said so the next one opens
its own. So no two generations ever accept connections, and none is lost: the socket that they share queues those that
come in between. Then the old one is let go: it tells its WebSockets, ends what it has begun, and leaves.

Code that cannot be loaded changes nothing: the old one goes on. One failure has another cause than the code: two
lifespans that cannot run at the same time, because both want one port, one lock, one file. Then the old one gives
up its lifespan (it is *suspended*), the next one tries once more, and if that fails too, the old one takes its lifespan
up again as it opens its door.

Behind both stands a *spare*: a process that has loaded everything but the user's code. It may turn out to be unfit for
that: it had died unseen, or had loaded something too early. Then a fresh process is begun in its place; once, for what
ends one process may end every one of them.

    situation    CHANGED   UNFIT   READY    FAILED              CLOSED    ACCEPTING   SUSPENDED   OLD_GONE
    BROKEN       load      -       -        -                   -         -           -           -
    STARTING     reload    again   open     report: BROKEN      -         -           -           -
    SERVING      load      -       -        -                   -         -           -           replace: STARTING
    LOADING      reload    again   close    report: SERVING (a) -         -           -           STARTING
    CLOSING      later     -       -        reopen: REOPENING   open      -           -           open
    OPENING      later (b) -       -        reopen, or report   -         SERVING     -           forget it
    SUSPENDING   later     -       -        -                   -         -           load        load: STARTING
    RETRYING     reload    again   open     reopen: REOPENING   -         -           -           STARTING
    REOPENING    later (b) -       -        -                   -         SERVING     -           report: BROKEN
    (a) or suspend: SUSPENDING, when what failed was something that only one of them can have
    (b) and soon: with newer code there, a worker is not waited for that opens its door to older code

What is not in the table is late news of something decided otherwise meanwhile, and changes nothing. "later" means: once
the switch is over. STOP ends every situation: whoever is left is asked to leave, then made to.

No worker is trusted to answer, for a handler that blocks the event loop keeps it from it. Where nobody serves until an
old one has answered, its time is limited: then it is killed, and what follows is what follows from its end. Code may
take its time to load, unless the user has set a limit; what takes long is told.
"""

from collections.abc import Callable
from typing import Any, Final

from lihil_cli.devserver.events import (
    Accepting,
    Actions,
    Change,
    Changed,
    Closed,
    End,
    Event,
    Failed,
    Failure,
    Gone,
    Launch,
    Paused,
    Ready,
    ShowFailure,
    ShowLoss,
    ShowServed,
    ShowWait,
    ShuttingDown,
    SpareOutdated,
    Stop,
    Suspended,
    Tell,
    TimePassed,
    Unfit,
    Word,
)
from lihil_cli.devserver.farewell import DRAIN_S, STOP_S, Farewells
from lihil_cli.devserver.situation import DUTIES, WAITS, Signal, Situation

HOLD_S: Final = 0.1
"""An error is shown this long after the save at the earliest: a file may have been seen half written."""
CLOSE_S: Final = 0.5
"""A worker that has been told to close its door has done so by then, or it does not hear."""
SUSPEND_HEED_S: Final = 1.2
"""The same for one that is to give up its lifespan, until it shuts that down: it lets its requests finish before."""
HURRY_S: Final = 1.0
"""What is left to a worker that opens its door to older code, once there is newer."""
SLOW_S: Final = 2.5
"""What takes longer than this is told."""
PATIENCE_S: Final = 5.0
"""A worker that served for less than this before it died counts as one more crash of the same code."""
MAX_CRASHES: Final = 5


class Machine:
    """The state of one dev server. `step` takes an event and the time in seconds, and returns what is to be done.

    `start_timeout_s` is how long code may take to load and to be served, None for as long as it likes: it may
    stand in a debugger.
    """

    def __init__(self, *, keeps_spare: bool, start_timeout_s: float | None = None) -> None:
        self.situation = Situation.BROKEN
        self.generation = 0
        self.old: int | None = None
        self.next: int | None = None
        self.spare: int | None = None
        self.leaving = Farewells()
        self._keeps_spare = keeps_spare
        self._start_timeout_s = start_timeout_s
        self._limit: float | None = None  # until when the worker that is to act next may take
        self._slow_at: float | None = None
        self._overdue: Failure | None = None  # why `next` was killed
        self._last = 0
        self._is_second = False  # whether `next` stands in for one that was unfit
        self._change: Change | None = None  # what `next` loads, or what could not be served
        self._later: Change | None = None
        self._held: tuple[float, Failure] | None = None
        self._served_at = 0.0
        self._crashes = 0
        self._code = 0

    @property
    def loading(self) -> tuple[str, ...]:
        """The changed files that are being loaded."""
        return self._change.files if self._change is not None else ()

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due, if nothing else happens before."""
        held = self._held[0] if self._held is not None else None
        times = (self.leaving.deadline, held, self._limit, self._slow_at)
        return min((at for at in times if at is not None), default=None)

    def step(self, event: Any, now: float) -> Actions:
        """Take one event; every decision is made here."""
        is_late = not isinstance(event, Gone) and self.leaving.is_killed(getattr(event, "worker", None))
        if is_late or self.situation is Situation.ENDED:
            return []
        match event:
            case Stop(code):
                return self._stop(code, now)
            case Gone(worker) if worker not in {self.old, self.next}:
                return self._forget(worker)
            case TimePassed():
                return self._pass_time(now)
            case SpareOutdated(keeps_spare):
                return self._renew_spare(keeps_spare=keeps_spare)
            case ShuttingDown(worker):
                return self._grant_shutdown(worker, now)
            case Paused(worker):
                return self._grant_pause(worker)
        act = TABLE.get((self.situation, self._signal(event)))
        actions = act(self, event, now) if act is not None else []
        if isinstance(event, Gone):
            self.leaving.strike(event.worker)
        return actions

    def _signal(self, event: Event) -> Signal | None:
        """What the event means to the table; None when it comes from a worker that has no part in it."""
        match event:
            case Changed():
                return Signal.CHANGED
            case Ready(worker) if worker == self.next:
                return Signal.READY
            case Failed(worker) | Gone(worker) if worker == self.next:
                return Signal.FAILED
            case Unfit(worker) if worker == self.next and not self._is_second:
                return Signal.UNFIT
            case Closed(worker) | Suspended(worker) if worker == self.old:
                return Signal.CLOSED if isinstance(event, Closed) else Signal.SUSPENDED
            case Accepting(worker) if worker == (self.next if self.situation is Situation.OPENING else self.old):
                return Signal.ACCEPTING
            case Gone(worker) if worker == self.old:
                return Signal.OLD_GONE
        return None

    # CHANGED

    def _load(self, event: Any, now: float) -> Actions:
        self._crashes = 0
        return self._begin(_joined(self._change, event.change), now)

    def _reload(self, event: Any, now: float) -> Actions:
        """Newer code than the one that is being loaded: that one is not waited for."""
        return [*self.leaving.kill(self.next), *self._begin(_joined(self._change, event.change), now)]

    def _postpone(self, event: Any, now: float) -> Actions:
        self._later = _joined(self._later, event.change)
        return []

    def _postpone_briefly(self, event: Any, now: float) -> Actions:
        self._limit = min(now + HURRY_S, self._limit or now + HURRY_S)
        return self._postpone(event, now)

    def _begin(self, change: Change | None, now: float) -> Actions:
        """Let the spare, or a new process, load the code."""
        self._held = self._overdue = None
        self._is_second = False
        self._change = change
        is_fresh = change is not None and change.fresh
        actions: Actions = []
        if is_fresh and self.spare is not None:
            actions += self.leaving.kill(self.spare)
            self.spare = None
        if self.spare is None:
            self.spare = self._number()
            actions.append(Launch(self.spare, fresh=is_fresh))
        self.next, self.spare = self.spare, None
        following = {
            Situation.SERVING: Situation.LOADING,
            Situation.LOADING: Situation.LOADING,
            Situation.SUSPENDING: Situation.RETRYING,
            Situation.RETRYING: Situation.RETRYING,
        }
        self._wait(following.get(self.situation, Situation.STARTING), now)
        return [*actions, Tell(self.next, Word.LOAD)]

    def _begin_again(self, event: Any, now: float) -> Actions:
        """The same code once more, in a process that inherits nothing."""
        actions = self.leaving.kill(self.next)
        self._wait(self.situation, now)
        self._is_second = True
        self.next = self._number()
        return [*actions, Launch(self.next, fresh=True), Tell(self.next, Word.LOAD)]

    # READY and CLOSED

    def _close_old(self, event: Any, now: float) -> Actions:
        self._move(Situation.CLOSING, now + CLOSE_S)
        return _tell(self.old, Word.CLOSE)

    def _open_next(self, event: Any, now: float) -> Actions:
        if isinstance(event, Gone):
            self.old = None
        self._wait(Situation.OPENING, now)
        return _tell(self.next, Word.OPEN)

    # ACCEPTING

    def _serve_next(self, event: Any, now: float) -> Actions:
        change, self._change, self._held = self._change, None, None
        actions: Actions = self.leaving.let_go(self.old, Word.DRAIN, now + DRAIN_S)
        self.old, self.next = self.next, None
        self.generation += 1
        self._served_at = now
        return [*actions, ShowServed(self.generation, change), *self._settle(now)]

    def _serve_old(self, event: Any, now: float) -> Actions:
        self._served_at = now
        self.leaving.return_to_life(event.worker)
        return self._settle(now)

    def _settle(self, now: float) -> Actions:
        """The switch is over, this way or that."""
        self._move(Situation.SERVING)
        if self._later is not None:
            later, self._later = self._later, None
            return self._begin(_joined(self._change, later), now)
        return self._keep_spare()

    # FAILED

    def _fail_alone(self, event: Any, now: float) -> Actions:
        """Nobody serves, and the code cannot be served either."""
        self._move(Situation.BROKEN)
        self._hold(event, now)
        actions = self._leave_failed(event)
        if self._later is not None:
            later, self._later = self._later, None
            return [*actions, *self._begin(_joined(self._change, later), now)]
        return [*actions, *self._keep_spare()]

    def _fail(self, event: Any, now: float) -> Actions:
        actions = self._leave_failed(event)
        if isinstance(event, Failed) and event.failure.is_exclusive:
            self._move(Situation.SUSPENDING, now + SUSPEND_HEED_S)
            return [*actions, *_tell(self.old, Word.SUSPEND)]
        self._move(Situation.SERVING)
        self._hold(event, now)
        return [*actions, *self._keep_spare()]

    def _reopen(self, event: Any, now: float) -> Actions:
        """The next one ended in the middle of the switch, or could not start beside nobody either."""
        if self.old is None:
            return self._fail_alone(event, now)
        self._hold(event, now)
        self._wait(Situation.REOPENING, now)
        return [*self._leave_failed(event), *_tell(self.old, Word.OPEN)]

    def _leave_failed(self, event: Event) -> Actions:
        failed, self.next = self.next, None
        return self.leaving.kill(failed) if isinstance(event, Failed) else []

    def _hold(self, event: Event, now: float) -> None:
        failure = event.failure if isinstance(event, Failed) else self._overdue or _sudden_end(event)
        self._overdue = None
        saved = self._change.at if self._change is not None else now
        self._held = (max(saved + HOLD_S, now) if self.generation else now, failure)

    # SUSPENDED and OLD_GONE

    def _load_again(self, event: Any, now: float) -> Actions:
        if isinstance(event, Gone):
            self.old = None
            self._move(Situation.STARTING)
        later, self._later = self._later, None
        return self._begin(self._change if later is None else _joined(self._change, later), now)

    def _replace(self, event: Any, now: float) -> Actions:
        """A worker that served has died; the same code once more, unless it dies of that again and again."""
        self.old = None
        self._crashes = self._crashes + 1 if now - self._served_at < PATIENCE_S else 1
        later, self._later = self._later, None
        may_try = self._crashes < MAX_CRASHES or later is not None
        loss = ShowLoss(event.worker, event.how, is_replaced=may_try, is_too_often=not may_try)
        self._move(Situation.BROKEN)
        change = self._change if later is None else _joined(self._change, later)
        return [loss, *(self._begin(change, now) if may_try else [])]

    def _go_on_alone(self, event: Any, now: float) -> Actions:
        """The old one died while the next one loads."""
        self.old = None
        self.situation = Situation.STARTING  # in the time that it has
        return [ShowLoss(event.worker, event.how, is_replaced=True)]

    def _forget_old(self, event: Any, now: float) -> Actions:
        self.old = None
        return []

    def _lose_both(self, event: Any, now: float) -> Actions:
        """The old one could not take its lifespan up again."""
        self.old = None
        self._move(Situation.BROKEN)
        later, self._later = self._later, None
        loss = ShowLoss(event.worker, event.how, is_replaced=later is not None)
        return [loss, *(self._begin(_joined(self._change, later), now) if later is not None else self._keep_spare())]

    # Time

    def _move(self, situation: Situation, limit: float | None = None) -> None:
        self.situation, self._limit, self._slow_at = situation, limit, None

    def _wait(self, situation: Situation, now: float) -> None:
        """For the user's code, which may take its time, unless there is newer."""
        spans = (self._start_timeout_s, HURRY_S if self._later is not None else None)
        self._move(situation, min((now + span for span in spans if span is not None), default=None))
        self._slow_at = now + SLOW_S

    def _grant_shutdown(self, worker: int, now: float) -> Actions:
        """It has heard: from now on it is the user's code that takes its time."""
        self.leaving.hear_shutdown(worker)
        if self.situation is Situation.SUSPENDING and worker == self.old:
            self._limit = now + DRAIN_S - SUSPEND_HEED_S
        return []

    def _grant_pause(self, worker: int) -> Actions:
        """No limit is meant for a person who looks at what happens in there."""
        if worker == self.next and self.situation in {Situation.STARTING, Situation.LOADING, Situation.RETRYING}:
            self._limit = self._slow_at = None
        return []

    def _lose_patience(self) -> Actions:
        """Whoever was to act next is killed; what follows is what follows from its end."""
        self._limit = None
        todo = DUTIES.get(self.situation)
        if todo is not None:
            return self.leaving.kill_late(self.old, todo)
        if self.situation is Situation.OPENING:
            words = "the app was loaded, but something blocked its event loop; its worker was killed"
        else:
            words = f"the app did not start within {self._start_timeout_s:g} s (start_timeout); its worker was killed"
        self._overdue = Failure(words, f"error: {words}")
        return self.leaving.kill(self.next)

    # Whatever the situation

    def _pass_time(self, now: float) -> Actions:
        actions = self.leaving.pass_time(now)
        if self._limit is not None and now >= self._limit:
            actions += self._lose_patience()
        if self._slow_at is not None and now >= self._slow_at:
            self._slow_at = None
            serving = self.generation if self.situation is Situation.LOADING else None
            what = WAITS.get(self.situation)
            actions.append(ShowWait(what or "is still loading", None if what else self._change, serving))
        if self._held is not None and now >= self._held[0]:
            failure, self._held = self._held[1], None
            actions.append(ShowFailure(failure, self._change, self.generation if self.old is not None else None))
        return actions

    def _renew_spare(self, *, keeps_spare: bool) -> Actions:
        self._keeps_spare = keeps_spare
        if self.situation is Situation.STOPPING:
            return []
        spare, self.spare = self.spare, None
        renews = spare is not None or self.situation in {Situation.SERVING, Situation.BROKEN}
        return [*self.leaving.kill(spare), *(self._keep_spare() if renews else [])]

    def _keep_spare(self) -> Actions:
        if not self._keeps_spare or self.spare is not None:
            return []
        self.spare = self._number()
        return [Launch(self.spare)]

    def _stop(self, code: int, now: float) -> Actions:
        if self.situation is Situation.STOPPING:
            return self.leaving.kill_all()
        is_opening = self.situation is Situation.OPENING
        self._move(Situation.STOPPING)
        self._code, self._held = code, None
        actions = (
            self.leaving.let_go(self.next, Word.STOP, now + STOP_S) if is_opening else self.leaving.kill(self.next)
        )
        actions += [*self.leaving.kill(self.spare), *self.leaving.let_go(self.old, Word.STOP, now + STOP_S)]
        self.leaving.stop(now)
        self.old = self.next = self.spare = None
        return [*actions, *self._end_if_empty()]

    def _forget(self, worker: int) -> Actions:
        self.leaving.strike(worker)
        if worker == self.spare:
            self.spare = None  # not at once another: what ends spares may end every one of them
        return self._end_if_empty()

    def _end_if_empty(self) -> Actions:
        if self.situation is not Situation.STOPPING or self.leaving:
            return []
        self.situation = Situation.ENDED
        return [End(self._code)]

    def _number(self) -> int:
        self._last += 1
        return self._last


TABLE: Final[dict[tuple[Situation, Signal | None], Callable[[Machine, Event, float], Actions]]] = {
    (Situation.BROKEN, Signal.CHANGED): Machine._load,
    (Situation.STARTING, Signal.CHANGED): Machine._reload,
    (Situation.STARTING, Signal.UNFIT): Machine._begin_again,
    (Situation.STARTING, Signal.READY): Machine._open_next,
    (Situation.STARTING, Signal.FAILED): Machine._fail_alone,
    (Situation.SERVING, Signal.CHANGED): Machine._load,
    (Situation.SERVING, Signal.OLD_GONE): Machine._replace,
    (Situation.LOADING, Signal.CHANGED): Machine._reload,
    (Situation.LOADING, Signal.UNFIT): Machine._begin_again,
    (Situation.LOADING, Signal.READY): Machine._close_old,
    (Situation.LOADING, Signal.FAILED): Machine._fail,
    (Situation.LOADING, Signal.OLD_GONE): Machine._go_on_alone,
    (Situation.CLOSING, Signal.CHANGED): Machine._postpone,
    (Situation.CLOSING, Signal.FAILED): Machine._reopen,
    (Situation.CLOSING, Signal.CLOSED): Machine._open_next,
    (Situation.CLOSING, Signal.OLD_GONE): Machine._open_next,
    (Situation.OPENING, Signal.CHANGED): Machine._postpone_briefly,
    (Situation.OPENING, Signal.FAILED): Machine._reopen,
    (Situation.OPENING, Signal.ACCEPTING): Machine._serve_next,
    (Situation.OPENING, Signal.OLD_GONE): Machine._forget_old,
    (Situation.SUSPENDING, Signal.CHANGED): Machine._postpone,
    (Situation.SUSPENDING, Signal.SUSPENDED): Machine._load_again,
    (Situation.SUSPENDING, Signal.OLD_GONE): Machine._load_again,
    (Situation.RETRYING, Signal.CHANGED): Machine._reload,
    (Situation.RETRYING, Signal.UNFIT): Machine._begin_again,
    (Situation.RETRYING, Signal.READY): Machine._open_next,
    (Situation.RETRYING, Signal.FAILED): Machine._reopen,
    (Situation.RETRYING, Signal.OLD_GONE): Machine._go_on_alone,
    (Situation.REOPENING, Signal.CHANGED): Machine._postpone_briefly,
    (Situation.REOPENING, Signal.ACCEPTING): Machine._serve_old,
    (Situation.REOPENING, Signal.OLD_GONE): Machine._lose_both,
}


def _tell(worker: int | None, word: Word) -> Actions:
    return [] if worker is None else [Tell(worker, word)]


def _joined(before: Change | None, after: Change) -> Change:
    """Both at once: what was not served yet, and what came now."""
    if before is None:
        return after
    return Change(tuple(dict.fromkeys([*before.files, *after.files])), after.at, before.fresh or after.fresh)


def _sudden_end(event: Event) -> Failure:
    how = event.how if isinstance(event, Gone) else ""
    words = f"the worker ended {how} while it loaded the code"
    return Failure(words, f"error: {words}")
