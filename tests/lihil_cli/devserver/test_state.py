"""The dev server's state machine: first any course of events at all, then every row of its table by name."""

import pytest
from hypothesis import settings

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
    Paused,
    Ready,
    ShowFailure,
    ShowKilled,
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
from lihil_cli.devserver.farewell import DRAIN_S, STOP_HEED_S, STOP_S
from lihil_cli.devserver.situation import Situation
from lihil_cli.devserver.state import CLOSE_S, HOLD_S, HURRY_S, MAX_CRASHES, SLOW_S, SUSPEND_HEED_S, Machine
from tests.lihil_cli.devserver.courses import BAD, TAKEN, AnyCourse

TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


# The rows of the table

NEW = Changed(Change(("main.py",), at=10.0))


def started(*, keeps_spare: bool = True, start_timeout_s: float | None = None) -> Machine:
    """Worker 1 serves generation 1, worker 2 is the spare if there is one."""
    machine = Machine(keeps_spare=keeps_spare, start_timeout_s=start_timeout_s)
    assert machine.step(Changed(Change(at=0.0)), 0.0) == [Launch(1), Tell(1, Word.LOAD)]
    assert machine.step(Ready(1), 0.1) == [Tell(1, Word.OPEN)]
    spare: Actions = [Launch(2)] if keeps_spare else []
    assert machine.step(Accepting(1), 0.1) == [ShowServed(1, Change(at=0.0)), *spare]
    assert machine.situation is Situation.SERVING
    return machine


def run(machine: Machine, now: float, *events: Event) -> Actions:
    """What the last of these events brings about."""
    actions: Actions = []
    for event in events:
        actions = machine.step(event, now)
    return actions


def test_a_change_goes_to_the_spare_and_the_old_worker_closes_only_when_that_is_ready() -> None:
    machine = started()
    assert machine.step(NEW, 10.0) == [Tell(2, Word.LOAD)]
    assert "main.py" in machine.loading
    assert machine.step(Ready(2), 10.1) == [Tell(1, Word.CLOSE)]
    assert machine.step(Closed(1), 10.1) == [Tell(2, Word.OPEN)]
    served = machine.step(Accepting(2), 10.2)
    assert served == [Tell(1, Word.DRAIN), ShowServed(2, NEW.change), Launch(3)]
    assert not machine.loading
    assert machine.step(Gone(1, "with exit code 0"), 10.3) == []
    assert machine.deadline is None


def test_without_spares_a_change_starts_a_process() -> None:
    machine = started(keeps_spare=False)
    assert machine.step(NEW, 10.0) == [Launch(2), Tell(2, Word.LOAD)]


def test_a_change_that_wants_a_fresh_process_does_not_take_the_spare() -> None:
    machine = started()
    change = Changed(Change((".env",), at=10.0, fresh=True))
    assert machine.step(change, 10.0) == [Kill(2), Launch(3, fresh=True), Tell(3, Word.LOAD)]


def test_a_newer_change_kills_the_worker_that_loads_the_older_one() -> None:
    machine = started()
    newer = Changed(Change(("chat.py",), at=10.1))
    assert run(machine, 10.1, NEW, newer) == [Kill(2), Launch(3), Tell(3, Word.LOAD)]
    assert machine.loading == ("main.py", "chat.py")
    assert machine.step(Ready(2), 10.1) == []


@pytest.mark.parametrize("last", [[Ready(2)], [Ready(2), Closed(1)]])
def test_a_change_in_the_middle_of_a_switch_is_loaded_after_it(last: list[Event]) -> None:
    machine = started()
    run(machine, 10.0, NEW, *last)
    newer = Changed(Change(("chat.py",), at=10.1))
    assert machine.step(newer, 10.1) == []
    if len(last) == 1:
        machine.step(Closed(1), 10.1)
    assert machine.step(Accepting(2), 10.1)[-2:] == [Launch(3), Tell(3, Word.LOAD)]
    assert machine.situation is Situation.LOADING


def test_code_that_fails_leaves_the_old_worker_alone_and_is_shown_a_while_after_the_save() -> None:
    machine = started()
    assert run(machine, 10.02, NEW, Failed(2, BAD)) == [Kill(2), Launch(3)]
    assert machine.deadline == 10.0 + HOLD_S
    assert machine.step(TimePassed(), 10.05) == []
    assert machine.step(TimePassed(), 10.1) == [ShowFailure(BAD, NEW.change, serving=1)]
    assert machine.situation is Situation.SERVING


def test_the_failure_of_a_half_written_file_is_never_shown() -> None:
    machine = started()
    run(machine, 10.02, NEW, Failed(2, BAD), Changed(Change(("main.py",), at=10.05)))
    assert machine.step(TimePassed(), 10.2) == []


def test_code_that_fails_from_the_start_is_shown_at_once_and_nobody_serves() -> None:
    machine = Machine(keeps_spare=False)
    run(machine, 0.5, Changed(Change(at=0.5)), Failed(1, BAD))
    assert machine.step(TimePassed(), 0.5) == [ShowFailure(BAD, Change(at=0.5), serving=None)]
    assert machine.situation is Situation.BROKEN
    assert machine.step(NEW, 10.0) == [Launch(2), Tell(2, Word.LOAD)]


def test_a_worker_that_ends_without_a_word_while_it_loads_has_failed() -> None:
    machine = started()
    run(machine, 10.02, NEW, Gone(2, "by signal 9"))
    shown = machine.step(TimePassed(), 10.1)
    assert isinstance(shown[0], ShowFailure)
    assert shown[0].failure.text == "error: the worker ended by signal 9 while it loaded the code"


def test_a_worker_that_never_began_is_begun_again_once_with_nothing_inherited() -> None:
    machine = started()
    assert run(machine, 10.0, NEW, Unfit(2)) == [Kill(2), Launch(3, fresh=True), Tell(3, Word.LOAD)]
    assert machine.loading == ("main.py",)
    assert run(machine, 10.0, Gone(2, "without a word"), Unfit(3)) == []
    assert machine.step(Gone(3, "without a word"), 10.1) == [Launch(4)]
    assert isinstance(machine.step(TimePassed(), 10.1)[0], ShowFailure)
    newer = Changed(Change(("main.py",), at=11.0))
    assert run(machine, 11.0, newer, Unfit(4)) == [Kill(4), Launch(5, fresh=True), Tell(5, Word.LOAD)]


def test_a_spare_that_never_began_and_one_that_serves_are_not_begun_again() -> None:
    machine = started()
    assert run(machine, 1.0, Unfit(2)) == run(machine, 1.0, Unfit(1)) == []
    assert run(machine, 10.0, Unfit(2), Gone(2, "without a word"), NEW) == [Launch(3), Tell(3, Word.LOAD)]


def test_what_only_one_can_have_is_given_up_by_the_old_worker_for_the_new_one() -> None:
    machine = started()
    assert run(machine, 10.1, NEW, Failed(2, TAKEN)) == [Kill(2), Tell(1, Word.SUSPEND)]
    assert machine.step(Suspended(1), 10.2) == [Launch(3), Tell(3, Word.LOAD)]
    assert machine.step(Ready(3), 10.3) == [Tell(3, Word.OPEN)]
    assert machine.step(Accepting(3), 10.3)[0] == Tell(1, Word.DRAIN)


def test_the_old_worker_is_restored_when_the_new_one_fails_alone_too() -> None:
    machine = started()
    assert run(machine, 10.2, NEW, Failed(2, TAKEN), Suspended(1), Failed(3, TAKEN)) == [Kill(3), Tell(1, Word.OPEN)]
    assert machine.step(Accepting(1), 10.3) == [Launch(4)]
    assert machine.step(TimePassed(), 10.3) == [ShowFailure(TAKEN, NEW.change, serving=1)]


def test_an_old_worker_that_cannot_be_restored_leaves_nobody() -> None:
    machine = started()
    run(machine, 10.2, NEW, Failed(2, TAKEN), Suspended(1), Failed(3, TAKEN))
    lost = ShowLoss(1, "with exit code 1", is_replaced=False)
    assert machine.step(Gone(1, "with exit code 1"), 10.3) == [lost, Launch(4)]
    assert machine.step(TimePassed(), 10.3) == [ShowFailure(TAKEN, NEW.change, serving=None)]


def test_a_change_while_the_old_worker_is_restored_is_loaded_even_if_that_fails() -> None:
    machine = started()
    run(machine, 10.2, NEW, Failed(2, TAKEN), Suspended(1), Failed(3, TAKEN), Changed(Change(("b.py",), at=10.2)))
    lost = ShowLoss(1, "with exit code 1", is_replaced=True)
    assert machine.step(Gone(1, "with exit code 1"), 10.3) == [lost, Launch(4), Tell(4, Word.LOAD)]


def test_a_change_while_the_old_worker_gives_up_its_lifespan_is_what_is_loaded_then() -> None:
    machine = started()
    run(machine, 10.2, NEW, Failed(2, TAKEN), Changed(Change(("b.py",), at=10.2)))
    machine.step(Suspended(1), 10.3)
    assert machine.loading == ("main.py", "b.py")


def test_an_old_worker_that_dies_while_it_gives_up_its_lifespan_is_in_nobodys_way() -> None:
    machine = started()
    assert run(machine, 10.2, NEW, Failed(2, TAKEN), Gone(1, "by signal 9")) == [Launch(3), Tell(3, Word.LOAD)]
    assert machine.situation is Situation.STARTING


@pytest.mark.parametrize("before", [[], [Closed(1)]])
def test_an_old_worker_opens_again_when_the_new_one_dies_in_the_switch(before: list[Event]) -> None:
    machine = started()
    assert run(machine, 10.1, NEW, Ready(2), *before, Gone(2, "by signal 9")) == [Tell(1, Word.OPEN)]
    assert machine.step(Accepting(1), 10.1) == [Launch(3)]
    assert machine.situation is Situation.SERVING


def test_a_new_worker_that_dies_as_it_opens_with_nobody_behind_it_leaves_nobody() -> None:
    machine = started()
    run(machine, 10.1, NEW, Ready(2), Closed(1), Gone(1, "by signal 9"))
    assert machine.step(Gone(2, "by signal 9"), 10.1) == [Launch(3)]
    assert machine.situation is Situation.BROKEN


def test_a_change_is_not_lost_when_both_die_in_the_switch() -> None:
    machine = started()
    run(machine, 10.1, NEW, Ready(2), Closed(1), Changed(Change(("b.py",), at=10.1)), Gone(1, "by signal 9"))
    assert machine.step(Gone(2, "by signal 9"), 10.1) == [Launch(3), Tell(3, Word.LOAD)]


def test_an_old_worker_that_dies_as_it_closes_has_closed() -> None:
    machine = started()
    assert run(machine, 10.1, NEW, Ready(2), Gone(1, "by signal 9")) == [Tell(2, Word.OPEN)]


def test_a_worker_that_dies_is_replaced_by_the_spare() -> None:
    machine = started()
    assert machine.step(Gone(1, "by signal 9"), 20.0) == [
        ShowLoss(1, "by signal 9", is_replaced=True),
        Tell(2, Word.LOAD),
    ]
    run(machine, 20.1, Ready(2))
    assert machine.step(Accepting(2), 20.1) == [ShowServed(2, None), Launch(3)]


def test_a_worker_that_dies_while_new_code_loads_is_replaced_by_that() -> None:
    machine = started()
    assert run(machine, 10.1, NEW, Gone(1, "by signal 9")) == [ShowLoss(1, "by signal 9", is_replaced=True)]
    assert machine.step(Ready(2), 10.2) == [Tell(2, Word.OPEN)]


def test_code_that_kills_its_worker_again_and_again_is_left_alone_until_it_changes() -> None:
    machine = started(keeps_spare=False)
    for worker in range(1, MAX_CRASHES):
        run(machine, 0.2, Gone(worker, "by signal 11"), Ready(worker + 1), Accepting(worker + 1))
    assert machine.step(Gone(MAX_CRASHES, "by signal 11"), 0.2) == [
        ShowLoss(MAX_CRASHES, "by signal 11", is_replaced=False, is_too_often=True)
    ]
    assert machine.situation is Situation.BROKEN
    assert machine.step(NEW, 10.0)[-1] == Tell(MAX_CRASHES + 1, Word.LOAD)


def test_a_worker_that_served_for_a_while_may_die_as_often_as_it_likes() -> None:
    machine = started(keeps_spare=False)
    for worker in range(1, MAX_CRASHES + 2):
        loss = machine.step(Gone(worker, "by signal 9"), worker * 100.0)[0]
        assert loss == ShowLoss(worker, "by signal 9", is_replaced=True)
        run(machine, worker * 100.0, Ready(worker + 1), Accepting(worker + 1))


def test_a_spare_that_lacks_something_is_replaced_and_one_that_dies_is_not() -> None:
    machine = started()
    assert machine.step(SpareOutdated(keeps_spare=True), 1.0) == [Kill(2), Launch(3)]
    assert machine.step(Gone(2, "by signal 9"), 1.0) == []
    assert machine.step(Gone(3, "by signal 9"), 1.0) == []
    assert machine.step(NEW, 10.0) == [Launch(4), Tell(4, Word.LOAD)]
    assert machine.step(SpareOutdated(keeps_spare=True), 10.0) == []  # it follows the switch
    machine.step(Stop(0), 10.0)
    assert machine.step(SpareOutdated(keeps_spare=True), 10.0) == []


def test_a_worker_that_overstays_its_farewell_is_killed() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2), Closed(1), Accepting(2))
    assert machine.step(TimePassed(), 10.1) == []
    due = machine.deadline
    assert due is not None
    assert machine.step(TimePassed(), due) == [Kill(1), ShowKilled(1, "leave", is_deaf=True)]
    assert machine.deadline is None


def test_stop_lets_those_who_serve_say_goodbye_and_kills_the_others() -> None:
    machine = started()
    machine.step(NEW, 10.0)
    assert machine.step(Stop(143), 10.0) == [Kill(2), Tell(1, Word.STOP)]
    assert machine.step(Gone(2, "by signal 9"), 10.0) == []
    assert machine.step(Gone(1, "with exit code 0"), 10.1) == [End(143)]
    assert machine.step(NEW, 10.2) == []


def test_stop_in_the_middle_of_a_switch_lets_both_say_goodbye() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2), Closed(1))
    assert machine.step(Stop(0), 10.0) == [Tell(2, Word.STOP), Tell(1, Word.STOP)]


def test_stop_gives_those_who_are_leaving_no_more_time_than_the_others() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2), Closed(1), Accepting(2))
    machine.step(ShuttingDown(1), 10.1)
    run(machine, 10.2, Stop(0), ShuttingDown(2))
    assert machine.deadline == 10.2 + STOP_S
    assert 10.2 + STOP_S < 10.0 + DRAIN_S


def test_stop_does_not_wait_for_one_that_does_not_hear_but_for_a_lifespan_that_is_being_shut_down() -> None:
    deaf, hearing = started(keeps_spare=False), started(keeps_spare=False)
    for machine in (deaf, hearing):
        assert machine.step(Stop(0), 10.0) == [Tell(1, Word.STOP)]
        assert machine.deadline == 10.0 + STOP_HEED_S
    assert deaf.step(TimePassed(), 10.0 + STOP_HEED_S) == [Kill(1), ShowKilled(1, "leave", is_deaf=True)]
    assert deaf.step(ShuttingDown(1), 10.9) == []
    assert deaf.step(Gone(1, "by signal 9"), 10.9) == [End(0)]
    hearing.step(ShuttingDown(1), 10.5)
    assert hearing.step(TimePassed(), 10.9) == []
    assert hearing.step(TimePassed(), 10.0 + STOP_S) == [Kill(1), ShowKilled(1, "leave", is_deaf=False)]


def test_stop_twice_is_at_once() -> None:
    machine = started()
    machine.step(Stop(0), 10.0)
    assert Kill(1) in machine.step(Stop(0), 10.1)


def test_stop_with_nobody_there_is_the_end() -> None:
    assert Machine(keeps_spare=True).step(Stop(0), 0.0) == [End(0)]


# Those who do not answer


def test_an_old_worker_that_does_not_hear_is_killed_and_the_new_one_opens_once_it_has_ended() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2))
    assert machine.deadline == 10.0 + CLOSE_S
    assert machine.step(TimePassed(), 10.5) == [Kill(1), ShowKilled(1, "close its door", is_deaf=True)]
    assert machine.step(Closed(1), 10.5) == []  # it is late: its end is what counts
    assert machine.step(Gone(1, "by signal 9"), 10.5) == [Tell(2, Word.OPEN)]
    assert machine.step(Accepting(2), 10.5) == [ShowServed(2, NEW.change), Launch(3)]
    assert machine.deadline is None


def test_an_old_worker_that_does_not_give_up_its_lifespan_is_killed_and_the_new_one_tries_again() -> None:
    machine = started()
    run(machine, 10.0, NEW, Failed(2, TAKEN))
    assert machine.deadline == 10.0 + SUSPEND_HEED_S
    machine.step(ShuttingDown(1), 10.1)
    assert machine.deadline == 10.1 + DRAIN_S - SUSPEND_HEED_S
    assert machine.step(TimePassed(), 13.0) == [Kill(1), ShowKilled(1, "give up its lifespan", is_deaf=False)]
    assert machine.step(Gone(1, "by signal 9"), 13.0) == [Launch(3), Tell(3, Word.LOAD)]
    assert run(machine, 13.0, Ready(3)) == [Tell(3, Word.OPEN)]


def test_stop_waits_for_an_old_worker_that_is_killed_already_and_tells_it_nothing() -> None:
    machine = started(keeps_spare=False)
    run(machine, 10.0, NEW, Ready(2))
    machine.step(TimePassed(), 10.5)
    assert machine.step(Stop(0), 10.5) == [Kill(2)]
    assert run(machine, 10.6, Gone(1, "by signal 9"), Gone(2, "by signal 9")) == [End(0)]


def test_a_new_worker_that_does_not_open_is_waited_for_until_there_is_newer_code() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2), Closed(1))
    words = "is loaded, but something blocks its event loop"
    assert machine.step(TimePassed(), 10.0 + SLOW_S) == [ShowWait(words, None, serving=None)]
    assert machine.deadline is None
    for at in (15.0, 15.5):
        machine.step(Changed(Change(("b.py",), at)), at)
        assert machine.deadline == 15.0 + HURRY_S
    assert machine.step(TimePassed(), 16.0) == [Kill(2)]
    assert machine.step(Gone(2, "by signal 9"), 16.0) == [Tell(1, Word.OPEN)]
    failure = Failure(
        "the app was loaded, but something blocked its event loop; its worker was killed",
        "error: the app was loaded, but something blocked its event loop; its worker was killed",
    )
    assert machine.step(TimePassed(), 16.0) == [ShowFailure(failure, NEW.change, serving=1)]
    assert machine.step(Accepting(1), 16.0) == [Launch(3), Tell(3, Word.LOAD)]
    assert machine.loading == ("main.py", "b.py")


def test_an_old_worker_that_does_not_open_again_is_waited_for_until_there_is_newer_code() -> None:
    machine = started(keeps_spare=False)
    run(machine, 10.0, NEW, Ready(2), Gone(2, "by signal 9"))
    machine.step(TimePassed(), 10.1)
    words = "takes long to serve again what it served before"
    assert machine.step(TimePassed(), 13.0) == [ShowWait(words, None, serving=None)]
    machine.step(Changed(Change(("b.py",), 15.0)), 15.0)
    assert machine.step(TimePassed(), 16.0) == [Kill(1), ShowKilled(1, "serve again", is_deaf=True)]
    assert machine.step(Changed(Change(("c.py",), 16.0)), 16.0) == []
    assert machine.step(TimePassed(), 17.0) == []  # it is killed already
    lost = ShowLoss(1, "by signal 9", is_replaced=True)
    assert machine.step(Gone(1, "by signal 9"), 17.0) == [lost, Launch(3), Tell(3, Word.LOAD)]
    assert machine.loading == ("main.py", "b.py", "c.py")


def test_a_change_while_one_that_does_not_hear_is_closed_hurries_the_new_one_too() -> None:
    machine = started()
    run(machine, 10.0, NEW, Ready(2), Changed(Change(("b.py",), 10.0)))
    machine.step(TimePassed(), 10.5)
    machine.step(Gone(1, "by signal 9"), 10.5)
    assert machine.step(TimePassed(), 10.5 + HURRY_S) == [Kill(2)]
    assert machine.step(Gone(2, "by signal 9"), 12.0) == [Launch(3), Tell(3, Word.LOAD)]


def test_a_lifespan_that_was_taken_up_again_is_shut_down_like_any_other() -> None:
    machine = started()
    run(machine, 10.0, NEW, Failed(2, TAKEN), ShuttingDown(1), Suspended(1), Failed(3, TAKEN), Accepting(1), Stop(0))
    assert machine.deadline == 10.0 + STOP_HEED_S


def test_what_takes_long_to_load_is_told_once_and_may_take_its_time() -> None:
    machine = Machine(keeps_spare=False)
    machine.step(Changed(Change(at=0.0)), 0.0)
    assert machine.step(TimePassed(), SLOW_S) == [ShowWait("is still loading", Change(at=0.0), serving=None)]
    assert machine.deadline is None
    run(machine, 5.0, Ready(1), Accepting(1), NEW)
    assert machine.step(TimePassed(), 10.0) == [ShowWait("is still loading", NEW.change, serving=1)]
    assert machine.deadline is None


def test_a_start_that_takes_longer_than_it_may_has_failed() -> None:
    machine = started(start_timeout_s=2.0)
    run(machine, 10.0, NEW)
    assert machine.step(TimePassed(), 12.0) == [Kill(2)]
    assert machine.step(Ready(2), 12.0) == []
    assert machine.step(Gone(2, "by signal 9"), 12.0) == [Launch(3)]
    failure = machine.step(TimePassed(), 12.0)[0]
    assert isinstance(failure, ShowFailure)
    assert failure.failure.text == "error: the app did not start within 2 s (start_timeout); its worker was killed"
    assert failure.serving == 1


def test_a_start_that_stands_in_a_debugger_has_all_the_time_in_the_world() -> None:
    machine = started(start_timeout_s=2.0)
    run(machine, 10.0, NEW, Paused(1))
    assert machine.deadline == 12.0
    assert machine.step(Paused(2), 11.0) == []
    assert machine.deadline is None
