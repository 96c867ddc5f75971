from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Action,
    Close,
    Connect,
    Event,
    Exit,
    Given,
    InputEnded,
    InputFailed,
    Interrupted,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
    Unreached,
)
from lihil_cli.wstest.pattern import parse_pattern
from lihil_cli.wstest.session import (
    CLOSE_WAIT_S,
    LINGER_FOR_EXPECTED_S,
    LINGER_S,
    Session,
    State,
    describe_close,
)
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.steps import Expect, Leave, Measure, Say, Sleep

PIPE = Options()
BY_US = Closed(1000, by="client")
LOST = Closed(1006, by="nobody")


def replay(options: Options, *steps: Event | float) -> list[Action]:
    """The actions that the steps lead to, in a row; a number lets that many seconds pass."""
    now = 100.0
    session = Session(options, now)
    actions: list[Action] = []
    for step in steps:
        if isinstance(step, float):
            now += step
        else:
            actions += session.handle(step, now)
    return [Print(action.payload) if isinstance(action, Print) else action for action in actions]


def said(text: str | bytes) -> Given:
    return Given(Say(text))


def exit_code(actions: Sequence[Action]) -> int:
    assert isinstance(actions[-1], Exit)
    return actions[-1].code


def last_note(actions: Sequence[Action]) -> str:
    return [action.text for action in actions if isinstance(action, Note)][-1]


def test_the_greeting_of_a_server_that_closes_is_printed_and_all_is_well() -> None:
    assert replay(PIPE, Opened(), Received("Hello"), Closed(1000)) == [
        Print("Hello"),
        Note("closed by the server: 1000 (normal closure)"),
        Exit(0),
    ]


def test_lines_of_a_pipe_are_sent_as_they_are() -> None:
    assert replay(PIPE, Opened(), said("/quit"), said(""), said(b"x")) == [Send("/quit"), Send(""), Send(b"x")]


def test_nothing_is_sent_before_the_handshake_and_everything_after_it_in_order() -> None:
    options = Options(messages=("first",))
    assert replay(options, said("second"), InputFailed("line 2 is odd")) == []
    assert replay(options, said("second"), InputFailed("line 2 is odd"), Opened()) == [
        Send("first"),
        Send("second"),
        Close(),
    ]


def test_after_the_end_of_the_pipe_silence_ends_the_conversation() -> None:
    before = replay(PIPE, Opened(), InputEnded(), 0.9, Tick(), Received("late"), 0.9, Tick())
    assert before == [Print("late")]
    after = replay(PIPE, Opened(), InputEnded(), 0.9, Tick(), Received("late"), 1.0, Tick(), BY_US)
    assert after == [Print("late"), Close(), Note("closed: 1000 (normal closure)"), Exit(0)]


def test_silence_before_the_end_of_the_pipe_ends_nothing() -> None:
    assert replay(PIPE, Opened(), 1000.0, Tick()) == []


def test_an_input_that_ends_before_the_handshake_lingers_from_the_handshake_on() -> None:
    session = Session(PIPE, 0.0)
    session.handle(InputEnded(), 0.0)
    assert session.wake_at is None
    session.handle(Opened(), 5.0)
    assert session.wake_at == 6.0


def test_a_count_ends_the_conversation_and_what_comes_later_is_not_shown() -> None:
    options = Options(limit=2)
    assert replay(options, Opened(), Received("1"), Received(b"2"), Received("3"), BY_US) == [
        Print("1"),
        Print(b"2"),
        Close(),
        Note("closed: 1000 (normal closure)"),
        Exit(0),
    ]


def test_a_message_that_was_on_its_way_when_we_closed_is_shown() -> None:
    actions = replay(Options(limit=9), Opened(), Interrupted(), Received("late"), BY_US)
    assert actions[:2] == [Close(), Print("late")]


@pytest.mark.parametrize(
    ("event", "code", "says"),
    [
        (Closed(1000), 0, "closed by the server: 1000 (normal closure)"),
        (Closed(1001, "bye"), 0, "closed by the server: 1001 (going away): bye"),
        (Closed(1005), 0, "closed by the server: 1005 (no code given)"),
        (Closed(1011), 5, "closed by the server: 1011 (internal error)"),
        (Closed(1012, "reload"), 5, "closed by the server: 1012 (service restart): reload"),
        (Closed(4001, "kicked"), 5, "closed by the server: 4001 (private to the application): kicked"),
        (LOST, 5, "1006 (the connection was lost without a close)"),
        (Closed(1002, "bad", "client"), 5, "closed: 1002 (protocol error): bad"),
        (Closed(1009, "", "client"), 5, "closed: 1009 (message too big); --max-size BYTES raises the limit"),
    ],
)
def test_how_the_connection_ended_decides_the_exit_code(event: Closed, code: int, says: str) -> None:
    actions = replay(PIPE, Opened(), event)
    assert actions == [Note(says), Exit(code)]
    assert describe_close(event) in says


@pytest.mark.parametrize(
    ("answer", "code"),
    [(BY_US, 0), (Closed(1000), 0), (Closed(1001), 0), (Closed(4001, by="client"), 0), (Closed(1011), 5), (LOST, 5)],
)
def test_a_close_of_ours_is_well_when_it_is_answered(answer: Closed, code: int) -> None:
    assert exit_code(replay(PIPE, Opened(), Given(Leave()), answer)) == code


def test_a_close_that_is_not_answered_is_not_waited_for() -> None:
    assert replay(PIPE, Opened(), Given(Leave()), CLOSE_WAIT_S / 2, Tick())[-1] == Close()
    actions = replay(PIPE, Opened(), Given(Leave()), CLOSE_WAIT_S, Tick())
    assert actions[-2:] == [Note("the server did not answer the close (1006)"), Exit(5)]


def test_ctrl_c_before_the_handshake_gives_up() -> None:
    assert replay(PIPE, Interrupted()) == [Note("interrupted before the connection was open"), Exit(130)]


def test_ctrl_c_in_a_pipe_is_an_interruption_however_well_it_ends() -> None:
    actions = replay(PIPE, Opened(), Interrupted(), BY_US)
    assert actions == [Close(), Note("interrupted; closed: 1000 (normal closure)"), Exit(130)]


@pytest.mark.parametrize("last", [(Interrupted(),), (CLOSE_WAIT_S, Tick()), (LOST,)])
def test_ctrl_c_on_a_close_that_hangs_is_an_interruption(last: tuple[Event | float, ...]) -> None:
    assert exit_code(replay(PIPE, Opened(), Interrupted(), *last)) == 130


def test_the_timeout_counts_from_the_start() -> None:
    options = Options(timeout_s=2.0)
    assert replay(options, 1.9, Tick()) == []
    assert replay(options, 2.0, Tick()) == [Note("--timeout: 2 s have passed"), Exit(6)]
    assert replay(options, 1.0, Opened(), 0.9, Tick()) == []
    assert replay(options, 1.0, Opened(), 1.0, Tick(), BY_US) == [
        Close(),
        Note("--timeout: 2 s have passed"),
        Exit(6),
    ]


def test_without_a_timeout_connecting_may_take_its_time() -> None:
    assert replay(PIPE, 1000.0, Tick()) == []


def test_the_timeout_holds_although_the_input_has_ended() -> None:
    session = Session(Options(timeout_s=2.0, linger_s=5.0), 0.0)
    session.handle(Opened(), 0.0)
    session.handle(InputEnded(), 0.0)
    assert session.wake_at == 2.0


def test_input_that_cannot_be_sent_is_wrong_use() -> None:
    assert replay(PIPE, Opened(), said("ok"), InputFailed("line 2 is odd"), said("more"), BY_US) == [
        Send("ok"),
        Close(),
        Note("line 2 is odd"),
        Exit(2),
    ]


def test_a_reader_that_has_gone_ends_everything_quietly() -> None:
    assert replay(PIPE, Opened(), OutputBroken(), Received("unseen"), BY_US) == [Close(), Exit(141)]
    assert replay(PIPE, Opened(), InputFailed("odd"), OutputBroken(), LOST) == [Close(), Exit(141)]


def test_output_that_fails_otherwise_says_so() -> None:
    actions = replay(PIPE, Opened(), OutputBroken("disk full"), BY_US)
    assert actions == [Close(), Note("cannot write the output: disk full"), Exit(1)]


# What a pipe's steps wait for


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
    expected = Given(Expect(parse_pattern("welcome")))
    steps: list[Event | float] = [Opened(), expected, said("hi"), Received("noise"), Received("welcome")]
    assert replay(PIPE, *steps) == [Print("noise"), Print("welcome"), Send("hi")]


def test_a_message_that_came_before_it_was_waited_for_counts_once() -> None:
    expected = Given(Expect(parse_pattern("welcome"), 3.0))
    steps: list[Event | float] = [Opened(), Received("welcome"), expected, said("hi")]
    assert replay(PIPE, *steps) == [Print("welcome"), Send("hi")]
    again = replay(PIPE, *steps, expected, said("never"), 3.0, Tick(), BY_US)
    assert again[2:] == [Close(), Note("no message was welcome within 3 s"), Exit(1)]


def test_only_so_much_is_kept_for_an_expectation_still_to_come() -> None:
    flood: list[Event | float] = [Received("x" * 600_000), Received("y" * 600_000)]
    expected = Given(Expect(parse_pattern("/^x/"), 1.0))
    assert replay(PIPE, Opened(), *flood, expected, 1.0, Tick(), BY_US)[-1] == Exit(1)


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


def expected(pattern: str) -> Given:
    return Given(Expect(parse_pattern(pattern)))


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


# When to stop


def test_a_message_that_takes_long_to_arrive_is_no_silence() -> None:
    session = Session(PIPE, 0.0)
    session.handle(Opened(), 0.0)
    session.handle(InputEnded(), 0.0)
    assert session.handle(Tick(heard_at=0.9), 1.0) == []
    assert session.wake_at == 0.9 + LINGER_S
    assert session.handle(Tick(heard_at=0.9), 1.9) == [Close()]


def test_a_message_that_was_waited_for_ends_it() -> None:
    options = Options(until=parse_pattern('{"type":"done"}'))
    steps: list[Event | float] = [Opened(), Received("1"), Received('{"type":"done","n":3}'), BY_US]
    assert [action for action in replay(options, *steps) if not isinstance(action, Print)] == [
        Close(),
        Note("closed: 1000 (normal closure)"),
        Exit(0),
    ]


def test_nothing_more_is_shown_after_the_message_that_was_waited_for() -> None:
    options = Options(until=parse_pattern("done"))
    late: list[Event | float] = [Received("after"), Received("done")]
    actions = replay(options, Opened(), Received("done"), *late, BY_US)
    assert [action for action in actions if isinstance(action, Print)] == [Print("done")]
    interrupted = replay(options, Opened(), Interrupted(), *late, Received("more"), BY_US)
    assert [action for action in interrupted if isinstance(action, Print)] == [Print("after"), Print("done")]


def test_nothing_goes_out_behind_the_message_that_was_enough() -> None:
    steps: list[Event | float] = [Opened(), expected("a"), said("never"), Received("a")]
    assert replay(Options(limit=1), *steps) == [Print("a"), Close()]


@pytest.mark.parametrize("options", [Options(limit=5), Options(until=parse_pattern("x"))])
def test_who_says_what_to_wait_for_is_not_left_for_silence(options: Options) -> None:
    assert replay(options, Opened(), InputEnded(), 1000.0, Tick()) == []


def test_who_only_listens_is_not_left_for_silence_either() -> None:
    assert replay(Options(listen=True), Opened(), 1000.0, Tick()) == []


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


def test_a_code_can_be_declared_good() -> None:
    options = Options(ok_codes=frozenset({4001}))
    assert replay(options, Opened(), Closed(4001))[-1] == Exit(0)
    assert replay(options, Opened(), Closed(4002))[-1] == Exit(5)


def test_a_lost_connection_can_be_declared_good_too() -> None:
    options = Options(ok_codes=frozenset({1006}))
    assert replay(options, Opened(), LOST)[-1] == Exit(0)
    assert replay(options, Opened(), Given(Leave()), CLOSE_WAIT_S, Tick())[-1] == Exit(0)
    assert replay(options, Opened(), Closed(1006, by="client"))[-1] == Exit(5)


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


EVENTS = st.one_of(
    st.just(Opened()),
    st.builds(Unreached, st.just("why"), st.booleans()),
    st.builds(
        Given,
        st.sampled_from(
            [Say("x"), Say(b"y"), Measure(), Leave(4000), Sleep(0.5), Expect(parse_pattern("/a/"), 0.5), Sleep(0.0)]
        ),
    ),
    st.just(InputEnded()),
    st.just(InputFailed("odd")),
    st.builds(Received, st.text(max_size=3) | st.binary(max_size=3)),
    st.just(Ponged(0.1)),
    st.sampled_from([BY_US, LOST, Closed(1000), Closed(1011)]),
    st.just(Interrupted()),
    st.sampled_from([OutputBroken(), OutputBroken("full")]),
    st.just(Tick()),
)
OPTIONS = st.builds(
    Options,
    messages=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    limit=st.none() | st.integers(1, 3),
    timeout_s=st.none() | st.floats(0, 3),
    linger_s=st.none() | st.floats(0, 2),
    until=st.none() | st.just(parse_pattern("/b/")),
    expects=st.lists(st.sampled_from([parse_pattern("a"), parse_pattern("/./")]), max_size=2).map(tuple),
    listen=st.booleans(),
    reconnects=st.booleans(),
)


@settings(deadline=None)
@given(OPTIONS, st.lists(st.tuples(EVENTS, st.floats(0, 2)), max_size=15))
def test_whatever_happens_the_order_of_things_holds(options: Options, steps: list[tuple[Event, float]]) -> None:
    now = 0.0
    session = Session(options, now)
    actions: list[Action] = []
    is_open = False
    for event, pause in steps:
        now += pause
        is_open = is_open or isinstance(event, Opened)
        new = session.handle(event, now)
        assert is_open or not any(isinstance(action, Send | Close | Ping | Print) for action in new)
        actions += new
    kinds = [type(action) for action in actions]
    assert kinds.count(Close) <= 1
    assert not {Send, Ping} & set(kinds[kinds.index(Close) :] if Close in kinds else [])
    assert kinds.count(Exit) == (session.state is State.ENDED)
    assert Exit not in kinds[:-1]
    shown = [action.payload for action in actions if isinstance(action, Print)]
    came = [event.payload for event, _ in steps if isinstance(event, Received)]
    assert len(shown) <= (options.limit or len(came))
    assert all(payload in came for payload in shown)


@settings(deadline=None)
@given(OPTIONS, st.lists(EVENTS, max_size=10))
def test_a_tick_at_the_time_it_was_asked_for_gets_somewhere(options: Options, events: list[Event]) -> None:
    """Otherwise the shell would spin; and once closing has begun, ticks alone lead to the end."""
    session = Session(options, 0.0)
    for event in events:
        session.handle(event, 0.0)
    was_closing = session.state is State.CLOSING
    for _ in range(20):
        wake_at = session.wake_at
        if wake_at is None:
            break
        session.handle(Tick(), wake_at)
        assert session.wake_at is None or session.wake_at > wake_at
    assert session.wake_at is None
    assert not was_closing or session.state is State.ENDED


@settings(deadline=None)
@given(st.lists(st.text()))
def test_every_line_of_a_pipe_arrives_once_and_in_order(lines: list[str]) -> None:
    actions = replay(PIPE, *map(said, lines[::2]), Opened(), *map(said, lines[1::2]))
    assert actions == [Send(line) for line in [*lines[::2], *lines[1::2]]]
