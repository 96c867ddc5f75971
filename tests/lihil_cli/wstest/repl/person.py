"""Somebody at a terminal: the real command on a real pseudo-terminal, its output on an emulated screen."""

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

ROWS = 24
PATIENCE_S = 30.0

# A terminal sends its Ctrl-C to those whose controlling terminal it is, which an inherited one is not yet.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)

Seen = Callable[[list[str]], bool]


class Screen(pyte.HistoryScreen):
    """An emulated screen that answers the questions a terminal is asked."""

    def __init__(self, columns: int, answer: Callable[[bytes], object]) -> None:
        super().__init__(columns, ROWS, history=100_000, ratio=0.5)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())


class Person:
    """`lihil ws-test` on a pseudo-terminal of the given width, and who sits there."""

    def __init__(self, columns: int, folder: Path, *arguments: str, **environ: str) -> None:
        self.columns = columns
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (ROWS, columns))
        inherited = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "INPUTRC"}}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, sys.executable, "-m", "lihil_cli", "ws-test", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**inherited, "TERM": "xterm-256color", "HOME": str(folder), "TZ": "UTC", **environ},
            start_new_session=True,
        )
        os.close(slave)
        self._screen = Screen(columns, lambda data: os.write(self.master, data))
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def rows(self) -> list[str]:
        """Everything on the screen and above it, without the toolbar and the blank rows around it."""
        above = ["".join(line[x].data for x in range(self.columns)) for line in self._screen.history.top]
        rows = [row.rstrip() for row in [*above, *self._screen.display]]
        while rows and (not rows[-1] or rows[-1].startswith("─")):
            rows.pop()
        return rows

    def wait_for_toolbar(self, pattern: str) -> None:
        """Wait until a row of the screen below the prompt is like the pattern."""
        self.wait_for(lambda rows: any(re.fullmatch(pattern, row.strip()) for row in self._screen.display[len(rows) :]))

    def wait_for(self, seen: Seen) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not seen(self.rows()):
            assert time.monotonic() < deadline, "\n".join(self.rows())
            assert self.read(0.05) or self.process.poll() is None, "\n".join(self.rows())

    def say(self, text: str, then: Seen) -> None:
        """Type a line and wait for what follows."""
        self.type(text + "\r")
        self.wait_for(then)

    def end(self) -> int:
        """Read until the process has ended, and give its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "\n".join(self.rows())
            self.read(0.05)
        while self.read(0.0):
            pass
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def read(self, wait_s: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], wait_s)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # Linux says so when the last process has left the terminal
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)


Sit = Callable[..., Person]


def shows(text: str) -> Seen:
    """Seen when the text is somewhere, wherever rows begin and end in it."""
    wanted = "".join(text.split())
    return lambda rows: wanted in "".join("".join(rows).split())


def has_row(text: str) -> Seen:
    """Seen when a row ends with the text."""
    return lambda rows: any(row.endswith(text) for row in rows)


def has_prompt(rows: list[str]) -> bool:
    """Seen when an empty prompt stands below everything else."""
    return bool(rows) and rows[-1] == "›"


def ends_with_prompt(text: str, columns: int, marker: str = "› ") -> Seen:
    """Seen when the prompt stands below everything else, with this text in it."""
    room = columns - len(marker)
    pieces = [text[start : start + room] for start in range(0, len(text), room)]
    expected = [f"{marker if not at else ' ' * len(marker)}{piece}".rstrip() for at, piece in enumerate(pieces)]
    return lambda rows: rows[-len(expected) :] == expected
