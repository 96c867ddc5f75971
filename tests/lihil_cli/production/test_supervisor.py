"""The pool's decisions, one by one."""

import pytest

from lihil_cli.errors import how_it_ended
from lihil_cli.production.events import (
    Alive,
    Ask,
    Debugged,
    Ended,
    Finish,
    Limits,
    NotStarted,
    Ready,
    Restart,
    Standing,
    Start,
    Started,
    Stop,
)
from lihil_cli.production.supervisor import KILL_MARGIN_S, MAX_DELAY_S, UNREADY_S, YOUNG_S, Supervisor
from lihil_cli.serving.orders import Order
from tests.lihil_cli.production.world import LIMITS, World, serving, settle


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
    world.ended(1, code=1)
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


@pytest.mark.parametrize("code", [-9, 0])
def test_a_first_worker_that_ends_without_a_word_is_told_of(code: int) -> None:
    world = World()
    world.ended(1, code=code)
    assert world.said == [f"worker 1 ended {how_it_ended(code)} before it served"]
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
    world.handle(Restart(LIMITS))
    world.ended(1, 2)
    assert not world.finished
    world.ended(3)
    assert world.finished == [Finish(failed=False)]
    assert len(world.starts) == 3
    assert (world.said, world.killed) == ([], [])
    world.handle(Restart(LIMITS))  # nothing is heard any more


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


WATCHED = Limits(workers=2, start_s=60.0, end_s=8.0, hang_s=20.0)


def test_a_worker_that_does_not_turn_its_event_loop_is_killed_and_replaced() -> None:
    world = serving(WATCHED)
    world.wait(5)
    assert world.probed == [(1, 105.0), (2, 105.0)]
    for _ in range(4):
        world.handle(Alive(2))
        world.handle(Standing(1, "main.py:3, in block"))
        assert world.killed == []
        world.wait(5)
    assert world.killed == [1]
    text = "worker 1 has not turned its event loop for 20 s (hang_timeout) and stands at main.py:3, in block; killed"
    assert world.said == [text]
    world.ended(1)
    assert list(world.alive) == [2, 3]


def test_a_worker_that_cannot_even_say_where_it_stands_is_killed_too() -> None:
    world = serving(WATCHED)
    world.wait(25)
    assert world.said[0] == "worker 1 has not turned its event loop for 20 s (hang_timeout); killed"
    assert world.killed == [1, 2]
    world.wait(100)
    assert world.killed == [1, 2]


def test_a_worker_in_a_debugger_may_stand_still() -> None:
    world = serving(WATCHED)
    world.wait(5)
    world.handle(Debugged(1))
    world.handle(Debugged(2))
    assert world.supervisor.due is None
    world.handle(Alive(1))  # nothing depends on it any more
    assert world.supervisor.due is None


def test_one_that_has_been_told_to_end_is_not_asked_any_more() -> None:
    world = serving(WATCHED)
    world.handle(Stop(hurried=False))
    world.wait(8)
    assert world.probed == []


@pytest.mark.parametrize(
    ("workers", "line"),
    [(1, "1 worker from now on"), (3, "every worker is a new one"), (5, "5 workers from now on")],
)
def test_a_restart_ends_with_as_many_workers_as_are_wanted_now(workers: int, line: str) -> None:
    world = serving()
    world.handle(Restart(Limits(workers, 60, 8)))
    settle(world)
    assert world.said[-1] == line
    assert list(world.alive.values()) == [True] * workers
    assert min(world.alive) > 3
    assert all(Order.REPLACE in orders for orders in world.asked.values())


def test_a_restart_that_is_given_up_leaves_their_number_as_it_was() -> None:
    world = serving()
    world.handle(Restart(Limits(5, 60, 8)))
    world.ended(4)
    settle(world)
    assert list(world.alive) == [1, 2, 3]


def test_a_surplus_worker_that_has_died_is_not_replaced() -> None:
    world = serving(Limits(2, 60, 8))
    for pid in (2, 3):
        world.ended(pid)
    world.handle(Restart(Limits(1, 60, 8)))
    world.ready(4)
    world.ended(1)
    world.wait(MAX_DELAY_S)
    assert list(world.alive) == [4]


def test_the_number_wanted_last_is_what_a_second_restart_ends_with() -> None:
    world = serving()
    world.handle(Restart(Limits(5, 60, 8)))
    world.handle(Restart(Limits(2, 60, 8)))
    settle(world)
    assert list(world.alive.values()) == [True, True]
    assert world.said[-1] == "2 workers from now on"


def test_a_restart_replaces_one_after_the_other_and_never_serves_with_fewer() -> None:
    world = serving()
    world.handle(Restart(LIMITS))
    for former in (1, 2, 3):
        follower = former + 3
        assert list(world.alive) == [*range(former, follower), follower]
        assert former not in world.asked
        world.ready(follower)
        assert world.asked[former] == [Order.REPLACE]
        world.ended(former, code=0)
    assert list(world.alive) == [4, 5, 6]
    assert world.said[0].startswith("restarting the workers, one after the other: ")
    assert world.said[1:] == ["every worker is a new one"]


def test_a_restart_asked_for_twice_is_done_twice() -> None:
    world = serving(Limits(1, 60, 8))
    world.handle(Restart(world.limits))
    world.handle(Restart(world.limits))
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
    world.handle(Restart(LIMITS))
    if fails == "hangs":
        world.wait(60)
    if fails != "cannot be started":
        world.ended(4)
    assert list(world.alive) == [1, 2, 3]
    assert world.asked == {}
    assert world.said[-1] == "the restart is given up: a new worker cannot serve; the former ones go on"


def test_before_anyone_serves_there_is_nothing_to_restart() -> None:
    world = World()
    world.handle(Restart(LIMITS))
    assert world.said == []


def test_a_worker_that_dies_while_its_follower_starts_is_followed_by_that_one() -> None:
    world = serving()
    world.handle(Restart(LIMITS))
    world.ended(1)
    assert list(world.alive) == [2, 3, 4]
    assert world.said[-1] == "worker 1 ended by signal 9; the one to follow it is on its way"
    world.ready(4)
    assert list(world.alive) == [2, 3, 4, 5]


def test_a_restart_passes_over_a_worker_that_has_died_and_is_followed_anyway() -> None:
    world = serving()
    world.handle(Restart(LIMITS))
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
    world.handle(Restart(LIMITS))
    assert list(world.alive) == [1, 2, 4]  # which may have read the old code already
    world.ready(4)
    for former in (1, 2, 4):
        world.ready(max(world.alive))
        world.ended(former)
    assert list(world.alive) == [5, 6, 7]
    assert world.said[-1] == "every worker is a new one"


def test_a_former_worker_that_does_not_end_is_killed_and_the_restart_goes_on() -> None:
    world = serving()
    world.handle(Restart(LIMITS))
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
    assert supervisor.handle(Ended(7, 0), 0) == [Finish(failed=False)]
    supervisor = Supervisor(LIMITS)
    supervisor.begin()
    supervisor.handle(Stop(hurried=False), 0)
    assert supervisor.handle(NotStarted("no memory"), 0) == [Finish(failed=False)]


def test_news_of_a_process_that_is_not_ours_changes_nothing() -> None:
    world = serving()
    world.handle(Ready(99))
    world.handle(Ended(99, 0))
    assert list(world.alive) == [1, 2, 3]
