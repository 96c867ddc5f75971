import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.commands import Command, Explain, Leave, Measure, Mistake, Say, parse_line


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("hello", Say("hello")),
        (" /hello", Say(" /hello")),
        ("//hello", Say("/hello")),
        ("///", Say("//")),
        ("/help", Explain()),
        ("/ping", Measure()),
        ("/ping  ", Measure()),
        ("/quit", Leave()),
        ("/close", Leave()),
        ("/close 4001", Leave(4001)),
        ("/close 1000  going home ", Leave(1000, "going home")),
        ("/close 3000 " + "x" * 123, Leave(3000, "x" * 123)),
    ],
)
def test_a_line_is_text_or_a_command(line: str, command: Command) -> None:
    assert parse_line(line) == command


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/nonsense", "unknown command /nonsense: /help lists them, and //nonsense sends"),
        ("/", "unknown command /"),
        ("/Quit", "unknown command /Quit"),
        ("/ping 5", "/ping takes nothing after it"),
        ("/close soon", "soon is no code"),
        ("/close 999", "999 is no code"),
        ("/close 1006", "1006 is no code"),
        ("/close 5000", "5000 is no code"),
        ("/close -1", "-1 is no code"),
        ("/close ²", "is no code"),
        ("/close " + "1" * 5000, "is no code"),
        ("/close 1000 " + "é" * 62, "at most 123 bytes"),
    ],
)
def test_a_mistake_says_what_is_wrong(line: str, says: str) -> None:
    command = parse_line(line)
    assert isinstance(command, Mistake)
    assert says in command.message


@settings(deadline=None)
@given(st.text())
def test_a_single_slash_is_never_sent_and_two_send_one(text: str) -> None:
    doubled = parse_line("//" + text)
    assert doubled == Say("/" + text)
    if not text.startswith("/"):
        assert not isinstance(parse_line("/" + text), Say)
        assert parse_line(text) == Say(text)
