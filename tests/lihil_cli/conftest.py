import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BARE_APP = """\
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "open"})
        while scope["path"] == "/never":
            await asyncio.sleep(3600)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION"})
"""
DEADLINE_S = 60


class Running:
    """One `lihil ...` process; what it writes is collected as it comes."""

    def __init__(self, arguments: list[str], folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lihil_cli", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a signal to the group reaches what a Ctrl-C would reach
        )
        self._said = bytearray()
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while chunk := os.read(stream.fileno(), 65536):
                with self._news:
                    self._said += chunk
                    self._news.notify_all()

    @property
    def said(self) -> str:
        return self._said.decode()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Return once `text` has been written that many times; fail with all that was written otherwise."""
        with self._news:
            seen = self._news.wait_for(lambda: self.said.count(text) >= times, DEADLINE_S)
        assert seen, f"{text!r} did not come; this did:\n{self.said}"

    @property
    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / ".lihil" / "dev.json").read_text())
        return found

    @property
    def address(self) -> str:
        """host:port, once it listens."""
        self.wait_for("http://")
        return self.said.partition("http://")[2].split()[0]

    def tell(self, signum: int, *, group: bool = True) -> None:
        if group:
            os.killpg(self.process.pid, signum)
        else:
            os.kill(self.process.pid, signum)

    def ends(self) -> int:
        """The exit code, once the process has ended and all that it wrote is here."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code


Launch = Callable[..., Running]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start `lihil ARGUMENTS` in `tmp_path`, in a session of its own; all that is left of it is killed at the end."""
    started: list[Running] = []

    def start(*arguments: str, **environ: str) -> Running:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIHIL_")}
        started.append(Running(list(arguments), tmp_path, inherited | environ))
        return started[-1]

    yield start
    for running in started:
        try:
            os.killpg(running.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        running.ends()


@pytest.fixture
def bare_app(tmp_path: Path) -> Path:
    """`main.py` in `tmp_path`: an ASGI application that answers with its version and keeps WebSockets open."""
    file = tmp_path / "main.py"
    file.write_text(BARE_APP)
    return file


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Return once the given condition holds; fail after a long time."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "the condition never came true"
            time.sleep(0.02)

    return wait
