"""What is expected of the messages of a pipe: by the steps of its input, and by the command line."""

import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Close,
    Event,
    Exit,
    Given,
    InputEnded,
    Note,
    Opened,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
)
from lihil_cli.wstest.pattern import parse_pattern
from lihil_cli.wstest.session import (
    LINGER_FOR_EXPECTED_S,
    LINGER_S,
    Session,
)
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.steps import Expect, Leave, Measure, Sleep
from tests.lihil_cli.wstest.played import BY_US, LOST, PIPE, exit_code, expected, last_note, replay, said


def test_a_sleep_holds_up_what_comes_behind_it() -> None:
    session = Session(PIPE, 0.0)
    session.handle(Opened(), 0.0)
    wanted = [session.wants_input]
    assert session.handle(Given(Sleep(2.0)), 0.0) == []
    assert [*wanted, session.wants_input] == [True, False]
    assert session.handle(said("late"), 0.5) == []
    session.handle(InputEnded(), 0.6)
    assert session.wake_at == 2.0
    assert session.handle(Tick(), 2.0) == [Send("late")]
    assert session.wake_at == 2.0 + LINGER_S


def test_an_expected_message_lets_the_input_go_on() -> None:
    awaited = Given(Expect(parse_pattern("welcome")))
    steps: list[Event | float] = [Opened(), awaited, said("hi"), Received("noise"), Received("welcome")]
    assert replay(PIPE, *steps) == [Print("noise"), Print("welcome"), Send("hi")]


def test_a_message_that_came_before_it_was_waited_for_counts_once() -> None:
    awaited = Given(Expect(parse_pattern("welcome"), 3.0))
    steps: list[Event | float] = [Opened(), Received("welcome"), awaited, said("hi")]
    assert replay(PIPE, *steps) == [Print("welcome"), Send("hi")]
    again = replay(PIPE, *steps, awaited, said("never"), 3.0, Tick(), BY_US)
    assert again[2:] == [Close(), Note("no message was welcome within 3 s"), Exit(1)]


def test_only_so_much_is_kept_for_an_expectation_still_to_come() -> None:
    flood: list[Event | float] = [Received("x" * 600_000), Received("y" * 600_000)]
    awaited = Given(Expect(parse_pattern("/^x/"), 1.0))
    assert replay(PIPE, Opened(), *flood, awaited, 1.0, Tick(), BY_US)[-1] == Exit(1)


def test_a_long_flood_is_no_trouble_for_what_is_kept() -> None:
    flood: list[Event | float] = [Received("x" * 100)] * 25_000
    last = Given(Expect(parse_pattern("last"), 1.0))
    assert replay(PIPE, Opened(), *flood, Received("last"), last, said("hi"))[-1] == Send("hi")


def test_a_ping_and_a_close_can_be_steps() -> None:
    steps: list[Event | float] = [Given(Measure(b"p")), Given(Leave(4000, "bye")), said("never")]
    assert replay(PIPE, Opened(), *steps, Ponged(0.1), Closed(4000, "bye", "client"))[-4:] == [
        Ping(b"p"),
        Close(4000, "bye"),
        Note("closed: 4000 (private to the application): bye"),
        Exit(0),
    ]


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ([expected("a")], "a"),
        ([expected("a"), said("never"), expected("b"), Received("a"), expected("c")], "b"),
        ([Given(Sleep(1.0)), expected("a"), expected("b"), Received("a"), Received("c")], "b"),
        ([Given(Sleep(1.0)), expected("a"), Received("a"), Received("b"), expected("b")], ""),
        ([expected("close 1000")], ""),
        ([Given(Sleep(1.0)), expected("close"), expected("a")], "a"),
        ([expected("close 1001")], "close 1001"),
        ([Received("a"), expected("a")], ""),
    ],
)
def test_what_the_input_expects_is_a_failure_when_the_server_closes_before_it_comes(
    steps: list[Event | float], missing: str
) -> None:
    actions = replay(PIPE, Opened(), *steps, InputEnded(), Closed(1000))
    assert exit_code(actions) == (1 if missing else 0)
    assert last_note(actions).endswith(f"; no message was {missing}, as expected" if missing else "(normal closure)")


def test_a_close_that_the_input_expects_is_a_good_end() -> None:
    assert replay(PIPE, Opened(), expected("close 4001"), Closed(4001))[-1] == Exit(0)
    assert replay(PIPE, Opened(), Given(Leave(4000)), expected("close 4000"), Closed(4000, by="client"))[-1] == Exit(0)
    late: list[Event | float] = [Given(Leave()), expected("last"), Received("last")]
    assert replay(PIPE, Opened(), *late, BY_US)[-1] == Exit(0)
    assert replay(PIPE, Opened(), *late[:-1], BY_US)[-1] == Exit(1)


def test_nothing_goes_out_behind_the_message_that_was_enough() -> None:
    steps: list[Event | float] = [Opened(), expected("a"), said("never"), Received("a")]
    assert replay(Options(limit=1), *steps) == [Print("a"), Close()]


EXPECTING = Options(expects=(parse_pattern("one"), parse_pattern("/two/")))


def test_expectations_are_met_in_order_and_then_it_ends() -> None:
    steps: list[Event | float] = [
        Opened(),
        InputEnded(),
        Received("a two"),
        Received("one"),
        Received("noise"),
        Received("a two"),
    ]
    actions = replay(EXPECTING, *steps, BY_US)
    assert actions[-3:] == [Close(), Note("closed: 1000 (normal closure)"), Exit(0)]


def test_expectations_that_are_met_do_not_cut_off_the_input() -> None:
    assert replay(EXPECTING, Opened(), Received("one"), Received("two"), said("more")) == [
        Print("one"),
        Print("two"),
        Send("more"),
    ]
    assert replay(EXPECTING, Opened(), Received("one"), Received("two"), InputEnded())[-1] == Close()
    sleeping: list[Event | float] = [Opened(), Given(Sleep(1.0)), InputEnded(), Received("one"), Received("two")]
    assert replay(EXPECTING, *sleeping)[-1] == Print("two")
    assert replay(EXPECTING, *sleeping, 1.0, Tick())[-1] == Close()


@pytest.mark.parametrize("end", [Closed(1000), Closed(1011), LOST])
def test_an_expectation_that_was_not_met_is_a_failure(end: Closed) -> None:
    actions = replay(EXPECTING, Opened(), Received("one"), end)
    assert actions[-1] == Exit(1)
    assert last_note(actions).endswith("; no message was /two/, as expected")


def test_a_count_is_waited_for_although_everything_expected_has_come() -> None:
    options = Options(expects=(parse_pattern("one"),), limit=2)
    assert replay(options, Opened(), InputEnded(), Received("one")) == [Print("one")]


def test_an_expectation_is_waited_for_longer_but_not_for_ever() -> None:
    assert replay(EXPECTING, Opened(), InputEnded(), LINGER_S, Tick()) == []
    assert replay(EXPECTING, Opened(), InputEnded(), LINGER_FOR_EXPECTED_S, Tick(), BY_US)[-1] == Exit(1)


def test_a_message_that_is_on_its_way_when_the_time_is_up_is_still_expected() -> None:
    steps: list[Event | float] = [
        Opened(),
        InputEnded(),
        Received("one"),
        LINGER_FOR_EXPECTED_S,
        Tick(),
        Received("two"),
        BY_US,
    ]
    assert replay(EXPECTING, *steps)[-1] == Exit(0)


def test_a_timeout_stays_a_timeout_and_says_what_did_not_come() -> None:
    options = Options(expects=(parse_pattern("x" * 300),), timeout_s=1.0)
    actions = replay(options, Opened(), 1.0, Tick(), BY_US)
    assert actions[-1] == Exit(6)
    assert f"no message was {'x' * 200}..., as expected" in last_note(actions)


def test_a_close_can_be_what_is_expected_and_then_it_is_a_good_end() -> None:
    options = Options(expects=(parse_pattern("one"), parse_pattern("close 4001")))
    assert replay(options, Opened(), Received("one"), Closed(4001))[-1] == Exit(0)
    assert replay(options, Opened(), Closed(4001))[-1] == Exit(1)
    actions = replay(options, Opened(), Received("one"), Closed(1000))
    assert (actions[-1], last_note(actions)) == (
        Exit(1),
        "closed by the server: 1000 (normal closure); no message was close 4001, as expected",
    )


def test_a_close_of_ours_is_not_the_one_that_was_expected_unless_the_input_asked_for_it() -> None:
    options = Options(expects=(parse_pattern("close 1000"),))
    assert replay(options, Opened(), InputEnded(), LINGER_FOR_EXPECTED_S, Tick(), BY_US)[-1] == Exit(1)
    assert replay(options, Opened(), Given(Leave()), BY_US)[-1] == Exit(0)
    assert replay(options, Opened(), Given(Leave(4000)), Closed(1000))[-1] == Exit(0)
