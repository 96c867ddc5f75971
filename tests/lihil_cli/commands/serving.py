"""A `lihil run` to try things on: a process whose words are collected, an app for it, and clients."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

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
    if scope["path"] == "/short":
        print("short has begun", flush=True)
        await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/sse":
        await send({"type": "http.response.body", "body": b"data: 1", "more_body": True})
        await asyncio.sleep(3600)
    if scope["path"] == "/slow":
        print("slow has begun", flush=True)
        await asyncio.sleep(3600)
    if scope["path"] == "/dead":  # more than a peer takes that does not read
        await send({"type": "http.response.body", "body": bytes(20_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b"VERSION"})
"""
LIFESPAN_FAILS = """\
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise OSError("no database")
"""
THREAD_STAYS = """\
import threading, time
threading.Thread(target=time.sleep, args=(3600,)).start()
"""
SETUP_FAILS = """\
from lihil import Lihil, WebSocket, WebSocketRoute

rooms = WebSocketRoute("rooms/{name}")

@rooms.ws_handler
async def talk(ws: WebSocket, name: str, thing: object) -> None:
    await ws.accept()

app = Lihil(rooms)
"""
DEADLINE_S = 60


class Running:
    """One `lihil ...` process; what it writes is collected as it comes."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        environ: dict[str, str],
        pass_fds: Sequence[int] = (),
        python: str = sys.executable,
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [python, "-m", "lihil_cli", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
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

    @property
    def news(self) -> dict[str, Any]:
        """What `/_lihil/dev` answers."""
        request = urllib.request.Request(f"http://{self.address}/_lihil/dev")
        request.add_header("authorization", f"Bearer {self.record['token']}")
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def connect(self) -> socket.socket:
        """A connection that has asked nothing yet."""
        host, _, port = self.address.partition(":")
        return socket.create_connection((host, int(port)), timeout=DEADLINE_S)

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

    @property
    def is_silent(self) -> bool:
        """Whether every process that could write here has ended, the workers included."""
        return not self._reader.is_alive()


Launch = Callable[..., Running]


@contextmanager
def launching(folder: Path) -> Iterator[Launch]:
    """Start `lihil ARGUMENTS` in the folder, in a session of its own; all that is left of it is killed at the end."""
    started: list[Running] = []

    def start(
        *arguments: str,
        pass_fds: Sequence[int] = (),
        is_measured: bool = True,
        python: str = sys.executable,
        **environ: str,
    ) -> Running:
        left_out = ("LIHIL_",) if is_measured else ("LIHIL_", "COVERAGE_PROCESS_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        if is_measured and any(key.startswith("COVERAGE_PROCESS_") for key in inherited):
            inherited["LIHIL_RELOAD_MODE"] = "fork"  # where coverage is measured for its own sake it would be cold
        started.append(Running(list(arguments), folder, inherited | environ, pass_fds, python))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.tell(signal.SIGINT)
            running.ends()
        with suppress(ProcessLookupError):
            running.tell(signal.SIGKILL)


def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds, for what cannot be awaited otherwise."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def get(address: str, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=DEADLINE_S) as answer:
        body: bytes = answer.read()
        return body


@contextmanager
def open_websocket(address: str, path: str) -> Iterator[ClientConnection]:
    """A WebSocket whose handler is known to have begun."""
    with connect(f"ws://{address}{path}", open_timeout=DEADLINE_S, proxy=None) as websocket:
        assert websocket.recv(DEADLINE_S) == "open"
        yield websocket


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def has_no_escapes_or_tracebacks(text: str) -> bool:
    return "\x1b" not in text and "Traceback" not in text
