import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Action,
    Close,
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
    LINGER_S,
    Session,
    State,
    describe_close,
)
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.steps import Expect, Leave, Measure, Say, Sleep
from tests.lihil_cli.wstest.played import BY_US, LOST, PIPE, exit_code, replay, said


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


@pytest.mark.parametrize("options", [Options(limit=5), Options(until=parse_pattern("x"))])
def test_who_says_what_to_wait_for_is_not_left_for_silence(options: Options) -> None:
    assert replay(options, Opened(), InputEnded(), 1000.0, Tick()) == []


def test_who_only_listens_is_not_left_for_silence_either() -> None:
    assert replay(Options(listen=True), Opened(), 1000.0, Tick()) == []


def test_a_code_can_be_declared_good() -> None:
    options = Options(ok_codes=frozenset({4001}))
    assert replay(options, Opened(), Closed(4001))[-1] == Exit(0)
    assert replay(options, Opened(), Closed(4002))[-1] == Exit(5)


def test_a_lost_connection_can_be_declared_good_too() -> None:
    options = Options(ok_codes=frozenset({1006}))
    assert replay(options, Opened(), LOST)[-1] == Exit(0)
    assert replay(options, Opened(), Given(Leave()), CLOSE_WAIT_S, Tick())[-1] == Exit(0)
    assert replay(options, Opened(), Closed(1006, by="client"))[-1] == Exit(5)


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
