"""The two ends a test needs: a server on a free port in a thread, and a client that sends what it is told to."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lihil.asgi import WS_ACCEPT, WS_RECEIVE, WS_SEND, ASGIApp, Message, Receive, Scope, Send
from lihil.rfc6455.connection import Connection, Event, Role
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.frames import encode_frame
from lihil.server.serve import Server, make_config

DEADLINE_S = 20.0
KEY = b"abcd"
UPGRADE = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until something real has come about."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.005)


def handshake(target: str = "/", *, version: str = "1.1", without: str = "", **fields: str) -> bytes:
    """An opening handshake; `fields` are added or replace others, with - for _ in their names."""
    named = {name: value for name, value in UPGRADE.items() if name.lower() != without.lower()}
    for name, value in fields.items():
        named[name.replace("_", "-")] = value
    lines = [f"GET {target} HTTP/{version}", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def frame(first: int, payload: bytes = b"") -> bytes:
    """A masked frame."""
    return encode_frame(first, payload, KEY)


def text(message: str) -> bytes:
    return frame(0x81, message.encode())


class Client:
    """A TCP client that reads what the server sends as HTTP first, as frames then."""

    def __init__(self, port: int, *, small_buffers: bool = False) -> None:
        self.socket = socket.socket()
        if small_buffers:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", port))
        self._connection = Connection(Role.CLIENT, max_message_bytes=1 << 26)
        self._events: list[Event] = []
        self._rest = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def flood(self, data: bytes, after: Callable[[], object] = bool) -> None:
        """Send without an end, until the server does something about it."""
        while True:
            self.send(data)
            after()

    def open(self, target: str = "/", *, deflate: bool = False, **fields: str) -> str:
        """Shake hands and give back the answer's head."""
        if deflate:
            fields["Sec-WebSocket-Extensions"] = "permessage-deflate"
            options = DeflateOptions(server_max_window_bits=12)
            self._connection = Connection(Role.CLIENT, deflate=Deflate(options, is_server=False))
        self.send(handshake(target, **fields))
        head = self.head()
        assert head.startswith("HTTP/1.1 101 "), head
        return head

    def head(self) -> str:
        while b"\r\n\r\n" not in self._rest:
            data = self.socket.recv(65_536)
            assert data, self._rest
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def event(self) -> Event | None:
        """The next message or control frame; None at the connection's end."""
        while not self._events:
            data, self._rest = self._rest or self.read(), b""
            if not data:
                return None
            self._events += self._connection.receive(data)
        return self._events.pop(0)

    def events(self) -> list[Event]:
        """All that comes up to the connection's end."""
        return list(iter(self.event, None))

    def read(self) -> bytes:
        """What has come; b"" at the end, by reset or not."""
        try:
            return self.socket.recv(65_536)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def rest(self) -> bytes:
        """Everything up to the connection's end."""
        data, self._rest = self._rest, b""
        while chunk := self.read():
            data += chunk
        return data


class Running:
    """A server that runs."""

    def __init__(self, server: Server, thread: threading.Thread) -> None:
        self.server = server
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        self._thread = thread

    def client(self, *, small_buffers: bool = False) -> Client:
        return Client(self.port, small_buffers=small_buffers)

    @property
    def connections(self) -> list[Any]:
        return list(self.server.server_state.connections)

    @property
    def handlers(self) -> int:
        return len(self.server.server_state.tasks)

    def is_alive(self) -> bool:
        """Whether a healthy client is served."""
        with self.client() as client:
            client.open()
            client.send(text("alive?"))
            return client.event() == "alive?"

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the server did not end"


@contextmanager
def serving(app: ASGIApp, **settings: Any) -> Iterator[Running]:
    """`app` on a free port, with uvicorn's settings."""
    settings = {"port": 0, "log_config": None, "lifespan": "off", "ws_ping_interval": None, **settings}
    server = Server(make_config(app, **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, "the server starts")
    running = Running(server, thread)
    try:
        yield running
    finally:
        running.stop()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers each message with itself, and an HTTP request with the size of its body."""
    if scope["type"] == "http":
        await answer_size(receive, send)
        return
    await receive()
    await send({"type": WS_ACCEPT})
    while (message := await receive())["type"] == WS_RECEIVE:
        await send({**message, "type": WS_SEND})


async def answer_size(receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Recorder(asyncio.Transport):
    """A transport in memory: what was written, and a write buffer as full as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol | None = None
        self.written = b""
        self.buffered = 0
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
        return default

    def frames(self) -> list[Event]:
        """What was sent behind the answer to the handshake."""
        return Connection(Role.CLIENT).receive(self.written.partition(b"\r\n\r\n")[2])


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

    def end(self, error: BaseException | None = None) -> None:
        self.error = error
        self.done.set()

    async def next(self) -> Message:
        return await asyncio.wait_for(_awaitable(self.receive), DEADLINE_S)


async def _awaitable(receive: Receive) -> Message:
    return await receive()


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)
