"""`WebSocket`: what a handler gets."""

from collections.abc import AsyncIterator, Callable, Iterable
from enum import Enum
from typing import Any, Literal, NoReturn

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocketState

from lihil.asgi import (
    WS_ACCEPT,
    WS_CLOSE,
    WS_CONNECT,
    WS_DENIAL,
    WS_DENIAL_BODY,
    WS_DENIAL_START,
    WS_DISCONNECT,
    WS_RECEIVE,
    WS_SEND,
    Message,
    Receive,
    Scope,
    Send,
)
from lihil.errors import WebSocketDisconnect, WebSocketStateError
from lihil.params.codec import encode_json
from lihil.problems import Problem
from lihil.websocket.watch import ReadAhead

NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006  # never on the wire: "no close frame was received" (RFC 6455, section 7.1.5)


class Phase(Enum):
    """Where a connection stands, seen from the app (RFC 6455, section 4.1 and 7.1)."""

    CONNECTING = "connecting"  # the handshake is not answered
    OPEN = "open"
    REFUSED = "refused"  # the handshake was answered with an HTTP status
    CLOSED = "closed"  # we closed it, or the peer has gone


class WebSocket(HTTPConnection):
    """One WebSocket, from the opening handshake to the close.

    The properties `url`, `headers`, `query_params`, `path_params`, `cookies`, `state`, `client` and `app` are
    starlette's and are worked out when they are first read. `receive` and the calls built on it raise
    WebSocketDisconnect when the peer has gone, and so does `send`. Closing twice is harmless.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope)
        self._receive = receive
        self._send = send
        self._phase = Phase.CONNECTING
        self._connected = False
        self._disconnect: WebSocketDisconnect | None = None
        self._read_ahead: ReadAhead | None = None
        self.receiving = False  # inside receive(): the disconnect watch leaves such connections alone
        self.receives = 0

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols the client offers, in its order of preference (RFC 6455, section 1.9)."""
        return list(self.scope.get("subprotocols") or ())

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

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Answer the opening handshake with 101. Raises WebSocketStateError when it was answered before."""
        if self._phase is not Phase.CONNECTING:
            raise WebSocketStateError(
                f"accept() comes once, before anything else; this WebSocket is {self._phase.value}"
            )
        await self._await_connect()
        self._phase = Phase.OPEN
        await self._transmit({"type": WS_ACCEPT, "subprotocol": subprotocol, "headers": list(headers or ())})

    async def receive(self) -> Message:
        """The next ASGI message. Raises WebSocketDisconnect when there is none any more."""
        if self._disconnect is not None:
            raise self.gone()
        self.receives += 1
        self.receiving = True
        try:
            message = await (self._receive() if self._read_ahead is None else self._from_read_ahead(self._read_ahead))
        finally:
            self.receiving = False
        kind = message["type"]
        if kind == WS_DISCONNECT:
            self._note_disconnect(message)
        elif kind == WS_CONNECT:
            self._connected = True
        return message

    async def send(self, message: Message) -> None:
        """Send one ASGI message. Raises as the call of the same meaning does: accept, send_text, close."""
        kind = message["type"]
        if kind == WS_ACCEPT:
            await self.accept(message.get("subprotocol"), message.get("headers"))
        elif kind == WS_CLOSE:
            await self.close(message.get("code", NORMAL_CLOSURE), message.get("reason"))
        elif kind == WS_SEND:
            if self._phase is not Phase.OPEN:
                self._refuse_send("send")
            await self._transmit(message)
        else:
            raise ValueError(f"a WebSocket sends {WS_ACCEPT}, {WS_SEND} and {WS_CLOSE}, not {kind!r}")

    async def receive_text(self) -> str:
        """The next message as text; one sent as binary is decoded. Raises WebSocketDisconnect, UnicodeDecodeError."""
        message = await self._next_message()
        text: str | None = message.get("text")
        return message["bytes"].decode() if text is None else text

    async def receive_bytes(self) -> bytes:
        """The next message as bytes; one sent as text is encoded. Raises WebSocketDisconnect."""
        message = await self._next_message()
        data: bytes | None = message.get("bytes")
        return message["text"].encode() if data is None else data

    async def receive_json(self) -> Any:
        """The next message, text or binary, read as JSON. Raises WebSocketDisconnect, msgspec.DecodeError."""
        message = await self._next_message()
        data = message.get("bytes")
        return msgspec.json.decode(message["text"] if data is None else data)

    async def iter_text(self) -> AsyncIterator[str]:
        """Every message as text, until the peer goes."""
        try:
            while True:
                yield await self.receive_text()
        except WebSocketDisconnect:
            return

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Every message as bytes, until the peer goes."""
        try:
            while True:
                yield await self.receive_bytes()
        except WebSocketDisconnect:
            return

    async def iter_json(self) -> AsyncIterator[Any]:
        """Every message read as JSON, until the peer goes."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            return

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises WebSocketStateError before accept and after close, WebSocketDisconnect."""
        if self._phase is not Phase.OPEN:
            self._refuse_send("send_text")
        await self._transmit({"type": WS_SEND, "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises WebSocketStateError before accept and after close, WebSocketDisconnect."""
        if self._phase is not Phase.OPEN:
            self._refuse_send("send_bytes")
        await self._transmit({"type": WS_SEND, "bytes": data})

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send a value as JSON. Raises as send_text does, and TypeError for a value that JSON has no form for."""
        encoded = encode_json(data)
        await (self.send_text(encoded.decode()) if mode == "text" else self.send_bytes(encoded))

    async def close(self, code: int = NORMAL_CLOSURE, reason: str | None = None) -> None:
        """Close with a code and a reason of at most 123 bytes (RFC 6455, section 5.5.1).

        Before accept it refuses the handshake with 403. Closing twice, or after the peer has gone, does nothing.
        Raises ValueError for a code that must not be sent (section 7.4) and for a longer reason.
        """
        if self._phase in {Phase.CLOSED, Phase.REFUSED}:
            return
        _check_close(code, reason or "")
        try:
            if self._phase is Phase.CONNECTING:
                await self._await_connect()
                self._phase = Phase.REFUSED
            else:
                self._phase = Phase.CLOSED
            await self._transmit({"type": WS_CLOSE, "code": code, "reason": reason or ""})
        except WebSocketDisconnect:
            return

    async def send_denial_response(self, response: Response) -> None:
        """Refuse the handshake with a whole HTTP response.

        A server without the extension for it (ASGI "websocket.http.response") answers 403 instead.
        Raises WebSocketStateError once the handshake is answered.
        """
        headers = [(name, value) for name, value in response.raw_headers]
        await self._deny(response.status_code, headers, bytes(response.body))

    async def refuse(self, problem: Problem) -> None:
        """Refuse the handshake with problem details; without the extension close 1008 with a short reason."""
        body = problem.body()
        await self._deny(problem.status, problem.raw_headers(body), body, problem.short_reason())

    async def _deny(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, reason: str = "") -> None:
        if self._phase is not Phase.CONNECTING:
            raise WebSocketStateError(f"a handshake is refused before it is answered; this one is {self._phase.value}")
        try:
            await self._await_connect()
            self._phase = Phase.REFUSED
            if WS_DENIAL not in (self.scope.get("extensions") or {}):
                await self._transmit({"type": WS_CLOSE, "code": 1008, "reason": reason})
                return
            await self._transmit({"type": WS_DENIAL_START, "status": status, "headers": headers})
            await self._transmit({"type": WS_DENIAL_BODY, "body": body, "more_body": False})
        except WebSocketDisconnect:
            return

    async def _transmit(self, message: Message) -> None:
        if self._disconnect is not None:
            raise self.gone()
        try:
            await self._send(message)
        except OSError:  # ASGI spec_version 2.4: how a server says that the peer has gone
            self._set_gone(ABNORMAL_CLOSURE, "")
            raise self.gone() from None

    async def _from_read_ahead(self, read_ahead: ReadAhead) -> Message:
        message = await read_ahead.next()
        if read_ahead.is_empty:
            self._read_ahead = None
        return message

    def read_ahead(self, on_disconnect: Callable[[], None]) -> None:
        """Begin to read for a handler that does not; called by the disconnect watch."""

        def told(message: Message) -> None:
            self._note_disconnect(message)
            on_disconnect()

        if self._read_ahead is None and self._disconnect is None:
            self._read_ahead = ReadAhead(self._receive, told)

    @property
    def is_read_ahead(self) -> bool:
        """Whether somebody reads for the handler already."""
        return self._read_ahead is not None

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

    async def _next_message(self) -> Message:
        if self._phase is Phase.CONNECTING:
            raise WebSocketStateError("nothing can be received before the handshake; call `await ws.accept()` first")
        message = await self.receive()
        if message["type"] != WS_RECEIVE:
            raise self.gone()
        return message

    def _refuse_send(self, call: str) -> NoReturn:
        if self._disconnect is not None:
            raise self.gone()
        if self._phase is Phase.CONNECTING:
            raise WebSocketStateError(f"{call}() comes after the handshake; call `await ws.accept()` first")
        raise WebSocketStateError(f"{call}() on a WebSocket that is {self._phase.value}")

    def _note_disconnect(self, message: Message) -> None:
        self._set_gone(message.get("code", ABNORMAL_CLOSURE), message.get("reason") or "")

    def _set_gone(self, code: int, reason: str) -> None:
        self._disconnect = WebSocketDisconnect(code, reason)
        if self._phase is Phase.OPEN or self._phase is Phase.CONNECTING:
            self._phase = Phase.CLOSED

    def gone(self) -> WebSocketDisconnect:
        """How the peer went; a fresh exception each time, so that no traceback grows over several raises."""
        seen = self._disconnect
        return WebSocketDisconnect(seen.code if seen else ABNORMAL_CLOSURE, seen.reason if seen else "")


_STARLETTE_STATES = {
    Phase.CONNECTING: WebSocketState.CONNECTING,
    Phase.OPEN: WebSocketState.CONNECTED,
    Phase.REFUSED: WebSocketState.RESPONSE,
    Phase.CLOSED: WebSocketState.DISCONNECTED,
}


def _check_close(code: int, reason: str) -> None:
    # RFC 6455, section 7.4: 1004, 1005, 1006 and 1015 are never sent, 1000-2999 belong to the RFCs, 3000-4999 are free.
    if not (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) and not 3000 <= code <= 4999:
        raise ValueError(f"{code} is no close code that may be sent; use 1000-1014 (not 1004-1006) or 3000-4999")
    size = len(reason.encode())
    if size > 123:
        raise ValueError(f"a close reason has at most 123 bytes (RFC 6455, section 5.5.1); this one has {size}")
