"""The prompt as a person sees it: the real command on a real pseudo-terminal, its output on an emulated screen."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest
from websockets.asyncio.server import ServerConnection

from tests.lihil_cli.wstest.conftest import Servers

ROWS = 24
PATIENCE_S = 30.0
TYPED = "a half-typed line, longer than a narrow terminal is wide"


class Screen(pyte.HistoryScreen):
    """An emulated screen that answers the questions a terminal is asked."""

    def __init__(self, columns: int, answer: Callable[[bytes], object]) -> None:
        super().__init__(columns, ROWS, history=100_000, ratio=0.5)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data.encode())


class Terminal:
    """`lihil ws-test` on a pseudo-terminal of the given width."""

    def __init__(self, columns: int, folder: Path, *arguments: str) -> None:
        self.columns = columns
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (ROWS, columns))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lihil_cli", "ws-test", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        self._screen = Screen(columns, lambda data: os.write(self.master, data))
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def rows(self) -> list[str]:
        """Everything on the screen and above it, without the blank rows at the end."""
        above = ["".join(line[x].data for x in range(self.columns)) for line in self._screen.history.top]
        rows = [row.rstrip() for row in [*above, *self._screen.display]]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def wait_for(self, seen: Callable[[list[str]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not seen(self.rows()):
            assert time.monotonic() < deadline, "\n".join(self.rows())
            assert self._read(0.05) or self.process.poll() is None, "\n".join(self.rows())

    def end(self) -> int:
        """Read until the process has ended, and give its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "\n".join(self.rows())
            self._read(0.05)
        while self._read(0.0):
            pass
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def _read(self, wait_s: float) -> bool:
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


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(columns: int, *arguments: str) -> Terminal:
        opened.append(Terminal(columns, tmp_path, *arguments))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def wrapped(text: str, columns: int) -> list[str]:
    return [text[start : start + columns].rstrip() for start in range(0, len(text), columns)]


def shows(text: str) -> Callable[[list[str]], bool]:
    return lambda rows: text in "".join(rows)


def has_prompt(rows: list[str]) -> bool:
    return bool(rows) and rows[-1] == ">"


def ends_with_prompt(text: str, columns: int) -> Callable[[list[str]], bool]:
    expected = wrapped(f"> {text}", columns)
    return lambda rows: rows[-len(expected) :] == expected


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_half_typed_line_survives_what_arrives(servers: Servers, terminal: Open, columns: int) -> None:
    messages = [f"message {number} {'x' * (number * 7 % 130)}." for number in range(60)]
    received: list[str | bytes] = []

    async def speak(connection: ServerConnection) -> None:
        await connection.recv()
        for message in messages:
            await connection.send(message)
            await asyncio.sleep(0.02)
        received.append(await connection.recv())
        await connection.close()

    person = terminal(columns, f":{servers.websocket(speak)}/")
    person.wait_for(has_prompt)
    person.type("go\r")
    first, second = TYPED[:30], TYPED[30:]
    person.wait_for(shows("message 5"))
    person.type(first)
    person.wait_for(shows("message 20"))
    person.type("\x1b[D\x1b[C")  # a step to the left and back, which changes nothing
    person.wait_for(shows("message 40"))
    person.type(second)
    person.wait_for(lambda rows: shows(messages[-1])(rows) and ends_with_prompt(TYPED, columns)(rows))
    person.type("\r")
    assert person.end() == 0
    servers.finish()
    assert received == [TYPED]
    rows = person.rows()
    story = [row for line in ["> go", *(f"< {message}" for message in messages)] for row in wrapped(line, columns)]
    start = rows.index("> go")
    assert rows[start : start + len(story)] == story
    after = rows[start + len(story) :]
    assert after[: len(wrapped(f"> {TYPED}", columns))] == wrapped(f"> {TYPED}", columns)
    assert "closed by the server: 1000 (normal closure)" in "".join(after)


def test_what_the_server_says_cannot_steer_the_terminal(servers: Servers, terminal: Open) -> None:
    async def attack(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("\x1b]0;owned\x07\x1b[31m\r\u202e\x9b2J")
        await connection.close(4001, "\x1b[31mred")

    person = terminal(80, f":{servers.websocket(attack)}/")
    person.wait_for(has_prompt)
    person.type("go\r")
    assert person.end() == 5
    assert r"< \x1b]0;owned\x07\x1b[31m\x0d\u202e\x9b2J" in person.rows()
    assert r"closed by the server: 4001 (private to the application): \x1b[31mred" in person.rows()
    assert b"\x1b]0;owned" not in person.raw
    assert b"\x1b[31m" not in person.raw


def test_ctrl_c_clears_the_line_and_then_leaves(servers: Servers, terminal: Open) -> None:
    person = terminal(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    person.type("half")
    person.wait_for(ends_with_prompt("half", 80))
    person.type("\x03")
    person.wait_for(has_prompt)
    person.type("whole\r")
    person.wait_for(shows("< whole"))
    person.type("\x03")
    assert person.end() == 0
    assert person.rows()[-1] == "closed: 1000 (normal closure)"


def test_history_lasts_from_one_run_to_the_next(servers: Servers, terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    port = servers.websocket(echo)
    for keys in ("remember me\r", "\x1b[A\r"):
        person = terminal(80, f":{port}/")
        person.wait_for(has_prompt)
        person.type(keys)
        person.wait_for(shows("< remember me"))
        person.type("\x04")
        assert person.end() == 0
    assert "+remember me" in (tmp_path / ".lihil" / "history").read_text()


def test_a_history_that_cannot_be_written_costs_nothing(servers: Servers, terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    person = terminal(80, f":{servers.websocket(echo)}/")
    person.wait_for(has_prompt)
    (tmp_path / ".lihil" / "history").unlink()
    (tmp_path / ".lihil" / "history").mkdir()
    person.type("hello\r")
    person.wait_for(shows("< hello"))
    person.type("\x04")
    assert person.end() == 0


def test_sigterm_gives_the_terminal_back_as_it_was(servers: Servers, terminal: Open) -> None:
    person = terminal(80, f":{servers.websocket(echo)}/")
    before = termios.tcgetattr(person.master)
    person.wait_for(has_prompt)
    assert termios.tcgetattr(person.master) != before
    person.process.send_signal(signal.SIGTERM)
    assert person.end() == 143
    assert termios.tcgetattr(person.master) == before
