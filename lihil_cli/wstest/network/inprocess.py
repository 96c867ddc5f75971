"""A conversation with an app in this very process: no server, no socket, the same messages and the same ends.

The ASGI side is the test client's (`lihil.testing`): its connection in memory, with bounded queues, its scopes, its
run of the app's lifespan.
"""

import asyncio
import logging
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stdout, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lihil.asgi import WS_CLOSE, WS_RECEIVE, ASGIApp
from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout, LifespanError
from lihil.testing.host import Host
from lihil.testing.lifespan import LifespanRun
from lihil.testing.scope import RequestHead, websocket_scope
from lihil.testing.wire import Answer
from lihil.testing.wire import Wire as MemoryWire
from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import NoAppError, explain, find_target, load_app
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.handshake import (
    CannotConnectError,
    ConnectionEndedError,
    Handshake,
    Refusal,
    RefusedError,
    Response,
)
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.network.trace import Frame

_FOREVER_S = 10.0**9
_GRACE_S = 1.0
_STARTUP_S = 60.0
_TEXT, _BINARY, _CLOSE = 1, 2, 8
_TOO_BIG = 1009
_REFUSED_FOR = frozenset({500, 403})  # where an exception of the app's may be behind it


class AppHost:
    """A started app. `label` is its `module:attribute`."""

    def __init__(self, app: ASGIApp, label: str, root: Path) -> None:
        self.app = app
        self.label = label
        self.root = root
        self._host = Host(
            app, client=("127.0.0.1", 50000), root_path="", timeout_s=_STARTUP_S, raise_server_exceptions=False
        )
        self._lifespan = LifespanRun(app, self._host.state)

    async def start(self) -> None:
        """Run the app's startup. Raises CliError, with the app's own line, when it fails."""
        try:
            await self._lifespan.startup(Wait("the app's startup", _STARTUP_S))
        except (LifespanError, AppTimeout) as error:
            raise CliError(str(error)) from None
        except Exception as error:
            raise CliError(explain(error, self.root, f"{self.label} did not start")) from error

    async def stop(self) -> None:
        """Run the app's shutdown. Raises CliError when that fails."""
        try:
            await self._lifespan.shutdown(Wait("the app's shutdown", _GRACE_S))
        except (LifespanError, AppTimeout) as error:
            raise CliError(str(error)) from None
        except Exception as error:
            raise CliError(explain(error, self.root, f"{self.label} did not shut down")) from error

    async def connect(self, target: Target, handshake: Handshake) -> "AppConnection":
        """Shake hands with the app. Raises RefusedError and CannotConnectError as over a socket."""
        wire = MemoryWire(self.app, websocket_scope(_head_of(target, handshake), self._host))
        try:
            answer = await wire.connect(Wait("the app to accept or refuse the WebSocket", handshake.open_timeout_s))
        except AppTimeout as error:
            with suppress(AppTimeout):
                await wire.leave(0)
            raise CannotConnectError(str(error)) from None
        if answer.subprotocol not in {None, *handshake.subprotocols}:
            with suppress(AppTimeout):
                await wire.leave(_GRACE_S)
            raise RefusedError(f"{self.label} chose a subprotocol that was not offered: {answer.subprotocol}")
        if answer.status == 101:
            return AppConnection(wire, answer, handshake)
        with suppress(AppTimeout):
            await wire.leave(_GRACE_S)
        refused = RefusedError("refused", _refusal_of(target, answer))
        refused.failure = wire.failure() if answer.status in _REFUSED_FOR else None
        raise refused


class AppConnection:
    """The `Connection` to an app in this process. There are no frames: `on_frame` is told of one for each message."""

    def __init__(self, wire: MemoryWire, answer: Answer, handshake: Handshake) -> None:
        self.subprotocol = answer.subprotocol
        self.is_compressed = False
        self.request = b""
        self.response = Response(answer.status, HTTPStatus(answer.status).phrase, _text_of(answer.headers))
        self.on_frame: Callable[[Frame], None] | None = None
        self.failure: BaseException | None = None
        self.arrived_at = 0.0
        self.heard_at = 0.0
        self._wire = wire
        self._max_bytes = handshake.max_bytes
        self._loop = asyncio.get_running_loop()
        self._own_close: Closed | None = None
        self._ending: Closed | None = None
        self._stalled_until = 0.0

    async def receive(self) -> str | bytes:
        if self._ending is not None:
            raise ConnectionEndedError(self._ending)
        await asyncio.sleep(max(0.0, self._stalled_until - self._loop.time()))
        try:
            message = await self._wire.take(Wait("a message from the app", _FOREVER_S))
        except Exception as ended:  # WebSocketDisconnect, which is starlette's
            code, reason = getattr(ended, "code", 1006), getattr(ended, "reason", "")
            raise await self._end(self._own_close or _lost(code, reason)) from None
        self.arrived_at = self._loop.time()
        if message["type"] == WS_CLOSE:
            self._trace(_CLOSE, 2 + len(message["reason"].encode()), is_outgoing=False)
            raise await self._end(Closed(message["code"], message["reason"], "server"))
        payload: str | bytes = message["text"] if "text" in message else message["bytes"]
        size = len(payload.encode() if isinstance(payload, str) else payload)
        self._trace(_TEXT if isinstance(payload, str) else _BINARY, size, is_outgoing=False)
        if self._max_bytes is not None and size > self._max_bytes:
            too_big = Closed(_TOO_BIG, f"a message of more than {self._max_bytes} bytes", "client")
            await self._wire.hang_up(_TOO_BIG, too_big.reason)
            raise await self._end(too_big)
        return payload

    async def send(self, payload: str | bytes) -> None:
        if self._own_close is not None:
            return
        data = payload.encode() if isinstance(payload, str) else payload
        self._trace(_TEXT if isinstance(payload, str) else _BINARY, len(data), is_outgoing=True)
        kind = "text" if isinstance(payload, str) else "bytes"
        with suppress(Exception):  # WebSocketDisconnect: `receive` tells about it
            await self._wire.put({"type": WS_RECEIVE, kind: payload}, Wait("the app to take a message", _FOREVER_S))

    async def send_fragments(self, payload: str | bytes, size: int) -> None:
        """Send one message: an app never sees fragments."""
        await self.send(payload)

    async def send_raw(self, data: bytes) -> None:
        """Raises ValueError: there is no wire to put bytes on."""
        raise ValueError("raw bytes need a server: an app in this process is given messages, not frames")

    async def ping(self, payload: bytes = b"") -> float | None:
        """No time at all, or None when the connection has ended."""
        return None if self._ending is not None or self._own_close is not None else 0.0

    async def pong(self, data: bytes = b"") -> None:
        """Nothing: an app never sees a pong."""

    async def close(self, code: int, reason: str = "") -> None:
        if self._ending is None and self._own_close is None:
            self._own_close = Closed(code, reason, "client")
            self._trace(_CLOSE, 2 + len(reason.encode()), is_outgoing=True)
            await self._wire.hang_up(code, reason)

    async def drop(self) -> None:
        await self._wire.hang_up(1006, "")
        try:
            with suppress(AppTimeout):
                await self._wire.leave(_GRACE_S)
        except asyncio.CancelledError:  # the handler has to hear of the end all the same, before the app's shutdown
            with suppress(AppTimeout):
                await self._wire.call.cancel(_GRACE_S)
            raise
        self.failure = self.failure or self._wire.failure()

    def stall(self, seconds: float) -> None:
        """Take nothing for so long; the app's queue fills up, and its `send` has to wait."""
        self._stalled_until = self._loop.time() + seconds

    async def _end(self, ending: Closed) -> ConnectionEndedError:
        """A crash may be told a moment after the close that it led to."""
        self._ending = ending
        if ending.by != "client":
            with suppress(AppTimeout):
                await self._wire.call.until(
                    lambda: self._wire.call.failure is not None or not self._wire.call.is_running,
                    Wait("the app to end", _GRACE_S),
                )
            self.failure = self._wire.failure() or self._wire.call.failure
        return ConnectionEndedError(ending)

    def _trace(self, opcode: int, length: int, *, is_outgoing: bool) -> None:
        if self.on_frame is not None:
            self.on_frame(Frame(is_outgoing, opcode, True, False, length, is_outgoing))


@asynccontextmanager
async def open_app(app: str | None, root: Path) -> AsyncIterator[AppHost]:
    """Import `app` (`module:attribute`; None for the project's usual place), start it, and shut it down in the end.

    What the app prints goes to standard error, for standard output belongs to messages. Raises CliError for an app
    that cannot be found, imported or started.
    """
    with redirect_stdout(sys.stderr), _logged_briefly():
        loaded, label = load_target(app, root)
        host = AppHost(loaded, label, root)
        await host.start()
        try:
            yield host
        finally:
            await host.stop()


def load_target(app: str | None, root: Path) -> tuple[ASGIApp, str]:
    """The app and its `module:attribute`. Raises CliError, USAGE for one that is not there."""
    source = find_target(app, root)
    try:
        return load_app(source), str(source)
    except NoAppError as error:
        raise CliError(error.message, hint=error.hint, code=ExitCode.USAGE) from None


class _Brief(logging.Formatter):
    """One harmless line for each record: an exception is shown by whoever asked for the connection."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_terminal(f"{record.levelname.lower()}: {record.getMessage()}", keep_newlines=False)


class _logged_briefly:  # noqa: N801 - used as a function
    """What the app logs goes to standard error in a short form, unless the app has its own logging."""

    def __enter__(self) -> None:
        self._handler: logging.Handler = logging.StreamHandler(sys.stderr)
        self._handler.setFormatter(_Brief())
        self._handler.setLevel(logging.WARNING)
        self._was_silent = not logging.root.handlers
        if self._was_silent:
            logging.root.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        logging.root.removeHandler(self._handler)


def _head_of(target: Target, handshake: Handshake) -> RequestHead:
    """The handshake as a server would have read it off the wire."""
    parts = urlsplit(target.url)
    fields = [
        ("host", parts.netloc.rpartition("@")[2]),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", b64encode(b"in this process.").decode()),
        ("user-agent", "lihil-ws-test"),
        *([("origin", handshake.origin)] if handshake.origin is not None else []),
        *([("sec-websocket-protocol", ", ".join(handshake.subprotocols))] if handshake.subprotocols else []),
        *handshake.headers,
    ]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    return RequestHead(
        "GET", parts.scheme, parts.hostname or "localhost", parts.port, target.path.encode("ascii"), headers
    )


def _refusal_of(target: Target, answer: Answer) -> Refusal:
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
    return Refusal(target.url, answer.status, phrase, _text_of(answer.headers), answer.body, answer.note)


def _text_of(headers: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def _lost(code: int, reason: str) -> Closed:
    return Closed(code, reason, "nobody" if code == 1006 else "server")
