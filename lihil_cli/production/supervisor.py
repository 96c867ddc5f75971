"""What happens to the workers of a pool: when one is started, replaced, made to wait, told to end, or killed.

Pure: events and the time go in, actions come out, and `due` says when to look again. Each place of the pool has one
worker that serves, or one that starts, or waits for its turn:

    STARTING ──ready──▶ SERVING ──died──▶ WAITING ──delay──▶ STARTING
        └─── died, or not ready in time ────▶ WAITING

A place whose worker dies young again and again waits longer each time. A restart gives each place a second worker, and
ends the first once that one is ready; so the pool never serves with fewer than it has. If the second one cannot start,
the restart ends there and the first ones go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from lihil_cli.serving.orders import Order

YOUNG_S: Final = 10.0
"""A worker that dies before this age counts as one that cannot live."""

MAX_DELAY_S: Final = 30.0
"""The longest wait before another try."""

KILL_MARGIN_S: Final = 1.0
"""What a worker may take beyond the bound it keeps by itself, before it is killed."""

UNREADY_S: Final = 0.5
"""What one that does not serve yet may take to end: it has nobody to say goodbye to."""


# What happens


@dataclass(frozen=True, slots=True)
class Started:
    """The process that a Start asked for, by its process id."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The process that a Start asked for could not be made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker `pid` accepts connections; `notes` are its lines for the banner."""

    pid: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """Worker `pid` is gone; `how` says it in words."""

    pid: int
    how: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The pool is to end: at leisure, or in a hurry; whoever hurries it twice does not wait any more."""

    hurried: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """Every worker is to be replaced by one with new code, certificates and environment, one after the other."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = Started | NotStarted | Ready | Ended | Stop | Restart | Tick


# What to do


@dataclass(frozen=True, slots=True)
class Start:
    """Start one process and answer with Started or NotStarted, before anything else."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask worker `pid` to end in this way."""

    pid: int
    way: Order


@dataclass(frozen=True, slots=True)
class Kill:
    """End worker `pid` without asking."""

    pid: int


@dataclass(frozen=True, slots=True)
class Say:
    """One line for the operator."""

    text: str


@dataclass(frozen=True, slots=True)
class Announce:
    """The first worker serves: show the banner with these lines."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left: end, as one that was stopped or as one that failed."""

    failed: bool


Action: TypeAlias = Start | Ask | Kill | Say | Announce | Finish


@dataclass(frozen=True, slots=True)
class Limits:
    """How many workers, and the seconds they have: to become ready, and to end once they are asked to."""

    workers: int
    start_s: float
    end_s: float


@dataclass(slots=True)
class _Worker:
    since: float  # started, or ready
    deadline: float | None  # to be ready, or to be gone; None while it serves
    is_ready: bool = False
    is_leaving: bool = False


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
            case Ended(pid, how):
                actions = self._take_ended(pid, how, now)
            case Stop(hurried):
                actions = self._take_stop(hurried, now)
            case Restart():
                actions = self._take_restart()
            case _:
                actions = self._take_tick(now)
        return [*actions, *self._go_on_restarting(), *self._finish()]

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
        actions: list[Action] = []
        if not self._has_served:
            self._has_served = True
            actions.append(Announce((f"{self._limits.workers} workers", *notes)))
            for index in range(1, self._limits.workers):
                actions += self._start(index, "main")
        for place in self._places:
            if place.next == pid and place.main is not None:
                actions += self._ask([place.main], Order.REPLACE, now)
                place.main, place.next, place.failures = pid, None, 0
        return actions

    def _take_ended(self, pid: int, how: str, now: float) -> list[Action]:
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
            return self._fail()
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

    def _take_restart(self) -> list[Action]:
        if self._is_ending or not self._has_served:
            return []
        if self._restart is not None:
            self._restart.again = True
            return []
        self._restart = self._plan_restart()
        return [Say("restarting the workers, one after the other")]

    def _plan_restart(self) -> _Restart:
        """Everyone there is; one that starts may have read the old code already."""
        return _Restart([place.main for place in self._places if place.main is not None])

    def _go_on_restarting(self) -> list[Action]:
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
        return [Say("every worker is a new one"), *self._go_on_restarting()]

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
                worker.is_leaving = True
            actions.append(Ask(pid, way))
        return actions

    def _kill(self, pids: Iterable[int]) -> list[Action]:
        for pid in pids:
            self._workers[pid].deadline = None
        return [Kill(pid) for pid in pids]

    def _take_tick(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for pid, worker in self._workers.items():
            if worker.deadline is not None and worker.deadline <= now:
                wanted = "end" if worker.is_leaving else f"serve within {self._limits.start_s:g} s"
                if not worker.is_leaving or worker.is_ready:
                    actions.append(Say(f"worker {pid} did not {wanted}; killed"))
                actions += self._kill([pid])
        return actions + self._start_due(now)

    def _finish(self) -> list[Action]:
        if not self._is_ending or self._workers or self._asked:
            return []
        self._is_over = True
        return [Finish(self._failed)]
