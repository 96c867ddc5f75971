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
    OPENING      later     -       -        reopen, or report   -         SERVING     -           forget it
    SUSPENDING   later     -       -        -                   -         -           load        load: STARTING
    RETRYING     reload    again   open     reopen: REOPENING   -         -           -           STARTING
    REOPENING    later     -       -        -                   -         SERVING     -           report: BROKEN
    (a) or suspend: SUSPENDING, when what failed was something that only one of them can have

What is not in the table is late news of something decided otherwise meanwhile, and changes nothing. "later" means: once
the switch is over. STOP ends every situation: whoever is left is asked to leave, then made to.
"""

from collections.abc import Callable
from enum import Enum, auto
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
    Kill,
    Launch,
    Ready,
    ShowFailure,
    ShowLoss,
    ShowServed,
    SpareOutdated,
    Stop,
    Suspended,
    Tell,
    TimePassed,
    Unfit,
    Word,
)

HOLD_S: Final = 0.1
"""An error is shown this long after the save at the earliest: a file may have been seen half written."""
DRAIN_S: Final = 3.5
"""What a worker that was let go may take, its lifespan's shutdown included, until it is killed."""
STOP_S: Final = 3.0
"""The same when the whole server stops."""
PATIENCE_S: Final = 5.0
"""A worker that served for less than this before it died counts as one more crash of the same code."""
MAX_CRASHES: Final = 5


class Situation(Enum):
    """Where the server stands; the table above says what follows from what."""

    BROKEN = auto()
    STARTING = auto()
    SERVING = auto()
    LOADING = auto()
    CLOSING = auto()
    OPENING = auto()
    SUSPENDING = auto()
    RETRYING = auto()
    REOPENING = auto()
    STOPPING = auto()
    ENDED = auto()


class Machine:
    """The state of one dev server. `step` takes an event and the time in seconds, and returns what is to be done."""

    def __init__(self, *, keeps_spare: bool) -> None:
        self.situation = Situation.BROKEN
        self.generation = 0
        self.old: int | None = None
        self.next: int | None = None
        self.spare: int | None = None
        self.leaving: dict[int, float | None] = {}  # until when; None once it is killed
        self._keeps_spare = keeps_spare
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
        times = [until for until in self.leaving.values() if until is not None]
        if self._held is not None:
            times.append(self._held[0])
        return min(times, default=None)

    def step(self, event: Any, now: float) -> Actions:
        """Take one event; every decision is made here."""
        if self.situation is Situation.ENDED:
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
        act = TABLE.get((self.situation, self._signal(event)))
        return act(self, event, now) if act is not None else []

    def _signal(self, event: Event) -> "Signal | None":
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
        return self._begin(_joined(self._change, event.change))

    def _reload(self, event: Any, now: float) -> Actions:
        """Newer code than the one that is being loaded: that one is not waited for."""
        return [*self._kill(self.next), *self._begin(_joined(self._change, event.change))]

    def _postpone(self, event: Any, now: float) -> Actions:
        self._later = _joined(self._later, event.change)
        return []

    def _begin(self, change: Change | None) -> Actions:
        """Let the spare, or a new process, load the code."""
        self._held = None
        self._is_second = False
        self._change = change
        is_fresh = change is not None and change.fresh
        actions: Actions = []
        if is_fresh and self.spare is not None:
            actions += self._kill(self.spare)
            self.spare = None
        if self.spare is None:
            self.spare = self._number()
            actions.append(Launch(self.spare, fresh=is_fresh))
        self.next, self.spare = self.spare, None
        self.situation = {
            Situation.SERVING: Situation.LOADING,
            Situation.LOADING: Situation.LOADING,
            Situation.SUSPENDING: Situation.RETRYING,
            Situation.RETRYING: Situation.RETRYING,
        }.get(self.situation, Situation.STARTING)
        return [*actions, Tell(self.next, Word.LOAD)]

    def _begin_again(self, event: Any, now: float) -> Actions:
        """The same code once more, in a process that inherits nothing."""
        actions = self._kill(self.next)
        self._is_second = True
        self.next = self._number()
        return [*actions, Launch(self.next, fresh=True), Tell(self.next, Word.LOAD)]

    # READY and CLOSED

    def _close_old(self, event: Any, now: float) -> Actions:
        self.situation = Situation.CLOSING
        return _tell(self.old, Word.CLOSE)

    def _open_next(self, event: Any, now: float) -> Actions:
        if isinstance(event, Gone):
            self.old = None
        self.situation = Situation.OPENING
        return _tell(self.next, Word.OPEN)

    # ACCEPTING

    def _serve_next(self, event: Any, now: float) -> Actions:
        change, self._change, self._held = self._change, None, None
        actions: Actions = self._let_go(self.old, Word.DRAIN, now + DRAIN_S)
        self.old, self.next = self.next, None
        self.generation += 1
        self._served_at = now
        return [*actions, ShowServed(self.generation, change), *self._settle()]

    def _serve_old(self, event: Any, now: float) -> Actions:
        self._served_at = now
        return self._settle()

    def _settle(self) -> Actions:
        """The switch is over, this way or that."""
        self.situation = Situation.SERVING
        if self._later is not None:
            later, self._later = self._later, None
            return self._begin(_joined(self._change, later))
        return self._keep_spare()

    # FAILED

    def _fail_alone(self, event: Any, now: float) -> Actions:
        """Nobody serves, and the code cannot be served either."""
        self.situation = Situation.BROKEN
        self._hold(event, now)
        actions = self._leave_failed(event)
        if self._later is not None:
            later, self._later = self._later, None
            return [*actions, *self._begin(_joined(self._change, later))]
        return [*actions, *self._keep_spare()]

    def _fail(self, event: Any, now: float) -> Actions:
        actions = self._leave_failed(event)
        if isinstance(event, Failed) and event.failure.is_exclusive:
            self.situation = Situation.SUSPENDING
            return [*actions, *_tell(self.old, Word.SUSPEND)]
        self.situation = Situation.SERVING
        self._hold(event, now)
        return [*actions, *self._keep_spare()]

    def _reopen(self, event: Any, now: float) -> Actions:
        """The next one ended in the middle of the switch, or could not start beside nobody either."""
        if self.old is None:
            return self._fail_alone(event, now)
        self._hold(event, now)
        self.situation = Situation.REOPENING
        return [*self._leave_failed(event), *_tell(self.old, Word.OPEN)]

    def _leave_failed(self, event: Event) -> Actions:
        failed, self.next = self.next, None
        return self._kill(failed) if isinstance(event, Failed) else []

    def _hold(self, event: Event, now: float) -> None:
        failure = event.failure if isinstance(event, Failed) else _sudden_end(event)
        saved = self._change.at if self._change is not None else now
        self._held = (max(saved + HOLD_S, now) if self.generation else now, failure)

    # SUSPENDED and OLD_GONE

    def _load_again(self, event: Any, now: float) -> Actions:
        if isinstance(event, Gone):
            self.old = None
            self.situation = Situation.STARTING
        later, self._later = self._later, None
        return self._begin(self._change if later is None else _joined(self._change, later))

    def _replace(self, event: Any, now: float) -> Actions:
        """A worker that served has died; the same code once more, unless it dies of that again and again."""
        self.old = None
        self._crashes = self._crashes + 1 if now - self._served_at < PATIENCE_S else 1
        later, self._later = self._later, None
        may_try = self._crashes < MAX_CRASHES or later is not None
        loss = ShowLoss(event.worker, event.how, is_replaced=may_try)
        self.situation = Situation.BROKEN
        change = self._change if later is None else _joined(self._change, later)
        return [loss, *(self._begin(change) if may_try else [])]

    def _go_on_alone(self, event: Any, now: float) -> Actions:
        """The old one died while the next one loads."""
        self.old = None
        self.situation = Situation.STARTING
        return [ShowLoss(event.worker, event.how, is_replaced=True)]

    def _forget_old(self, event: Any, now: float) -> Actions:
        self.old = None
        return []

    def _lose_both(self, event: Any, now: float) -> Actions:
        """The old one could not take its lifespan up again."""
        self.old = None
        self.situation = Situation.BROKEN
        later, self._later = self._later, None
        return self._begin(_joined(self._change, later)) if later is not None else self._keep_spare()

    # Whatever the situation

    def _pass_time(self, now: float) -> Actions:
        actions: Actions = []
        for worker, until in list(self.leaving.items()):
            if until is not None and now >= until:
                actions += self._kill(worker)
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
        return [*self._kill(spare), *(self._keep_spare() if renews else [])]

    def _keep_spare(self) -> Actions:
        if not self._keeps_spare or self.spare is not None:
            return []
        self.spare = self._number()
        return [Launch(self.spare)]

    def _stop(self, code: int, now: float) -> Actions:
        if self.situation is Situation.STOPPING:
            return [action for worker in list(self.leaving) for action in self._kill(worker)]
        is_opening = self.situation is Situation.OPENING
        self.situation = Situation.STOPPING
        self._code, self._held = code, None
        actions = self._let_go(self.next, Word.STOP, now + STOP_S) if is_opening else self._kill(self.next)
        actions += [*self._kill(self.spare), *self._let_go(self.old, Word.STOP, now + STOP_S)]
        for worker, until in self.leaving.items():
            if until is not None:
                self.leaving[worker] = min(until, now + STOP_S)
        self.old = self.next = self.spare = None
        return [*actions, *self._end_if_empty()]

    def _forget(self, worker: int) -> Actions:
        self.leaving.pop(worker, None)
        if worker == self.spare:
            self.spare = None  # not at once another: what ends spares may end every one of them
        return self._end_if_empty()

    def _end_if_empty(self) -> Actions:
        if self.situation is not Situation.STOPPING or self.leaving:
            return []
        self.situation = Situation.ENDED
        return [End(self._code)]

    def _kill(self, worker: int | None) -> Actions:
        if worker is None:
            return []
        self.leaving[worker] = None
        return [Kill(worker)]

    def _let_go(self, worker: int | None, word: Word, until: float) -> Actions:
        if worker is None:
            return []
        self.leaving[worker] = until
        return [Tell(worker, word)]

    def _number(self) -> int:
        self._last += 1
        return self._last


class Signal(Enum):
    """What events mean to the table."""

    CHANGED = auto()
    UNFIT = auto()
    READY = auto()
    FAILED = auto()
    CLOSED = auto()
    ACCEPTING = auto()
    SUSPENDED = auto()
    OLD_GONE = auto()


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
    (Situation.OPENING, Signal.CHANGED): Machine._postpone,
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
    (Situation.REOPENING, Signal.CHANGED): Machine._postpone,
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
