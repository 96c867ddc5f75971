import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.terminal import Screen, Streams, display_lines, process_streams, size_of


def screen(*, tty: bool, encoding: str = "utf-8") -> tuple[Screen, io.BytesIO, io.BytesIO]:
    out, err = io.BytesIO(), io.BytesIO()
    streams = Streams(None, out, err, stdout_is_tty=tty, stderr_is_tty=tty, encoding=encoding)
    return Screen(streams), out, err


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("hi", "< hi\n"),
        ("a\nb", "< a\n< b\n"),
        ("\x1b[2J\r\x9b\x07\u202e", "< \\x1b[2J\\x0d\\x9b\\x07\\u202e\n"),
        ("> sent\n> by you", "< > sent\n< > by you\n"),
        (b"\x00\xff", "< binary, 2 bytes: 00 ff\n"),
        (b"", "< binary, 0 bytes: \n"),
        (b"\x00" * 65, f"< binary, 65 bytes: {'00 ' * 64}...\n"),
        ("é" * 1001, f"< {'é' * 1000}... 2002 bytes\n"),
        ("\n".join("x" * 51), "< x\n" * 50 + "< ... 101 bytes in the message\n"),
        ("\n".join("x" * 50), "< x\n" * 50),
        ("x" * 10**6, f"< {'x' * 1000}... 1000000 bytes in the message\n"),
        ("a\n" + "é" * 10**6, f"< a\n< {'é' * 1000}... 2000002 bytes in the message\n"),
    ],
)
def test_a_terminal_gets_every_line_prefixed_harmless_and_cut(payload: str | bytes, text: str) -> None:
    shown, out, _ = screen(tty=True)
    shown.print_message(payload)
    assert out.getvalue().decode() == text


@settings(deadline=None)
@given(st.text())
def test_no_text_puts_a_control_on_the_terminal(text: str) -> None:
    lines = "".join(display_lines(text))
    assert not any(char != "\t" and (ord(char) < 32 or 127 <= ord(char) < 160) for char in lines)


def test_a_note_is_one_harmless_line_on_standard_error() -> None:
    shown, out, err = screen(tty=False)
    shown.print_note("closed: \x1b[2J\nnext\u202e")
    assert (out.getvalue(), err.getvalue()) == (b"", b"closed: \\x1b[2J\\nnext\\u202e\n")


def test_what_the_terminal_cannot_show_is_escaped() -> None:
    shown, out, _ = screen(tty=True, encoding="ascii")
    shown.print_message("☃")
    assert out.getvalue() == b"< \\u2603\n"


def test_bytes_for_a_program_go_through_as_they_are() -> None:
    shown, out, _ = screen(tty=False)
    shown.write(b"\x1b[2J")
    shown.flush()
    assert out.getvalue() == b"\x1b[2J"


def test_a_quiet_screen_says_nothing() -> None:
    err = io.BytesIO()
    Screen(Streams(None, None, err), is_quiet=True).print_note("note")
    assert err.getvalue() == b""


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_a_size_is_that_of_the_bytes(text: str) -> None:
    assert size_of(text) == len(text.encode())


def test_streams_that_were_closed_from_the_start_take_everything_silently() -> None:
    shown = Screen(Streams(None, None, None))
    shown.write(b"out")
    shown.flush()
    shown.print_message("in")
    shown.print_note("note")
    shown.discard_output()


def test_a_note_that_cannot_be_written_stops_nothing() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        Screen(Streams(None, None, full)).print_note("note")


def test_what_is_left_for_a_reader_that_has_gone_is_thrown_away() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        shown = Screen(Streams(None, out, None))
        with pytest.raises(BrokenPipeError):
            shown.print_message("in")
        shown.discard_output()


def test_the_streams_of_this_process_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+", encoding="utf-16") as file:
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, file)
        streams = process_streams()
        assert (streams.stdin, streams.stdout, streams.stderr) == (file.fileno(), file.buffer, file.buffer)
        assert (streams.encoding, streams.are_interactive) == ("utf-16", False)
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, None)
        assert process_streams() == Streams(None, None, None)


@pytest.mark.parametrize(("stdin", "stdout"), [(True, True), (True, False), (False, True), (False, False)])
def test_only_two_terminals_make_a_prompt(stdin: bool, stdout: bool) -> None:
    streams = Streams(None, None, None, stdin_is_tty=stdin, stdout_is_tty=stdout)
    assert streams.are_interactive is (stdin and stdout)
