"""A connection without a socket: a transport that records, an app that the test drives."""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from lihil.asgi import WS_ACCEPT, ASGIApp, DirectTransport, Message, Receive, Scope, Send
from lihil.rfc6455.connection import Connection, Event, Role
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol
from tests.lihil.server.wire import DEADLINE_S, echo, frame, handshake, settle

CLOSE = frame(0x88, b"\x0f\xa0bye")  # 4000
UNMASKED = b"\x81\x01x"


class Recorder(asyncio.Transport):
    """A transport in memory: what was written, and a write buffer as full as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol | None = None
        self.written = b""
        self.buffered = 0
        self.facts: dict[str, Any] = {}
        self._is_paused = False
        self.closed = asyncio.Event()
        self.ended = asyncio.Event()

    def write(self, data: Any) -> None:
        assert not self.ended.is_set()
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def pause_reading(self) -> None:
        assert not self._is_paused
        self._is_paused = True

    def resume_reading(self) -> None:
        assert self._is_paused
        self._is_paused = False

    def is_reading(self) -> bool:
        return not self._is_paused

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()
        if not self.buffered:
            self.abort()

    def abort(self) -> None:
        self.closed.set()
        if not self.ended.is_set():
            self.ended.set()
            assert self.protocol is not None
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.facts.get(name, default)

    def frames(self) -> list[Event]:
        """What was sent behind the answer to the handshake."""
        return Connection(Role.CLIENT).receive(self.written.partition(b"\r\n\r\n")[2])


class Pieces(Recorder):
    """Keeps apart what was written at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: Any) -> None:
        super().write(data)
        self.pieces.append(bytes(data))


class Script:
    """An app whose connection is driven by the test: `await script.receive()`, `await script.send(...)`."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.receive: Receive
        self.send: Send
        self.begun = asyncio.Event()
        self.done = asyncio.Event()
        self.error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.begun.set()
        await self.done.wait()
        if self.error is not None:
            raise self.error

    async def accept(self) -> None:
        await self.begun.wait()
        await self.receive()
        await self.send({"type": WS_ACCEPT})
        await asyncio.sleep(0)  # the answer goes out with what else is sent in this turn of the loop

    def end(self, error: BaseException | None = None) -> None:
        self.error = error
        self.done.set()

    async def next(self) -> Message:
        return await asyncio.wait_for(_awaitable(self.receive), DEADLINE_S)


async def _awaitable(receive: Receive) -> Message:
    return await receive()


class Hasty(WebSocketProtocol):
    close_timeout_s = 0.05
    shutdown_timeout_s = 0.05
    answer_timeout_s = 0.05


def connect(
    app: ASGIApp, kind: type[WebSocketProtocol] = WebSocketProtocol, request: bytes | None = None, **settings: Any
) -> tuple[WebSocketProtocol, Recorder]:
    settings = {"interface": "asgi3", "log_config": None, "lifespan": "off", "ws_ping_interval": None, **settings}
    config = Config(app, proxy_headers=False, **settings)
    config.load()
    protocol, transport = kind(config, ServerState(), {}), Recorder()
    transport.protocol = protocol
    protocol.connection_made(transport)
    protocol.data_received(handshake() if request is None else request)
    return protocol, transport


async def opened(script: Script, **settings: Any) -> tuple[WebSocketProtocol, Recorder]:
    protocol, transport = connect(script, Hasty, **settings)
    await script.accept()
    return protocol, transport


def direct(script: Script) -> DirectTransport:
    transport: DirectTransport = script.scope["extensions"]["lihil.direct"]
    return transport


async def ended(transport: Recorder) -> None:
    await asyncio.wait_for(transport.ended.wait(), 10)
    await settle()


def connect_http(
    app: ASGIApp = echo, kind: type[HTTPProtocol] = HTTPProtocol, **settings: Any
) -> tuple[HTTPProtocol, Pieces]:
    settings = {"interface": "asgi3", "ws": WebSocketProtocol, "log_config": None, "lifespan": "off", **settings}
    config = Config(app, **settings)
    config.load()
    transport = Pieces()
    protocol = kind(config, ServerState(), {}, asyncio.get_running_loop())
    transport.protocol = protocol
    protocol.connection_made(transport)
    return protocol, transport


def send(transport: Recorder, data: bytes) -> None:
    assert transport.protocol is not None
    transport.protocol.data_received(data)
