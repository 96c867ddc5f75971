"""A pool around the supervisor under test, without processes."""

from collections.abc import Callable

from lihil_cli.production.events import (
    Action,
    Alive,
    Announce,
    Ask,
    Ended,
    Event,
    Finish,
    Kill,
    Limits,
    NotStarted,
    Probe,
    Ready,
    Say,
    Start,
    Started,
    Tick,
)
from lihil_cli.production.supervisor import MAX_DELAY_S, Supervisor
from lihil_cli.serving.orders import Order

LIMITS = Limits(workers=3, start_s=60.0, end_s=8.0)


class World:
    """What a shell would be: it starts what is to be started, and keeps what was asked for and said."""

    def __init__(self, limits: Limits = LIMITS, *, can_start: Callable[[], bool] = lambda: True) -> None:
        self.now = 100.0
        self.limits = limits
        self.can_start = can_start
        self.supervisor = Supervisor(limits)
        self.alive: dict[int, bool] = {}  # by pid: whether it is ready
        self.asked: dict[int, list[Order]] = {}
        self.killed: list[int] = []
        self.said: list[str] = []
        self.announced: list[tuple[str, ...]] = []
        self.finished: list[Finish] = []
        self.probed: list[tuple[int, float]] = []
        self.starts: list[float] = []
        self._next_pid = 1
        self._do(self.supervisor.begin())

    def handle(self, event: Event) -> None:
        self._do(self.supervisor.handle(event, self.now))

    def _do(self, actions: list[Action]) -> None:
        queue = list(actions)
        while queue:
            action = queue.pop(0)
            assert not self.finished, action
            match action:
                case Start():
                    queue += self.supervisor.handle(self._start(), self.now)
                case Ask(pid, way):
                    assert pid in self.alive
                    self.asked.setdefault(pid, []).append(way)
                case Kill(pid):
                    assert pid in self.alive
                    self.killed.append(pid)
                case Probe(pid):
                    self.probed.append((pid, self.now))
                case Say(text):
                    self.said.append(text)
                case Announce(notes):
                    self.announced.append(notes)
                case Finish():
                    self.finished.append(action)

    def _start(self) -> Event:
        self.starts.append(self.now)
        if not self.can_start():
            return NotStarted("no memory")
        pid, self._next_pid = self._next_pid, self._next_pid + 1
        self.alive[pid] = False
        return Started(pid)

    def ready(self, *pids: int) -> None:
        for pid in pids:
            self.alive[pid] = True
            self.handle(Ready(pid, ("a note",)))

    def ended(self, *pids: int, code: int = -9) -> None:
        for pid in pids:
            del self.alive[pid]
            self.handle(Ended(pid, code))

    def wait(self, seconds: float) -> None:
        """Let time pass as a shell does: it comes back whenever something is due."""
        end = self.now + seconds
        while (due := self.supervisor.due) is not None and due <= end:
            self.now = max(due, self.now)
            self.handle(Tick())
        self.now = end


def serving(limits: Limits = LIMITS) -> World:
    world = World(limits)
    world.ready(1)
    world.ready(*range(2, limits.workers + 1))
    return world


def settle(world: World) -> None:
    """Every worker becomes ready, ends when it is asked to, and is dead when it was killed, until nothing happens."""
    while True:
        before = dict(world.alive)
        for pid, is_ready in list(world.alive.items()):
            if pid in world.asked or pid in world.killed:
                world.ended(pid)
            elif not is_ready:
                world.ready(pid)
        for _ in range(int(MAX_DELAY_S)):  # and answers
            world.wait(1)
            for pid in world.alive:
                world.handle(Alive(pid))
        if world.alive == before:
            return
