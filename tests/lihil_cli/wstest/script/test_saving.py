"""What `/save` writes runs again, and holds no secret."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.patterns.match import Match, match
from lihil_cli.wstest.redact import redact
from lihil_cli.wstest.script.address import headers_of
from lihil_cli.wstest.script.outgoing import fill_text
from lihil_cli.wstest.script.parse import parse_script
from lihil_cli.wstest.script.saving import Arrived, Opened, Sent, SessionEvent, format_script
from lihil_cli.wstest.script.steps import Connect, Expect, Send, SendBytes, SendText


def test_a_session_becomes_a_script_that_looks_like_the_screen() -> None:
    events: list[SessionEvent] = [
        Opened("", "ws://127.0.0.1:8000/chat/general?user=alice"),
        Arrived("", '{"type":"welcome"}'),
        Sent("", "hello"),
        Sent("", b"\x00\xff"),
        Arrived("", "two\nlines"),
        Sent("", Closed(1000, "bye")),
        Arrived("", Closed(1000)),
    ]
    assert format_script(events) == (
        "@target /chat/general?user=alice\n"
        '< {"type":"welcome"}\n'
        "> hello\n"
        "> hex: 00 ff\n"
        '< text: "two\\nlines"\n'
        '> close 1000 "bye"\n'
        "< close 1000\n"
    )


def test_several_connections_have_their_names() -> None:
    events: list[SessionEvent] = [
        Opened("", "/a"),
        Opened("bob", "/b?x={1}", (("X-A", "1 ${y} $${z} ]"), ("Cookie", "c=1"))),
        Arrived("bob", "hi"),
        Arrived("", Closed(1001)),
        Opened("", "/a"),
        Opened("2 x", ""),
    ]
    assert format_script(events) == (
        "@client main /a\n"
        "@client bob /b?x=%7B1%7D [X-A: 1 ${y} $${z} \\]] [Cookie: ${COOKIE}]\n"
        "bob< hi\n"
        "main< close 1001\n"
        "@connect main /a\n"
        "@client _2_x /\n"
    )


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("/a?token=abc&room=1", "/a?token=${TOKEN}&room=1"),
        ("/a?access_token=abc", "/a?access_token=${ACCESS_TOKEN}"),
        ("/a?token=", "/a?token="),
        ("/a?1token=x", "/a?1token=${_1TOKEN}"),
        ("wss://user:pw@host/a b", "/a%20b"),
        ("/a%20b?c=%41", "/a%20b?c=%41"),
        ("ws://host", "/"),
    ],
)
def test_an_address_is_kept_without_its_server_and_its_secrets(address: str, written: str) -> None:
    assert format_script([Opened("", address), Sent("", "x")]) == f"@target {written}\n> x\n"


def test_a_header_that_is_a_secret_is_asked_for_from_the_environment() -> None:
    events = [
        Opened(
            "",
            "/",
            (("Authorization", "Bearer abc"), ("X-Session", "k"), ("X-Odd", "Bearer abcdefghi"), ("Accept", "x")),
        )
    ]
    events.append(Opened("b", "/", (("Authorization", "Bearer ${TOKEN}"), ("Token", "a${TOKEN}"))))
    secrets = "[Authorization: ${AUTHORIZATION}] [X-Session: ${X_SESSION}] [X-Odd: ${X_ODD}]"
    assert format_script(events) == (
        f"@client main / {secrets} [Accept: x]\n@client b / [Authorization: Bearer ${{TOKEN}}] [Token: ${{TOKEN}}]\n"
    )


@settings(deadline=None)
@given(st.from_regex(r"[!-~]([ -~]*[!-~])?", fullmatch=True).filter(lambda value: "${" not in value))
def test_a_header_is_the_same_again(value: str) -> None:
    script = parse_script(format_script([Opened("a", "/", (("X-A", value),))]))
    assume(redact(value) == value)
    [step] = script.steps
    assert isinstance(step, Connect)
    assert headers_of(step, {}) == (("X-A", value),)


MESSAGES: st.SearchStrategy[Message] = st.text() | st.binary(max_size=20) | st.builds(Closed, st.integers(1000, 1015))
EVENTS = st.lists(
    st.builds(Sent, st.sampled_from(["", "b"]), MESSAGES) | st.builds(Arrived, st.sampled_from(["", "b"]), MESSAGES)
)


@settings(deadline=None)
@given(EVENTS)
def test_what_is_saved_does_the_same_again(events: list[Sent | Arrived]) -> None:
    openings = [Opened(name, f"/{name}?q=1") for name in sorted({event.name for event in events} | {""})]
    script = parse_script(format_script([*openings, *events]))
    steps = [step for step in script.steps if not isinstance(step, Connect)]
    assert len(steps) == len(events)
    for step, event in zip(steps, events, strict=True):
        if isinstance(event, Arrived):
            assert isinstance(step, Expect)
            assert isinstance(match(step.pattern, event.message), Match)
        elif isinstance(event.message, str):
            assert isinstance(step, Send)
            assert isinstance(step.outgoing, SendText)
            assert fill_text(step.outgoing, {}) == event.message
        elif isinstance(event.message, bytes):
            assert isinstance(step, Send)
            assert step.outgoing == SendBytes(event.message)
