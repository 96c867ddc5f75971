import io
import os
import pty
import subprocess
import sys

import pytest

from lihil_cli.console import colour_allowed, escape_terminal, make_console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode 🎉", "plain text, ünïcode 🎉"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("over\rwrite", "over\\x0dwrite"),
        ("back\x08space \x7f", "back\\x08space \\x7f"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("bidi \u202e \u2066", "bidi \\u202e \\u2066"),
        ("line\u2028separator", "line\\u2028separator"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_controls_become_visible_and_text_stays(text: str, shown: str) -> None:
    assert escape_terminal(text) == shown


def test_newlines_are_escaped_on_request() -> None:
    assert escape_terminal("a\nb", keep_newlines=False) == "a\\nb"


@pytest.mark.parametrize(
    ("stream", "environ", "allowed"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"GITHUB_ACTIONS": "true", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_that_do_not_refuse_it(
    stream: io.StringIO, environ: dict[str, str], allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    assert colour_allowed(stream) is allowed


def test_a_console_without_colour_writes_no_escape_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    make_console(stream).print("[bold red]loud[/] [dim]quiet[/] [link=https://example.org]link[/]")
    assert stream.getvalue() == "loud quiet link\n"


def test_a_console_on_a_terminal_writes_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    make_console(stream).print("[bold]loud[/]")
    assert "\x1b[1m" in stream.getvalue()


def test_a_console_is_on_stdout_when_no_stream_is_named() -> None:
    code = "from lihil_cli.console import make_console; make_console().print('hello')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "hello\n"


def test_the_console_module_alone_does_not_load_rich() -> None:
    code = "import sys, lihil_cli.console; print('rich' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_a_pseudo_terminal_counts_as_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    leader, follower = pty.openpty()
    try:
        with os.fdopen(follower, "w") as stream:
            assert colour_allowed(stream)
    finally:
        os.close(leader)
