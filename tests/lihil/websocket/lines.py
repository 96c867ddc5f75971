"""Three ways to one app: in memory, through our own server with its short way, and through uvicorn's own WebSocket."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from lihil import Lihil, WebSocketDisconnect
from lihil.testing import WebSocketSession
from lihil.vendors import HandshakeRefused, TestClient
from tests.lihil.server.wire import DEADLINE_S, serving

LINES = ("memory", "direct", "stock")
_SETTINGS: dict[str, dict[str, Any]] = {"direct": {}, "stock": {"http": "httptools", "ws": "websockets-sansio"}}


class Line(Protocol):
    """An open WebSocket. `hear` gives a message, or the code with which the connection was closed.

    What is said to an app that has closed meanwhile is lost, as it is on any wire.
    """

    @property
    def subprotocol(self) -> str | None: ...
    def say(self, message: str | bytes) -> None: ...
    def hear(self) -> str | bytes | int: ...


class RefusedError(Exception):
    """The handshake was refused, with this status."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class _Memory:
    def __init__(self, session: WebSocketSession) -> None:
        self._session = session
        self.subprotocol = session.accepted_subprotocol

    def say(self, message: str | bytes) -> None:
        self._session.send_text(message) if isinstance(message, str) else self._session.send_bytes(message)

    def hear(self) -> str | bytes | int:
        try:
            message = self._session.receive()
        except WebSocketDisconnect as gone:
            return gone.code
        if message["type"] == "websocket.close":
            return int(message["code"])
        heard: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return heard


class _Real:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.subprotocol = connection.subprotocol

    def say(self, message: str | bytes) -> None:
        with suppress(ConnectionClosed):
            self._connection.send(message)

    def hear(self) -> str | bytes | int:
        try:
            return self._connection.recv(DEADLINE_S)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


class Exchange:
    """One app behind one kind of line."""

    def __init__(self, app: Lihil, kind: str) -> None:
        self._app = app
        self._kind = kind

    @contextmanager
    def dial(self, target: str = "/ws", offers: Sequence[str] = ()) -> Iterator[Line]:
        """One connection; when the block is left, the app has done with it."""
        if self._kind == "memory":
            with TestClient(self._app, raise_server_exceptions=False) as client:
                try:
                    session = client.websocket_connect(target, list(offers)).__enter__()
                except HandshakeRefused as refused:
                    raise RefusedError(refused.status, refused.body) from None
                with session_left(session):
                    yield _Memory(session)
            return
        with serving(self._app, lifespan="on", **_SETTINGS[self._kind]) as server:
            names = [Subprotocol(name) for name in offers] or None
            try:
                connection = connect(f"ws://127.0.0.1:{server.port}{target}", subprotocols=names, proxy=None)
            except InvalidStatus as refused:
                raise RefusedError(refused.response.status_code, bytes(refused.response.body or b"")) from None
            with connection:
                yield _Real(connection)


@contextmanager
def session_left(session: WebSocketSession) -> Iterator[None]:
    try:
        yield
    finally:
        session.__exit__(None, None, None)
