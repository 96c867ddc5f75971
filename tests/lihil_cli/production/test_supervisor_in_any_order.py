"""The pool's decisions, whatever order things happen in."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lihil_cli.production.events import (
    Alive,
    Finish,
    Limits,
    Restart,
    Stop,
)
from lihil_cli.production.supervisor import KILL_MARGIN_S
from tests.lihil_cli.production.world import World, settle

HAPPENINGS = st.one_of(
    st.tuples(st.sampled_from(["ready", "ended"]), st.integers(0, 5)),
    st.tuples(st.sampled_from(["wait"]), st.sampled_from([0.1, 0.6, 2.0, 9.0, 61.0])),
    st.tuples(st.sampled_from(["restart"]), st.integers(1, 5)),
    st.tuples(st.sampled_from(["alive", "cannot start", "can start"]), st.none()),
)
ENDS = st.sampled_from([Stop(hurried=False), Stop(hurried=True)])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 4),
    st.sampled_from([0.0, 30.0]),
    st.lists(HAPPENINGS, max_size=60),
    st.lists(ENDS, min_size=1, max_size=3),
)
def test_whatever_happens_the_pool_is_kept_up_and_ends_with_nothing_left(
    workers: int, hang_s: float, happenings: list[tuple[str, float | None]], ends: list[Stop]
) -> None:
    world = World(Limits(workers, 60, 8, hang_s))
    most = workers
    for name, value in happenings:
        if name == "restart" and world.announced and not world.finished:
            workers = int(value or 1)
            most = max(most, workers)
        happen(world, name, value or 0)
        # One more than the places while one is replaced, and those that have been told to go.
        leaving = set(world.asked) | set(world.killed)
        assert len(set(world.alive) - leaving) <= most + 1
        assert world.finished in ([], [Finish(failed=True)])
    world.can_start = lambda: True
    if not world.finished:
        if world.announced:  # it has served, and comes back to its full number whatever has happened
            settle(world)
            world.handle(Restart(Limits(workers, 60, 8)))  # one may have been given up
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


def happen(world: World, name: str, value: float) -> None:
    match name:
        case "ready" | "ended" if world.alive:
            pid = sorted(world.alive)[int(value) % len(world.alive)]
            world.ready(pid) if name == "ready" else world.ended(pid)
        case "wait":
            world.wait(value)
        case "restart":
            world.handle(Restart(world.limits.but(workers=int(value))))
        case "alive":
            for pid in world.alive:
                world.handle(Alive(pid))
        case "cannot start" | "can start":
            world.can_start = lambda: name == "can start"
