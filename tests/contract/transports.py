"""Two ways to reach one app: in memory by the test client, and through uvicorn on a port of its own."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from lihil import Lihil, WebSocketDisconnect
from lihil.testing import WebSocketSession
from lihil.vendors import HandshakeRefused, TestClient

LIMIT_S = 20


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: to a request, or to a handshake that was refused. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Ended:
    """How a connection ended."""

    code: int
    reason: str = ""


class Conversation(Protocol):
    """An open WebSocket. `receive` gives a text, or how the connection ended."""

    subprotocol: str | None
    headers: Mapping[str, str]

    def send(self, data: str | bytes) -> None: ...
    def receive(self) -> str | bytes | Ended: ...
    def close(self, code: int, reason: str) -> None: ...
    def drop(self) -> None:
        """Break the connection off, without a close frame."""


@dataclass
class Call:
    """What a handshake or a request is made of."""

    target: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: list[str] = field(default_factory=list)


class Transport(Protocol):
    """A way to reach an app."""

    @contextmanager
    def dial(self, call: Call) -> Iterator[Conversation | Answer]: ...
    def request(self, call: Call) -> Answer: ...


class InMemory:
    """The test client."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    @contextmanager
    def dial(self, call: Call) -> Iterator[Conversation | Answer]:
        session = self._client.websocket_connect(call.target, call.subprotocols, headers=dict(call.headers))
        try:
            session.__enter__()
        except HandshakeRefused as refused:
            yield Answer(refused.status, dict(refused.headers), refused.body)
            return
        try:
            yield _MemoryConversation(session)
        finally:
            session.__exit__(None, None, None)

    def request(self, call: Call) -> Answer:
        got = self._client.request(call.method, call.target, headers=dict(call.headers))
        return Answer(got.status_code, dict(got.headers), got.content)


class _MemoryConversation:
    def __init__(self, session: WebSocketSession) -> None:
        self._session = session
        self.subprotocol: str | None = session.accepted_subprotocol
        self.headers: Mapping[str, str] = dict(session.response_headers)

    def send(self, data: str | bytes) -> None:
        self._session.send_text(data) if isinstance(data, str) else self._session.send_bytes(data)

    def receive(self) -> str | bytes | Ended:
        try:
            message = self._session.receive()
        except WebSocketDisconnect as gone:
            return Ended(gone.code, gone.reason)
        if message["type"] == "websocket.close":
            return Ended(message["code"], message["reason"])
        data: str | bytes = message["text"] if "text" in message else message["bytes"]
        return data

    def close(self, code: int, reason: str) -> None:
        self._session.close(code, reason)

    def drop(self) -> None:
        self._session.close(1006)


class OverUvicorn:
    """A real server in a thread, and the client of the websockets library."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextmanager
    def dial(self, call: Call) -> Iterator[Conversation | Answer]:
        headers = dict(call.headers)
        host = headers.pop("host", f"127.0.0.1:{self.port}")
        offered = [Subprotocol(name) for name in call.subprotocols] or None
        sock = socket.create_connection(("127.0.0.1", self.port), LIMIT_S)
        try:
            connection = connect(
                f"ws://{host}{call.target}",
                sock=sock,
                additional_headers=headers,
                subprotocols=offered,
                proxy=None,
                max_queue=None,  # who stops reading never sees the answer to its close
            )
        except InvalidStatus as refused:
            raw = refused.response.headers.raw_items()
            headers = {name.lower(): value for name, value in raw}
            yield Answer(refused.response.status_code, headers, bytes(refused.response.body or b""))
            return
        with connection:
            yield _RealConversation(connection)

    def request(self, call: Call) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(call.method, call.target, headers=dict(call.headers))
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, headers, got.read())
        finally:
            connection.close()


class _RealConversation:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol
        raw = connection.response.headers.raw_items() if connection.response else ()
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in raw}

    def send(self, data: str | bytes) -> None:
        self._connection.send(data)

    def receive(self) -> str | bytes | Ended:
        try:
            return self._connection.recv(LIMIT_S)
        except ConnectionClosed as closed:
            return Ended(closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else Ended(1006)

    def close(self, code: int, reason: str) -> None:
        self._connection.close(code, reason)

    def drop(self) -> None:
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def in_memory(app: Lihil) -> Iterator[InMemory]:
    with TestClient(app, raise_server_exceptions=False, timeout_s=LIMIT_S) as client:
        yield InMemory(client)


@contextmanager
def over_uvicorn(app: Lihil, **options: Any) -> Iterator[OverUvicorn]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()  # who connects before it is up waits in the listening socket's backlog
    try:
        yield OverUvicorn(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(LIMIT_S)
        listening.close()


def raw_exchange(port: int, data: bytes) -> bytes:
    """Send bytes as they are; all that comes back until the server closes or has answered the head."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as sock:
        sock.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            try:
                got = sock.recv(65_536)
            except ConnectionResetError:
                break
            if not got:
                break
            answer += got
        return answer


TRANSPORTS: Mapping[str, Callable[[Lihil], AbstractContextManager[Transport]]] = {
    "memory": in_memory,
    "uvicorn": over_uvicorn,
}
