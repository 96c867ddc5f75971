"""Who leaves until when: what the state machine never asks for in one course, in particular."""

from lihil_cli.devserver.events import Kill, ShowKilled, Tell, Word
from lihil_cli.devserver.farewell import STOP_HEED_S, STOP_S, Farewells


def test_one_that_leaves_is_made_to_when_its_time_is_over_and_only_once() -> None:
    leaving = Farewells()
    assert leaving.let_go(None, Word.DRAIN, 5.0) == leaving.kill(None) == leaving.kill_late(None, "leave") == []
    assert leaving.let_go(1, Word.DRAIN, 5.0) == [Tell(1, Word.DRAIN)]
    assert leaving
    assert leaving.deadline == 5.0
    assert leaving.pass_time(4.9) == []
    assert leaving.pass_time(5.0) == [Kill(1), ShowKilled(1, "leave", is_deaf=True)]
    assert leaving.is_killed(1)
    assert leaving.pass_time(6.0) == leaving.kill_late(1, "leave") == leaving.let_go(1, Word.STOP, 9.0) == []
    leaving.strike(1)
    assert not leaving


def test_at_the_stop_only_those_who_have_heard_keep_their_time() -> None:
    leaving = Farewells()
    for worker in (1, 2, 3):
        leaving.let_go(worker, Word.DRAIN, 13.0)
    leaving.kill(3)
    leaving.hear_shutdown(1)
    leaving.stop(10.5)
    assert leaving.pass_time(10.5 + STOP_HEED_S) == [Kill(2), ShowKilled(2, "leave", is_deaf=True)]
    assert leaving.deadline == 13.0
    leaving.hear_shutdown(4)  # which is not leaving, and need not
    leaving.return_to_life(1)
    assert leaving.kill_all() == [Kill(1), Kill(2), Kill(3)]


def test_one_that_hears_after_the_stop_gets_the_time_of_the_stop() -> None:
    leaving = Farewells()
    leaving.let_go(1, Word.STOP, 13.0)
    leaving.stop(10.0)
    assert leaving.deadline == 10.0 + STOP_HEED_S
    leaving.hear_shutdown(1)
    assert leaving.deadline == 10.0 + STOP_S
