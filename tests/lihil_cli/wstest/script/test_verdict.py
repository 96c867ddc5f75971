"""What a run does with what happens, on a clock of the test's own."""

from collections.abc import Mapping

import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.script.occurrences import (
    Action,
    Arrived,
    Ending,
    Event,
    Failure,
    Open,
    Opened,
    Refused,
    Shut,
    Tick,
    Transmit,
    Unreachable,
    WentOut,
)
from lihil_cli.wstest.script.parse import parse_script
from lihil_cli.wstest.script.verdict import DEFAULT_TIMEOUT_S, TRANSCRIPT_LINES, Verdict


class Play:
    """A verdict and its clock; `did` is all that it had done."""

    def __init__(self, text: str, environ: Mapping[str, str] | None = None) -> None:
        self.verdict = Verdict(parse_script(text), environ or {})
        self.now = 0.0
        self.did: list[Action] = self.verdict.start(self.now)

    def feed(self, *events: Event) -> "Play":
        for event in events:
            self.did += self.verdict.handle(event, self.now)
        return self

    def come(self, *messages: Message, client: str = "") -> "Play":
        return self.feed(*(Arrived(client, message) for message in messages))

    def wait(self, seconds: float) -> "Play":
        self.now += seconds
        return self.feed(Tick())

    @property
    def failure(self) -> Failure:
        assert self.verdict.ending is not None
        assert self.verdict.ending.failure is not None
        return self.verdict.ending.failure


def opened(steps: str, environ: Mapping[str, str] | None = None) -> Play:
    """A run of one nameless client that is connected."""
    return Play(f"@target /\n{steps}\n", environ).feed(Opened(""))


def two(steps: str) -> Play:
    """A run of two clients that are connected."""
    return Play(f"@target /\n@client a\n@client b\n{steps}\n").feed(Opened("a"), Opened("b"))


def told(failure: Failure) -> tuple[int, str, tuple[str, ...], str, tuple[str, ...]]:
    return failure.line, failure.step, failure.wanted, failure.heading, failure.got


def test_a_script_whose_expectations_are_met_has_passed() -> None:
    play = opened("< Hello\n> bye ${X}\n< close", {"X": "now"}).come("Hello").feed(WentOut("")).come(Closed(1000))
    assert play.did == [Open("", "/"), Transmit("", "bye now")]
    assert play.verdict.ending == Ending(3)
    assert play.verdict.wake_at is None


def test_what_comes_before_it_is_expected_waits_for_its_turn() -> None:
    play = opened("> a\n< one\n< two").come("one", "two")
    assert play.verdict.ending is None
    assert play.feed(WentOut("")).verdict.ending == Ending(3)


def test_clients_connect_in_order_with_their_queries_and_headers() -> None:
    play = Play(
        '@target /chat/{room}?v=1 room="a b"\n'
        "@client a ?user=${U} [X-Token: ${T}]\n"
        "@client b /other [Sec-WebSocket-Protocol: x, y]",
        {"U": "a&b", "T": "t"},
    )
    assert play.did == [Open("a", "/chat/a%20b?v=1&user=a%26b", (("X-Token", "t"),))]
    play.feed(Opened("a"))
    assert play.did[1:] == [Open("b", "/other", (("Sec-WebSocket-Protocol", "x, y"),))]
    assert play.feed(Opened("b")).verdict.ending == Ending(2)


def test_binary_messages_and_closes_are_sent_as_such() -> None:
    play = opened('> hex: 00 ff\n> close 4000 "bye"').feed(WentOut(""), WentOut(""))
    assert play.did[1:] == [Transmit("", b"\x00\xff"), Shut("", 4000, "bye")]
    assert list(play.verdict.transcript) == ["> hex: 00 ff", '> close 4000 "bye"']
    assert play.verdict.ending == Ending(2)


def test_a_capture_is_sent_as_json_or_inside_a_string() -> None:
    play = opened('< [<any:x>, <str:s>]\n> {"x": ${x}, "s": "<${s}>", "t": "${x}"}\n< ${s}')
    play.come('[{"a": 1}, "q\\"q"]')
    assert play.did[1:] == [Transmit("", '{"x": {"a": 1}, "s": "<q\\"q>", "t": "{\\"a\\": 1}"}')]
    assert play.feed(WentOut("")).come('q"q').verdict.ending == Ending(3)


def test_a_message_that_differs_fails_with_both_and_the_time() -> None:
    play = opened('< {"text":/^hi/}')
    play.now = 0.012
    play.come('{"text":"HI"}')
    assert told(play.failure) == (
        *(2, "< expected", ('{"text":/^hi/}',), "got (after 12 ms)"),
        ('{"text":"HI"}', "        ^^^^ text does not match /^hi/"),
    )
    assert play.come("more").did == [Open("", "/")]
    assert list(play.verdict.transcript) == ['< {"text":"HI"}']


def test_nothing_within_the_time_fails() -> None:
    play = opened("@timeout 200ms\n< x")
    assert play.verdict.wake_at == pytest.approx(0.2)
    assert play.wait(0.1).verdict.ending is None
    assert told(play.wait(0.1).failure) == (3, "< expected", ("x",), "got nothing within 200 ms", ())


def test_an_expectation_waits_some_seconds_where_the_script_does_not_say() -> None:
    play = opened("< x").wait(DEFAULT_TIMEOUT_S)
    assert play.failure.heading == "got nothing within 5 s"


def test_silence_passes_with_its_time_and_fails_with_a_message() -> None:
    assert opened("!< 200ms").wait(0.2).verdict.ending == Ending(1)
    play = opened("!< 200ms").wait(0.1).come("x")
    assert told(play.failure) == (2, "!< expected", ("nothing for 200ms",), "got (after 100 ms)", ("x",))
    assert opened("!< 1s").come(Closed(1011)).failure.got == ("close 1011",)


def test_silence_is_broken_by_what_came_before_it() -> None:
    play = opened("> a\n!< 1s").come("early").feed(WentOut(""))
    assert play.failure.got == ("early",)


def test_a_message_that_cannot_be_sent_in_time_fails() -> None:
    play = opened("> a").wait(5)
    assert told(play.failure) == (2, "> to send", ("a",), "could not be sent within 5 s: the server does not read", ())


@pytest.mark.parametrize(
    ("step", "words", "wanted"),
    [("> x", "> to send", "x"), ("< x", "< expected", "x"), ("!< 1s", "!< expected", "nothing for 1s")],
)
def test_a_client_whose_end_was_expected_is_not_connected_any_more(step: str, words: str, wanted: str) -> None:
    play = opened(f"< close\n{step}").come(Closed(1000))
    assert told(play.failure) == (3, words, (wanted,), "the client is not connected at this point", ())


def test_a_message_to_a_connection_whose_end_was_not_expected_yet_is_let_go() -> None:
    play = opened("> x\n< close").come(Closed(1000)).feed(WentOut(""))
    assert play.verdict.ending == Ending(2)


def test_a_refused_handshake_can_be_expected() -> None:
    play = Play('@connect a / expect 422 {"detail": <str:why>}\n@client b / [X: ${why}]')
    play.feed(Refused("a", 422, '{"detail": "no"}', ()))
    assert play.did[1:] == [Open("b", "/", (("X", "no"),))]
    assert play.feed(Opened("b")).verdict.ending == Ending(2)
    assert Play("@connect a / expect 404").feed(Refused("a", 404, "", ())).verdict.ending == Ending(1)


@pytest.mark.parametrize(
    ("script", "event", "wanted", "heading", "got"),
    [
        (
            "@client a /",
            Refused("a", 403, "", ("HTTP 403", "\x1b")),
            "an accepted handshake",
            "got",
            ("HTTP 403", "\\x1b"),
        ),
        (
            "@connect a / expect 422",
            Refused("a", 403, "", ("HTTP 403",)),
            "a refused handshake with status 422",
            "got",
            ("HTTP 403",),
        ),
        ("@connect a / expect 422", Opened("a"), "a refused handshake with status 422", "got an open connection", ()),
        ("@connect a / expect 422 no", Refused("a", 422, "yes", ()), "no", "got", ("yes", "^^^ the text differs")),
    ],
)
def test_another_answer_to_a_handshake_fails(
    script: str, event: Event, wanted: str, heading: str, got: tuple[str, ...]
) -> None:
    failure = Play(script).feed(event).failure
    assert told(failure) == (1, f"{script.split(' /', maxsplit=1)[0]} expected", (wanted,), heading, got)


def test_a_server_that_is_not_there_is_told_apart() -> None:
    play = Play("@client a /").feed(Unreachable("a", "connection refused"))
    assert play.verdict.ending == Ending(1, Failure(1, "@client a", (), "connection refused"), unreachable=True)
    nameless = Play("@target /\n< x").feed(Unreachable("", "no"))
    assert nameless.failure.step == "the connection"


def test_a_second_connection_of_a_client_that_has_one_fails() -> None:
    play = Play("@target /\n@client a\n@connect a").feed(Opened("a"))
    assert play.failure.step == "@connect a expected"
    assert play.failure.heading == "a is connected already; end that first: a> close, a< close"


def test_a_client_that_has_ended_connects_again() -> None:
    play = (
        Play("@target /\n@client a\na< close\n@connect a /two\na< hi").feed(Opened("a")).come(Closed(1000), client="a")
    )
    assert play.did[-1] == Open("a", "/two")
    assert play.feed(Opened("a")).come("hi", client="a").verdict.ending == Ending(4)


@pytest.mark.parametrize(
    "script", ["@client a /${x}", "@client a / [X: ${x}]", "@target /${x}\n< x", "@target /{a} a=${x}\n< x"]
)
def test_a_name_that_stands_for_nothing_fails_before_connecting(script: str) -> None:
    play = Play(script)
    assert play.did == []
    assert play.failure.heading == "no capture and no environment variable is called x"


def test_a_name_that_stands_for_nothing_is_not_sent() -> None:
    assert opened("> ${x}").failure.heading == "no capture and no environment variable is called x"


def test_a_captured_half_of_a_character_is_not_sent() -> None:
    play = opened('< {"a": <str:x>}\n> ${x}').come('{"a": "\\ud800"}')
    assert play.failure.heading == "a variable in it holds half of a character, which is no text"


def test_a_header_that_cannot_be_sent_fails_before_connecting() -> None:
    play = Play("@client a / [X: ${x}]", {"x": "a\nb"})
    assert play.did == []
    assert play.failure.heading == "the value of the header X holds characters that cannot be sent"


def test_events_of_other_clients_do_not_disturb_who_waits() -> None:
    play = two("a> x\na< y")
    play.feed(WentOut("b"), Opened("b"), Arrived("b", "z"), Tick(), WentOut("a"), Arrived("a", "y"))
    assert play.verdict.ending == Ending(4)


def test_nothing_happens_before_the_start() -> None:
    assert Verdict(parse_script("@client a /"), {}).handle(Tick(), 0) == []


# Blocks


def test_any_order_will_do_in_an_unordered_block() -> None:
    play = two('@unordered { a< 1 a< 2 b< {"n": <int:n>} }\na< ${n}')
    play.come("2", client="a").come('{"n": 3}', client="b").come("1", "3", client="a")
    assert play.verdict.ending == Ending(6)


def test_a_message_that_meets_several_expectations_makes_room_for_others() -> None:
    assert opened("@unordered { < <any> < <int> < 1 }").come("1", "1", "x").verdict.ending == Ending(3)


def test_a_message_that_cannot_move_keeps_its_place() -> None:
    assert opened("@unordered { < /a/ < /b/ }").come("a", "ab").verdict.ending == Ending(2)


def test_of_several_differences_in_a_block_the_first_counts() -> None:
    play = opened("@unordered { < a<int:x> < b<int:x> < c<int:x> }").come("a1", "b2", "c3")
    assert play.failure.got[0] == "b2"


def test_a_message_that_meets_none_of_a_block_fails() -> None:
    play = two("@unordered {\na< 1\na< 2\n}").come("1", "3", client="a")
    assert told(play.failure) == (6, "@unordered expected", ("a< 2",), "got (after 0 ms)", ("3", "^ the text differs"))
    assert two("@unordered {\na< 1\na< 2\n}").come("3", client="a").failure.wanted == ("a< 1", "a< 2")


def test_a_block_that_is_not_met_in_time_names_what_is_missing() -> None:
    play = two("@unordered {\na< 1\nb< 2\n}").come("1", client="a").wait(5)
    assert told(play.failure) == (6, "@unordered expected", ("b< 2",), "got nothing more within 5 s", ())


def test_a_name_must_have_one_value_in_a_whole_block() -> None:
    both = "@unordered { a< [<int:x>] b< [<int:x>] }"
    assert two(both).come("[1]", client="b").come("[1]", client="a").verdict.ending == Ending(4)
    play = two(both).come("[1]", client="b").come("[2]", client="a")
    assert play.failure.step == "b< expected"
    assert play.failure.got[-1] == " ^ [0] is 1, and x was 2 before"


def test_a_block_for_a_client_that_is_not_connected_fails() -> None:
    play = opened("< close\n@unordered { < x }").come(Closed(1000))
    assert play.failure.heading == "the client is not connected at this point"


def test_a_block_takes_no_more_messages_than_it_expects() -> None:
    assert opened("@unordered { < 1 < 2 }\n< 3").come("1", "2", "3").verdict.ending == Ending(3)


def test_a_block_is_repeated_and_forgets_what_a_round_captured() -> None:
    play = opened("@repeat 3 {\n< [<int:n>]\n> ${n}\n}")
    for number in range(3):
        play.come(f"[{number}]").feed(WentOut(""))
    assert play.did[1:] == [Transmit("", str(number)) for number in range(3)]
    assert play.verdict.ending == Ending(6)


def test_what_was_captured_before_a_block_holds_inside_it() -> None:
    play = opened("< <int:n>\n@repeat 2 { < <int:n> }").come("1", "1", "2")
    assert play.failure.got[-1] == '^ expected "1" here'


# Bounds


def test_an_inbox_that_is_full_asks_for_a_rest_until_the_script_has_caught_up() -> None:
    play = opened("> x\n@repeat 600 { < m }\n> y")
    play.come(*["m"] * 999)
    assert not play.verdict.is_full("")
    assert play.come("m").verdict.is_full("")
    assert not play.feed(WentOut("")).verdict.is_full("")


def test_an_inbox_of_few_but_large_messages_is_full_too() -> None:
    play = opened("> x").come(b"x" * 2**23, "x" * 2**23, Closed(1000))
    assert play.verdict.is_full("")


def test_the_transcript_is_bounded_and_cut_and_escaped() -> None:
    messages: list[Message] = ["\x1b" * 10_000, b"\x00" * 10_000]
    play = opened("> x").come(*messages * TRANSCRIPT_LINES)
    assert len(play.verdict.transcript) == TRANSCRIPT_LINES
    assert all(line.isprintable() and len(line) < 2000 for line in play.verdict.transcript)
