"""The ASGI side of one WebSocket: what comes in, what goes out, and who has gone."""

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final, TypeVar

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketState

from lihil.asgi import DIRECT, WS_CONNECT, WS_DISCONNECT, WS_RECEIVE, DirectTransport, Message, Receive, Scope, Send
from lihil.errors import WebSocketDisconnect, WebSocketStateError
from lihil.websocket.watch import ReadAhead

T = TypeVar("T")

ABNORMAL_CLOSURE: Final = 1006  # never on the wire: "no close frame was received" (RFC 6455, section 7.1.5)


class Phase(Enum):
    """Where a connection stands, seen from the app (RFC 6455, section 4.1 and 7.1)."""

    CONNECTING = "connecting"  # the handshake is not answered
    OPEN = "open"
    REFUSED = "refused"  # the handshake was answered with an HTTP status
    CLOSED = "closed"  # we closed it, or the peer has gone


# Every message asks for these two; a member looked up on its class costs six times as much (Python 3.11).
CONNECTING: Final = Phase.CONNECTING
OPEN: Final = Phase.OPEN


_STARLETTE_STATES = {
    Phase.CONNECTING: WebSocketState.CONNECTING,
    Phase.OPEN: WebSocketState.CONNECTED,
    Phase.REFUSED: WebSocketState.DISCONNECTED,
    Phase.CLOSED: WebSocketState.DISCONNECTED,
}


_ENDED = {Phase.REFUSED, Phase.CLOSED}


class Link(HTTPConnection):
    """A connection's messages, its phase, and its end. `WebSocket` gives them their names."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope)
        self._receive = receive
        self._send = send
        self._phase = Phase.CONNECTING
        self._connected = False
        self._is_denying = False  # a denial response is begun and not ended
        self.direct: DirectTransport | None = direct_transport(scope, receive, send)
        self._disconnect: WebSocketDisconnect | None = None
        self._read_ahead: ReadAhead | None = None
        self.receiving: int = 0  # calls of receive() that wait: the disconnect watch leaves such connections alone
        self.receives: int = 0  # the first asks whether the client is there, the others ask for messages

    @property
    def phase(self) -> Phase:
        """Where the connection stands."""
        return self._phase

    @property
    def client_state(self) -> WebSocketState:
        """The peer's side, in starlette's words."""
        if self._disconnect is not None:
            return WebSocketState.DISCONNECTED
        return WebSocketState.CONNECTED if self._connected else WebSocketState.CONNECTING

    @property
    def application_state(self) -> WebSocketState:
        """Our side, in starlette's words."""
        return _STARLETTE_STATES[self._phase]

    def receive(self) -> Coroutine[Any, Any, Message]:
        """The next ASGI message. Raises WebSocketDisconnect when there is none any more."""
        return self._received(_as_it_is, is_early=True)

    async def _received(self, read: Callable[[Message], T], *, is_early: bool = False) -> T:
        """What `read` makes of the next ASGI message; one coroutine for every kind of receiving."""
        if self._disconnect is not None:
            raise self.gone()
        if self._phase is CONNECTING and not is_early:
            raise WebSocketStateError("nothing can be received before the handshake; call `await ws.accept()` first")
        self.receives += 1
        self.receiving += 1
        try:
            message = await (self._receive() if self._read_ahead is None else self._from_read_ahead(self._read_ahead))
        finally:
            self.receiving -= 1
        return read(self._noted(message))

    async def receive_text(self) -> str:
        """The next message as text; one sent as binary is decoded. Raises WebSocketDisconnect, UnicodeDecodeError."""
        if self._phase is not OPEN or self._read_ahead is not None:
            return await self._received(self._text_of)
        # What `payload` does, in place: this is the one call that most handlers make for each message.
        self.receives += 1
        self.receiving += 1
        try:
            if self.direct is None:
                message: str | bytes | Message = await self._receive()
            else:
                while (arrival := self.direct.arrival()) is not None:
                    await arrival
                message = self.direct.take()
        finally:
            self.receiving -= 1
        if isinstance(message, str):
            return message
        return message.decode() if isinstance(message, bytes) else self._text_of(self._noted(message))

    async def payload(self) -> str | bytes:
        """The next message as it came. Raises WebSocketDisconnect."""
        if self._phase is not OPEN or self._read_ahead is not None or self.direct is None:
            return await self._received(self._payload_of)
        self.receives += 1
        self.receiving += 1
        try:
            while (arrival := self.direct.arrival()) is not None:
                await arrival
            message = self.direct.take()
        finally:
            self.receiving -= 1
        return message if isinstance(message, str | bytes) else self._payload_of(self._noted(message))

    def _payload_of(self, message: Message) -> str | bytes:
        if message["type"] != WS_RECEIVE:
            raise self.gone()
        text: str | None = message.get("text")
        data: str | bytes = message["bytes"] if text is None else text
        return data

    def _text_of(self, message: Message) -> str:
        if message["type"] != WS_RECEIVE:
            raise self.gone()
        text: str | None = message.get("text")
        return message["bytes"].decode() if text is None else text

    def _noted(self, message: Message) -> Message:
        """A message, once what it says about the connection is written down."""
        kind = message["type"]
        if kind == WS_DISCONNECT:
            self._note_disconnect(message)
        elif kind == WS_CONNECT:
            self._connected = True
        return message

    async def _transmit(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            raise self._lost() from None

    async def _from_read_ahead(self, read_ahead: ReadAhead) -> Message:
        message = await read_ahead.next()
        if read_ahead.is_empty:
            self._read_ahead = None
        return message

    def read_ahead(self, on_disconnect: Callable[[], None]) -> None:
        """Read for a handler that does not; called by the disconnect watch, as often as it likes.

        `on_disconnect` is called once at most, and never for an end that the app made itself.
        """

        def told(message: Message) -> None:
            is_news = self._phase not in _ENDED
            self._note_disconnect(message)
            if is_news:
                on_disconnect()

        if self._disconnect is not None or self._phase in _ENDED:
            return
        if self._read_ahead is None:
            self._read_ahead = ReadAhead(self._receive, told, is_read=self.receives > 1)
        self._read_ahead.resume()

    def stop_reading(self) -> None:
        """Give up reading ahead: the handler is done."""
        if self._read_ahead is not None:
            self._read_ahead.stop()

    async def _await_connect(self) -> None:
        """The first ASGI message says that the client waits for an answer; it comes before any of ours."""
        if not self._connected:
            message = await self.receive()
            if message["type"] == WS_DISCONNECT:
                raise self.gone()

    def _note_disconnect(self, message: Message) -> None:
        self._set_gone(message.get("code", ABNORMAL_CLOSURE), message.get("reason") or "")

    def _set_gone(self, code: int, reason: str) -> None:
        self._disconnect = WebSocketDisconnect(code, reason)
        if self._phase not in _ENDED:
            self._phase = Phase.CLOSED

    def _lost(self) -> WebSocketDisconnect:
        """What an OSError of `send` means: that the peer has gone (ASGI, WebSocket spec_version 2.4)."""
        self._set_gone(ABNORMAL_CLOSURE, "")
        return self.gone()

    def gone(self) -> WebSocketDisconnect:
        """How the peer went; a fresh exception each time, so that no traceback grows over several raises."""
        seen = self._disconnect
        return WebSocketDisconnect(seen.code if seen else ABNORMAL_CLOSURE, seen.reason if seen else "")


def _as_it_is(message: Message) -> Message:
    return message


def direct_transport(scope: Scope, receive: Receive, send: Send) -> DirectTransport | None:
    """The server's short way to the peer; None where there is none, and where a middleware is to see each message."""
    direct: DirectTransport | None = (scope.get("extensions") or {}).get(DIRECT)
    is_free = all(getattr(call, "__self__", None) is direct for call in (receive, send))
    return direct if is_free else None
