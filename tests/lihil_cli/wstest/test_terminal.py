import io
import os
import sys
from pathlib import Path

import pytest

from lihil_cli.wstest.terminal import Screen, Streams, process_streams


def screen() -> tuple[Screen, io.BytesIO, io.BytesIO]:
    out, err = io.BytesIO(), io.BytesIO()
    return Screen(Streams(None, out, err)), out, err


def test_a_note_is_one_harmless_line_on_standard_error() -> None:
    shown, out, err = screen()
    shown.print_note("closed: \x1b[2J\nnext\u202e")
    assert (out.getvalue(), err.getvalue()) == (b"", b"closed: \\x1b[2J\\nnext\\u202e\n")


def test_bytes_for_a_program_go_through_as_they_are() -> None:
    shown, out, _ = screen()
    shown.write(b"\x1b[2J")
    shown.flush()
    assert out.getvalue() == b"\x1b[2J"


def test_a_quiet_screen_says_nothing() -> None:
    err = io.BytesIO()
    Screen(Streams(None, None, err), is_quiet=True).print_note("note")
    assert err.getvalue() == b""


def test_streams_that_were_closed_from_the_start_take_everything_silently() -> None:
    shown = Screen(Streams(None, None, None))
    shown.write(b"out")
    shown.flush()
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
        shown.write(b"out")
        with pytest.raises(BrokenPipeError):
            shown.flush()
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
