"""A pipe whose server goes away and comes back."""

import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Connect,
    Event,
    Exit,
    Given,
    InputEnded,
    Interrupted,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Send,
    Tick,
    Unreached,
)
from lihil_cli.wstest.pattern import parse_pattern
from lihil_cli.wstest.session import (
    Session,
)
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.steps import Expect
from tests.lihil_cli.wstest.played import LOST, PIPE, exit_code, expected, last_note, replay, said

RETURNING = Options(reconnects=True)
AWAY = Closed(1012, "reload")


def test_a_server_that_goes_away_is_connected_to_again_and_the_input_goes_on() -> None:
    options = RETURNING.but(messages=("hello",))
    unsent = (Send("unsent"), Ping())
    steps: list[Event | float] = [Opened(), AWAY, said("later"), 0.1, Tick(), said("last"), 0.2, Opened(unsent)]
    assert replay(options, *steps) == [
        Send("hello"),
        Note("closed by the server: 1012 (service restart): reload; connecting again"),
        Connect(),
        Note("connected again after 0.3 s"),
        *(Send("hello"), *unsent, Send("later"), Send("last")),
    ]


def test_what_was_held_for_a_connection_is_sent_once() -> None:
    actions = replay(RETURNING, said("a"), Opened(), LOST, 0.1, Tick(), Opened())
    assert actions.count(Send("a")) == 1


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([Closed(1000)], 0),
        ([Closed(1011)], 5),
        ([LOST, 0.1, Tick(), Opened(), Closed(1000)], 0),
        ([Closed(1001), 0.1, Tick(), Opened(), Closed(4001)], 5),
        ([LOST, Interrupted()], 130),
        ([LOST, 0.1, Tick(), Interrupted()], 130),
        ([LOST, OutputBroken()], 141),
        ([LOST, OutputBroken("disk full")], 1),
        ([Interrupted(), Closed(1001)], 130),
        ([expected("close 1012"), AWAY], 0),
    ],
)
def test_the_last_end_of_several_connections_decides(steps: list[Event | float], code: int) -> None:
    assert exit_code(replay(RETURNING, Opened(), *steps)) == code


def test_a_close_that_the_command_line_expects_is_the_end() -> None:
    options = RETURNING.but(expects=(parse_pattern("close 1001"),))
    assert replay(options, Opened(), Closed(1001))[-1] == Exit(0)
    assert replay(options, Opened(), Closed(1012), InputEnded(), 0.1, Tick())[-1] == Connect()


def test_without_being_asked_for_nothing_comes_back() -> None:
    assert replay(PIPE, Opened(), Closed(1001))[-1] == Exit(0)
    assert replay(PIPE, Unreached("nobody there", is_absent=True)) == []


def test_a_server_that_is_not_there_is_waited_for_and_that_is_said_once() -> None:
    absent = Unreached("nobody there", is_absent=True)
    steps: list[Event | float] = [absent, 0.05, Tick(), 0.05, Tick(), absent, 0.2, Tick(), Opened()]
    assert replay(RETURNING, *steps) == [Note("nobody there; retrying, Ctrl-C stops"), Connect(), Connect()]
    assert replay(RETURNING, Unreached("no TLS")) == []
    again = replay(RETURNING, Opened(), LOST, 0.1, Tick(), Unreached("no answer"), 0.2, Tick())
    assert [type(action) for action in again] == [Note, Connect, Connect]
    assert last_note(replay(RETURNING, absent, Interrupted())) == "interrupted before the connection was open"


def test_time_runs_out_while_the_server_is_away_too() -> None:
    assert replay(RETURNING.but(timeout_s=1.0), Opened(), LOST, 1.0, Tick())[-2:] == [
        Note("--timeout: 1 s have passed"),
        Exit(6),
    ]
    within = Given(Expect(parse_pattern("a"), 0.05))
    assert replay(RETURNING, Opened(), within, LOST, 0.05, Tick())[-2:] == [
        Note("no message was a within 0.05 s"),
        Exit(1),
    ]


def test_the_next_attempt_is_what_is_waited_for() -> None:
    session = Session(RETURNING, 0.0)
    session.handle(Opened(), 0.0)
    session.handle(LOST, 1.0)
    assert (session.wake_at, session.wants_input) == (1.1, False)
    session.handle(Tick(), 1.1)
    assert session.wake_at is None
