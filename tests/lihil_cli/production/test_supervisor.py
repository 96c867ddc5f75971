"""The pool's decisions, one by one, and whatever order things happen in."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lihil_cli.production.supervisor import (
    KILL_MARGIN_S,
    MAX_DELAY_S,
    UNREADY_S,
    YOUNG_S,
    Action,
    Announce,
    Ask,
    Ended,
    Event,
    Finish,
    Kill,
    Limits,
    NotStarted,
    Ready,
    Restart,
    Say,
    Start,
    Started,
    Stop,
    Supervisor,
    Tick,
)
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

    def ended(self, *pids: int, how: str = "by signal 9") -> None:
        for pid in pids:
            del self.alive[pid]
            self.handle(Ended(pid, how))

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


def test_the_others_follow_once_the_first_serves() -> None:
    world = World()
    assert list(world.alive) == [1]
    world.ready(1)
    assert list(world.alive) == [1, 2, 3]
    assert world.announced == [("3 workers", "a note")]
    world.ready(2, 3)
    assert len(world.announced) == 1
    assert world.supervisor.due is None


def test_an_app_that_cannot_be_served_ends_the_pool_at_once() -> None:
    world = World()
    world.ended(1, how="with exit code 1")
    assert world.finished == [Finish(failed=True)]
    assert world.starts == [100.0]
    assert world.said == []


def test_a_first_worker_that_hangs_is_killed_and_the_pool_ends() -> None:
    world = World()
    world.wait(59.9)
    assert world.killed == []
    world.wait(0.1)
    assert world.killed == [1]
    assert world.said == ["worker 1 did not serve within 60 s; killed"]
    world.ended(1)
    assert world.finished == [Finish(failed=True)]


def test_a_dead_worker_is_replaced_at_once_and_told() -> None:
    world = serving()
    world.ended(2)
    assert list(world.alive) == [1, 3, 4]
    assert world.said == ["worker 2 ended by signal 9; starting another"]


def test_workers_that_die_young_wait_longer_each_time_and_one_that_lives_ends_that() -> None:
    world = serving(Limits(1, 60, 8))
    delays = []
    for pid in range(1, 10):
        before = world.now
        world.ended(pid)
        world.wait(MAX_DELAY_S)
        delays.append(world.starts[-1] - before)
        world.ready(pid + 1)
    assert delays == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert world.said[1] == "worker 2 ended by signal 9; starting another in 1 s"
    world.wait(YOUNG_S)
    world.ended(10)
    assert world.starts[-1] == world.now


def test_a_replacement_that_hangs_is_killed_and_replaced_later() -> None:
    world = serving()
    world.ended(2)
    world.wait(60)
    assert world.killed == [4]
    world.ended(4)
    assert list(world.alive) == [1, 3]
    world.wait(1)
    assert list(world.alive) == [1, 3, 5]


def test_a_system_that_starts_no_process_is_asked_again_later() -> None:
    world = serving()
    world.can_start = lambda: False
    world.ended(2)
    assert world.said[-1] == "no worker can be started: no memory"
    world.wait(3)
    world.can_start = lambda: True
    world.wait(MAX_DELAY_S)
    assert list(world.alive) == [1, 3, 4]


def test_a_system_that_starts_not_even_the_first_one_ends_the_pool() -> None:
    world = World(can_start=lambda: False)
    assert world.said == ["no worker can be started: no memory"]
    assert world.finished == [Finish(failed=True)]


@pytest.mark.parametrize(("hurried", "way"), [(False, Order.STOP), (True, Order.HURRY)])
def test_a_stop_asks_everyone_and_ends_when_all_have(hurried: bool, way: Order) -> None:
    world = serving()
    world.handle(Stop(hurried))
    assert world.asked == {1: [way], 2: [way], 3: [way]}
    world.handle(Stop(hurried=False))
    world.handle(Restart())
    world.ended(1, 2)
    assert not world.finished
    world.ended(3)
    assert world.finished == [Finish(failed=False)]
    assert len(world.starts) == 3
    assert (world.said, world.killed) == ([], [])
    world.handle(Restart())  # nothing is heard any more


def test_whoever_overstays_the_end_is_killed() -> None:
    world = serving()
    world.handle(Stop(hurried=False))
    world.ended(1)
    world.wait(8 + KILL_MARGIN_S)
    assert world.killed == [2, 3]
    assert world.said == ["worker 2 did not end; killed", "worker 3 did not end; killed"]
    world.ended(2, 3)
    assert world.finished


def test_ctrl_c_hurries_a_stop_and_a_second_one_kills() -> None:
    world = serving()
    world.handle(Stop(hurried=False))
    world.handle(Stop(hurried=True))
    assert world.asked[1] == [Order.STOP, Order.HURRY]
    world.handle(Stop(hurried=True))
    assert world.killed == [1, 2, 3]


def test_a_worker_that_does_not_serve_yet_has_little_time_to_end() -> None:
    world = World()
    world.ready(1)
    world.handle(Stop(hurried=False))
    world.ready(2)  # too late
    world.ended(1)
    world.wait(UNREADY_S)
    assert world.killed == [2, 3]
    assert world.said == []


def test_a_restart_replaces_one_after_the_other_and_never_serves_with_fewer() -> None:
    world = serving()
    world.handle(Restart())
    for former in (1, 2, 3):
        follower = former + 3
        assert list(world.alive) == [*range(former, follower), follower]
        assert former not in world.asked
        world.ready(follower)
        assert world.asked[former] == [Order.REPLACE]
        world.ended(former, how="with exit code 0")
    assert list(world.alive) == [4, 5, 6]
    assert world.said == ["restarting the workers, one after the other", "every worker is a new one"]


def test_a_restart_asked_for_twice_is_done_twice() -> None:
    world = serving(Limits(1, 60, 8))
    world.handle(Restart())
    world.handle(Restart())
    world.ready(2)
    world.ended(1)
    world.ready(3)
    world.ended(2)
    assert list(world.alive) == [3]
    assert world.said[-1] == "every worker is a new one"


@pytest.mark.parametrize("fails", ["dies", "hangs", "cannot be started"])
def test_a_restart_whose_worker_cannot_serve_leaves_the_former_ones(fails: str) -> None:
    world = serving()
    world.can_start = lambda: fails != "cannot be started"
    world.handle(Restart())
    if fails == "hangs":
        world.wait(60)
    if fails != "cannot be started":
        world.ended(4)
    assert list(world.alive) == [1, 2, 3]
    assert world.asked == {}
    assert world.said[-1] == "the restart is given up: a new worker cannot serve; the former ones go on"


def test_before_anyone_serves_there_is_nothing_to_restart() -> None:
    world = World()
    world.handle(Restart())
    assert world.said == []


def test_a_worker_that_dies_while_its_follower_starts_is_followed_by_that_one() -> None:
    world = serving()
    world.handle(Restart())
    world.ended(1)
    assert list(world.alive) == [2, 3, 4]
    assert world.said[-1] == "worker 1 ended by signal 9; the one to follow it is on its way"
    world.ready(4)
    assert list(world.alive) == [2, 3, 4, 5]


def test_a_restart_passes_over_a_worker_that_has_died_and_is_followed_anyway() -> None:
    world = serving()
    world.handle(Restart())
    world.ended(3)
    world.ready(5)  # in the place of 3
    world.ready(4)
    world.ended(1)
    world.ready(6)
    world.ended(2)
    assert list(world.alive) == [4, 5, 6]
    assert world.said[-1] == "every worker is a new one"


def test_a_restart_waits_for_a_worker_that_starts_and_replaces_it_too() -> None:
    world = serving()
    world.ended(3)
    world.handle(Restart())
    assert list(world.alive) == [1, 2, 4]  # which may have read the old code already
    world.ready(4)
    for former in (1, 2, 4):
        world.ready(max(world.alive))
        world.ended(former)
    assert list(world.alive) == [5, 6, 7]
    assert world.said[-1] == "every worker is a new one"


def test_a_former_worker_that_does_not_end_is_killed_and_the_restart_goes_on() -> None:
    world = serving()
    world.handle(Restart())
    world.ready(4)
    world.wait(8 + KILL_MARGIN_S)
    assert world.killed == [1]
    world.ended(1)
    assert list(world.alive) == [2, 3, 4, 5]


def test_a_stop_right_after_a_start_was_asked_for_reaches_that_worker_too() -> None:
    supervisor = Supervisor(LIMITS)
    assert supervisor.begin() == [Start()]
    assert supervisor.handle(Stop(hurried=False), 0) == []
    assert supervisor.handle(Started(7), 0) == [Ask(7, Order.STOP)]
    assert supervisor.handle(Ended(7, ""), 0) == [Finish(failed=False)]
    supervisor = Supervisor(LIMITS)
    supervisor.begin()
    supervisor.handle(Stop(hurried=False), 0)
    assert supervisor.handle(NotStarted("no memory"), 0) == [Finish(failed=False)]


def test_news_of_a_process_that_is_not_ours_changes_nothing() -> None:
    world = serving()
    world.handle(Ready(99))
    world.handle(Ended(99, ""))
    assert list(world.alive) == [1, 2, 3]


HAPPENINGS = st.one_of(
    st.tuples(st.sampled_from(["ready", "ended"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["wait"]), st.sampled_from([0.1, 0.6, 2.0, 9.0, 61.0])),
    st.tuples(st.sampled_from(["restart", "cannot start", "can start"]), st.none()),
)
ENDS = st.sampled_from([Stop(hurried=False), Stop(hurried=True)])


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), st.lists(HAPPENINGS, max_size=60), st.lists(ENDS, min_size=1, max_size=3))
def test_whatever_happens_the_pool_is_kept_up_and_ends_with_nothing_left(
    workers: int, happenings: list[tuple[str, float | None]], ends: list[Stop]
) -> None:
    can_start = True
    world = World(Limits(workers, 60, 8), can_start=lambda: can_start)
    for name, value in happenings:
        if name in {"ready", "ended"} and world.alive:
            pid = sorted(world.alive)[int(value or 0) % len(world.alive)]
            world.ready(pid) if name == "ready" else world.ended(pid)
        elif name == "wait":
            world.wait(value or 0)
        elif name == "restart":
            world.handle(Restart())
        else:
            can_start = name == "can start"
        # One more than the places while one is replaced, and those that have been told to go.
        leaving = set(world.asked) | set(world.killed)
        assert len(set(world.alive) - leaving) <= workers + 1
        assert world.finished in ([], [Finish(failed=True)])
    can_start = True
    if not world.finished:
        if world.announced:  # it has served, and comes back to its full number whatever has happened
            settle(world)
            assert sum(world.alive.values()) == workers
        starts = len(world.starts)
        for end in ends:
            world.handle(end)
        assert all(pid in world.asked or pid in world.killed for pid in world.alive)
        world.wait(8 + KILL_MARGIN_S)
        assert set(world.alive) <= set(world.killed)
        for pid in list(world.alive):
            world.ended(pid)
        assert len(world.starts) == starts
        assert world.finished == [Finish(failed=False)]
    assert not world.alive


def settle(world: World) -> None:
    """Every worker becomes ready, ends when it is asked to, and is dead when it was killed, until nothing happens."""
    while True:
        before = (dict(world.alive), len(world.said))
        for pid, is_ready in list(world.alive.items()):
            if pid in world.asked or pid in world.killed:
                world.ended(pid)
            elif not is_ready:
                world.ready(pid)
        world.wait(MAX_DELAY_S)
        if (world.alive, len(world.said)) == before:
            return
