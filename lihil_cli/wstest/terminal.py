"""What the user sees: messages on standard output, everything else on standard error, foreign text escaped."""

import os
import sys
from contextlib import suppress
from io import UnsupportedOperation
from typing import BinaryIO, TextIO

from lihil_cli.console import escape_terminal
from lihil_cli.record import Record


class Streams(Record):
    """The process's streams. `stdin` is a descriptor; None stands for a stream that was closed from the start."""

    stdin: int | None
    stdout: BinaryIO | None
    stderr: BinaryIO | None
    stdin_is_tty: bool = False
    stdout_is_tty: bool = False
    stderr_is_tty: bool = False
    encoding: str = "utf-8"

    @property
    def are_interactive(self) -> bool:
        """Whether somebody types and looks: only then is there a prompt."""
        return self.stdin_is_tty and self.stdout_is_tty


def process_streams() -> Streams:
    """This process's own streams."""
    return Streams(
        stdin=None if sys.stdin is None else sys.stdin.fileno(),
        stdout=None if sys.stdout is None else sys.stdout.buffer,
        stderr=None if sys.stderr is None else sys.stderr.buffer,
        stdin_is_tty=_is_tty(sys.stdin),
        stdout_is_tty=_is_tty(sys.stdout),
        stderr_is_tty=_is_tty(sys.stderr),
        encoding="utf-8" if sys.stdout is None else sys.stdout.encoding,
    )


def is_at_terminal() -> bool:
    """Whether somebody types and looks, as `Streams.are_interactive` says of this process's streams."""
    return _is_tty(sys.stdin) and _is_tty(sys.stdout)


def terminal_width() -> int:
    """The columns of the process's own terminal, 80 where it does not know."""
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return 80


def _is_tty(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


class Screen:
    """Writes messages and notes."""

    def __init__(self, streams: Streams, *, is_quiet: bool = False) -> None:
        self._streams = streams
        self._is_quiet = is_quiet

    def print_note(self, text: str) -> None:
        """Tell the user something on standard error; a stream that is gone is no reason to stop."""
        if self._is_quiet:
            return
        line = escape_terminal(text, keep_newlines=False) + "\n"
        with suppress(OSError):
            self._write(self._streams.stderr, line.encode(self._streams.encoding, "backslashreplace"))

    def write(self, data: bytes) -> None:
        """Give bytes to standard output as they are; `flush` sends them on. Raises OSError."""
        if self._streams.stdout is not None:
            self._streams.stdout.write(data)

    def flush(self) -> None:
        """Send on what was written to standard output. Raises OSError."""
        if self._streams.stdout is not None:
            self._streams.stdout.flush()

    def discard_output(self) -> None:
        """Send what is still buffered for a reader that has gone to nowhere, so that the process can end quietly."""
        stream = self._streams.stdout
        if stream is None:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(UnsupportedOperation):  # a stream without a descriptor has nobody to wait for
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

    def _write(self, stream: BinaryIO | None, data: bytes) -> None:
        if stream is None:
            return
        stream.write(data)
        stream.flush()
