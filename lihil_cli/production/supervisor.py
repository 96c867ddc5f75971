"""What happens to the workers of a pool: when one is started, replaced, made to wait, told to end, or killed.

Pure: events and the time go in, actions come out, and `due` says when to look again. Each place of the pool has one
worker that serves, or one that starts, or waits for its turn:

    STARTING ──ready──▶ SERVING ──died──▶ WAITING ──delay──▶ STARTING
        └─── died, or not ready in time ────▶ WAITING

A place whose worker dies young again and again waits longer each time. A restart gives each place a second worker, and
ends the first once that one is ready; so the pool never serves with fewer than it has. If the second one cannot start,
the restart ends there and the first ones go on. A worker that serves and does not turn its event loop any more is
killed, and so replaced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lihil_cli.errors import ExitCode, how_it_ended
from lihil_cli.production.events import (
    Action,
    Alive,
    Announce,
    Ask,
    Debugged,
    Ended,
    Event,
    Finish,
    Kill,
    Limits,
    NotStarted,
    Probe,
    Ready,
    Restart,
    Say,
    Standing,
    Start,
    Started,
    Stop,
)
from lihil_cli.production.pulse import Pulse, first_pulse
from lihil_cli.serving.orders import Order

YOUNG_S: Final = 10.0
"""A worker that dies before this age counts as one that cannot live."""

MAX_DELAY_S: Final = 30.0
"""The longest wait before another try."""

KILL_MARGIN_S: Final = 1.0
"""What a worker may take beyond the bound it keeps by itself, before it is killed."""

UNREADY_S: Final = 0.5
"""What one that does not serve yet may take to end: it has nobody to say goodbye to."""


@dataclass(slots=True)
class _Worker:
    since: float  # started, or ready
    deadline: float | None  # to be ready, or to be gone; None while it serves
    is_ready: bool = False
    is_leaving: bool = False
    pulse: Pulse | None = None  # while it serves


@dataclass(slots=True)
class _Place:
    """One place of the pool. `main` serves or is to serve, `next` is to follow it, `due` is when `main` is started."""

    main: int | None = None
    next: int | None = None
    due: float | None = None
    failures: int = 0


@dataclass(slots=True)
class _Restart:
    waiting: list[int]  # the workers that are still to be replaced
    places: int  # how many there are to be in the end
    again: bool = False


class Supervisor:
    """The state of one pool. Feed it with `handle`, do what that returns, and come back at `due` at the latest."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._workers: dict[int, _Worker] = {}
        self._places = [_Place() for _ in range(limits.workers)]
        self._asked: list[tuple[int, str]] = []  # the places and roles that the next Started are for
        self._restart: _Restart | None = None
        self._has_served = False
        self._is_ending = False
        self._is_hurried = False
        self._failed = False
        self._is_over = False

    def begin(self) -> list[Action]:
        """The first actions: one worker, so that an app which cannot start says so only once."""
        return self._start(0, "main")

    @property
    def due(self) -> float | None:
        """When a Tick is needed; None where only an event can change anything."""
        times = [worker.deadline for worker in self._workers.values() if worker.deadline is not None]
        times += [worker.pulse.due for worker in self._workers.values() if worker.pulse is not None]
        times += [place.due for place in self._places if place.due is not None]
        return min(times, default=None)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about `event` at `now`, in seconds of any clock that only goes forward."""
        if self._is_over:
            return []
        match event:
            case Started(pid):
                actions = self._take_started(pid, now)
            case NotStarted(reason):
                actions = self._take_not_started(reason, now)
            case Ready(pid, notes):
                actions = self._take_ready(pid, notes, now)
            case Ended():
                actions = self._take_ended(event, now)
            case Alive(pid) | Standing(pid) | Debugged(pid):
                actions = self._take_pulse(pid, event)
            case Stop(hurried):
                actions = self._take_stop(hurried, now)
            case Restart(limits):
                actions = self._take_restart(limits)
            case _:
                actions = self._take_tick(now)
        return [*actions, *self._go_on_restarting(now), *self._finish()]

    # A worker's life

    def _start(self, index: int, role: str) -> list[Action]:
        self._places[index].due = None
        self._asked.append((index, role))
        return [Start()]

    def _take_started(self, pid: int, now: float) -> list[Action]:
        index, role = self._asked.pop(0)
        self._workers[pid] = _Worker(now, now + self._limits.start_s)
        if role == "main":
            self._places[index].main = pid
        else:
            self._places[index].next = pid
        return self._ask([pid], Order.STOP, now) if self._is_ending else []

    def _take_not_started(self, reason: str, now: float) -> list[Action]:
        index, role = self._asked.pop(0)
        if self._is_ending:
            return []
        why = Say(f"no worker can be started: {reason}")
        if role == "next":
            return [why, *self._give_up_restart()]
        if not self._has_served:
            return [why, *self._fail()]
        self._postpone(index, now)
        return [why, *self._start_due(now)]

    def _take_ready(self, pid: int, notes: tuple[str, ...], now: float) -> list[Action]:
        worker = self._workers.get(pid)
        if worker is None or worker.is_leaving:
            return []
        worker.is_ready, worker.since, worker.deadline = True, now, None
        worker.pulse = first_pulse(self._limits.hang_s, now)
        actions: list[Action] = []
        if not self._has_served:
            self._has_served = True
            actions.append(Announce((f"{len(self._places)} workers", *notes)))
            for index in range(1, len(self._places)):
                actions += self._start(index, "main")
        for place in self._places:
            if place.next == pid and place.main is not None:
                actions += self._ask([place.main], Order.REPLACE, now)
                place.main, place.next, place.failures = pid, None, 0
        return actions

    def _take_ended(self, ended: Ended, now: float) -> list[Action]:
        pid, how = ended.pid, how_it_ended(ended.code)
        worker = self._workers.pop(pid, None)
        index = next((i for i, place in enumerate(self._places) if pid in {place.main, place.next}), None)
        if worker is None or index is None or self._is_ending:
            return []
        place = self._places[index]
        if place.next == pid:
            place.next = None
            return self._give_up_restart()
        place.main, place.next = place.next, None
        if place.main is not None:
            return [Say(f"worker {pid} ended {how}; the one to follow it is on its way")]
        if not self._has_served:
            # One that was killed has been told of, and one that cannot serve has said why.
            is_explained = worker.deadline is None or ended.code == ExitCode.FAILED
            return [*([] if is_explained else [Say(f"worker {pid} ended {how} before it served")]), *self._fail()]
        if worker.is_ready and now - worker.since >= YOUNG_S:
            place.failures = 0
        delay_s = self._postpone(index, now)
        later = f" in {delay_s:g} s" if delay_s else ""
        return [Say(f"worker {pid} ended {how}; starting another{later}"), *self._start_due(now)]

    def _postpone(self, index: int, now: float) -> float:
        """When the place gets its next worker: at once the first time, then later and later."""
        place = self._places[index]
        delay_s = 0.0 if not place.failures else min(2.0 ** (place.failures - 1), MAX_DELAY_S)
        place.failures += 1
        place.due = now + delay_s
        return delay_s

    def _start_due(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for index, place in enumerate(self._places):
            if place.due is not None and place.due <= now:
                actions += self._start(index, "main")
        return actions

    # Restarting

    def _take_restart(self, limits: Limits) -> list[Action]:
        if self._is_ending or not self._has_served:
            return []
        self._limits = limits
        if self._restart is not None:
            self._restart.again = True
            return []
        self._restart = self._plan_restart()
        return [Say("restarting the workers, one after the other: with code, env files and settings as they are now")]

    def _plan_restart(self) -> _Restart:
        """Everyone who is to be there in the end; one that starts may have read the old code already."""
        staying = self._places[: self._limits.workers]
        return _Restart([place.main for place in staying if place.main is not None], self._limits.workers)

    def _go_on_restarting(self, now: float) -> list[Action]:
        """The next worker's turn, once nobody starts and nobody leaves; one that has died meanwhile is followed."""
        restart = self._restart
        if restart is None or self._asked:
            return []
        if any(worker.is_leaving or not worker.is_ready for worker in self._workers.values()):
            return []
        while restart.waiting:
            former = restart.waiting.pop(0)
            for index, place in enumerate(self._places):
                if place.main == former:
                    return self._start(index, "next")
        self._restart = self._plan_restart() if restart.again else None
        return [Say("every worker is a new one"), *self._resize(restart.places, now), *self._go_on_restarting(now)]

    def _resize(self, count: int, now: float) -> list[Action]:
        """As many places as that: new ones get their worker at once, and the workers of the others go."""
        if count == len(self._places):
            return []
        surplus = self._places[count:]
        self._places[count:] = [_Place(due=now) for _ in range(count - len(self._places))]
        gone = self._ask([place.main for place in surplus if place.main is not None], Order.REPLACE, now)
        return [Say(f"{count} worker{'' if count == 1 else 's'} from now on"), *gone, *self._start_due(now)]

    def _give_up_restart(self) -> list[Action]:
        self._restart = None
        return [Say("the restart is given up: a new worker cannot serve; the former ones go on")]

    # The end

    def _take_stop(self, hurried: bool, now: float) -> list[Action]:
        if self._is_hurried:
            return self._kill(self._workers) if hurried else []
        if self._is_ending and not hurried:
            return []
        self._begin_end()
        self._is_hurried = hurried
        return self._ask(self._workers, Order.HURRY if hurried else Order.STOP, now)

    def _fail(self) -> list[Action]:
        """The first worker, and so the only one, has gone before it served."""
        self._failed = True
        self._begin_end()
        return []

    def _begin_end(self) -> None:
        self._is_ending = True
        self._restart = None
        for place in self._places:
            place.due = None

    def _ask(self, pids: Iterable[int], way: Order, now: float) -> list[Action]:
        actions: list[Action] = []
        for pid in pids:
            worker = self._workers[pid]
            if not worker.is_leaving:
                worker.deadline = now + (self._limits.end_s + KILL_MARGIN_S if worker.is_ready else UNREADY_S)
                worker.is_leaving, worker.pulse = True, None
            actions.append(Ask(pid, way))
        return actions

    def _kill(self, pids: Iterable[int]) -> list[Action]:
        for pid in pids:
            self._workers[pid].deadline = self._workers[pid].pulse = None
        return [Kill(pid) for pid in pids]

    def _take_tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for pid, worker in self._workers.items():
            if worker.deadline is not None and worker.deadline <= now:
                wanted = "end" if worker.is_leaving else f"serve within {self._limits.start_s:g} s"
                if not worker.is_leaving or worker.is_ready:
                    actions.append(Say(f"worker {pid} did not {wanted}; killed"))
                actions += self._kill([pid])
            if worker.pulse is not None and worker.pulse.due <= now:
                actions += self._look_after(pid, worker.pulse, now)
        return actions + self._start_due(now)

    def _look_after(self, pid: int, pulse: Pulse, now: float) -> list[Action]:
        if pulse.take_look(now):
            return [Probe(pid)]
        place = f" and stands at {pulse.place}" if pulse.place else ""
        text = f"worker {pid} has not turned its event loop for {pulse.bound_s:g} s (hang_timeout){place}; killed"
        return [Say(text), *self._kill([pid])]

    def _take_pulse(self, pid: int, event: Alive | Standing | Debugged) -> list[Action]:
        worker = self._workers.get(pid)
        if worker is None or worker.pulse is None:
            return []
        match event:
            case Alive():
                worker.pulse.hear()
            case Standing(place=place):
                worker.pulse.place = place
            case _:
                worker.pulse = None
        return []

    def _finish(self) -> list[Action]:
        if not self._is_ending or self._workers or self._asked:
            return []
        self._is_over = True
        return [Finish(self._failed)]
