"""The two ends a test needs: a server on a free port in a thread, and a client that sends what it is told to."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lihil.asgi import WS_ACCEPT, WS_RECEIVE, WS_SEND, ASGIApp, Receive, Scope, Send
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


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)
