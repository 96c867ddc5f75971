"""The WebSocket side of the server: an asyncio protocol over `lihil.rfc6455`, for uvicorn's public `ws=` setting.

`uvicorn.run(app, ws="lihil.server.ws_protocol:WebSocketProtocol")`, or `--ws` on uvicorn's command line; `lihil run` uses
it always. The ASGI contract is the standard one, so an app does not notice, except that it is faster.

    data_received ─▶ Connection.receive ─▶ Inbound ─▶ receive() of the app
    send() of the app ─▶ Connection.send_* ─▶ transport

Both directions are bounded in bytes: reading stops while the app is behind, `send` waits while the peer is.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from lihil import asgi
from lihil.asgi import (
    DIRECT,
    WEBSOCKET,
    WS_CLOSE,
    WS_CONNECT,
    WS_DENIAL,
    WS_DISCONNECT,
    WS_RECEIVE,
    WS_SEND,
    Message,
    Scope,
)
from lihil.rfc6455 import deflate as permessage_deflate
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.connection import Close, Connection, Event, Failure, Pong, Role
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.handshake import HandshakeError, Offer, encode_accept, encode_field, read_offer
from lihil.rfc6455.head import Head, HeadError, find_head, parse_request
from lihil.server.inbound import HIGH_BYTES, LOW_BYTES, Inbound

logger = logging.getLogger("uvicorn.error")

CLOSE_TIMEOUT_S: Final = 10.0  # how long the peer may take to answer our close (RFC 6455, section 7.1.1)
SHUTDOWN_TIMEOUT_S: Final = 0.5  # how long a peer that does not read may hold up a stop

# 12 bits are a window of 4 KiB: enough for messages, and a fraction of the memory of the largest.
DEFLATE: Final = DeflateOptions(server_max_window_bits=12, client_max_window_bits=12)


class PeerGoneError(OSError):
    """The peer has gone: what `send` raises then (ASGI, WebSocket spec_version 2.4)."""


class Phase(Enum):
    """Where a connection stands, seen from the server."""

    HEAD = "reading the handshake"
    WAITING = "waiting for the app's answer to the handshake"
    DENYING = "sending a denial response"
    OPEN = "open"
    OVER = "closed"  # to the app; the closing handshake may still be under way


class WebSocketProtocol(asyncio.Protocol):
    """One TCP connection that asks for, or speaks, WebSocket. Made by uvicorn's HTTP protocol on an upgrade request."""

    # What open connections are told when the server stops; a reload says otherwise.
    shutdown_close = Close(CloseCode.GOING_AWAY, "the server is stopping")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._phase = Phase.HEAD
        self._is_open = False  # the phase as the one question that every message asks
        self._early = b""  # the head as far as it has come, then frames that came before our answer
        self._offer: Offer = cast(Offer, None)
        self._scope: Scope = {}
        self._connection: Connection = cast(Connection, None)
        self._denial: list[Any] = []
        self._inbound = Inbound(self._loop)
        self._writable: asyncio.Future[None] | None = None
        self._is_reading = True
        self._timer: TimerHandle | None = None
        self._awaits_pong = False
        self._on_message: Callable[[str | bytes], None] | None = None

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._take(data)
        elif self._phase is Phase.HEAD:
            self._read_head(data)
        else:
            self._early += data
            self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)  # type: ignore[arg-type]
        self._set_timer(None)
        self._end(CloseCode.ABNORMAL_CLOSURE, "")
        self._wake_writers()

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        self._wake_writers()
        self._regulate()

    def _wake_writers(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # What the server calls

    def shutdown(self) -> None:
        """Tell the peer that the server stops, and do not wait for one that does not read."""
        if self._phase is Phase.OPEN:
            self._begin_close(*self.shutdown_close)
        elif self._phase is not Phase.OVER:
            self._refuse(503, [], b"the server is stopping")
        self._transport.close()
        self._set_timer(self._loop.call_later(SHUTDOWN_TIMEOUT_S, self._transport.abort))

    # The opening handshake

    def _read_head(self, data: bytes) -> None:
        self._early += data
        try:
            end = find_head(self._early)
            if end:
                head, self._early = self._early[:end], self._early[end:]
                self.handle_upgrade(parse_request(head))
        except HeadError as exc:
            self._refuse(400, [], str(exc).encode())

    def handle_upgrade(self, head: Head, early: bytes = b"") -> None:
        """Hand the handshake to the app, or refuse it; `early` are bytes that came behind the head."""
        self._early += early
        try:
            self._offer = read_offer(head)
        except HandshakeError as exc:
            self._refuse(exc.status, list(exc.fields), exc.reason.encode())
            return
        self._phase = Phase.WAITING
        self._scope = self._make_scope(head)
        self._inbound.put({"type": WS_CONNECT}, 0)
        task = self._loop.create_task(self._run_app())
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def _make_scope(self, head: Head) -> Scope:
        raw_path, _, query = head.target.partition(b"?")
        root = self._config.root_path
        path = raw_path.decode("latin-1")
        return {
            "type": WEBSOCKET,
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": root,
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode() + raw_path,
            "query_string": query,
            "headers": list(head.fields),
            "subprotocols": list(self._offer.subprotocols),
            "state": self._app_state.copy(),
            "extensions": {WS_DENIAL: {}, DIRECT: self},
        }

    async def _run_app(self) -> None:
        try:
            await self._config.loaded_app(self._scope, self.receive, self.send)
        except PeerGoneError:
            self._app_is_done(CloseCode.INTERNAL_ERROR)
        except BaseException as exc:
            logger.error("Exception in ASGI application\n", exc_info=exc)
            self._app_is_done(CloseCode.INTERNAL_ERROR)
            if not isinstance(exc, Exception):
                raise
        else:
            if self._phase in {Phase.WAITING, Phase.DENYING}:
                logger.error("the ASGI app returned without answering the handshake")
            self._app_is_done(CloseCode.NORMAL_CLOSURE)

    def _app_is_done(self, code: int) -> None:
        """Answer what the app left unanswered, close what it left open."""
        if self._phase in {Phase.WAITING, Phase.DENYING}:
            self._refuse(500, [], b"Internal Server Error")
        elif self._phase is Phase.OPEN:
            self._begin_close(code, "")

    def _accept(self, message: Message) -> None:
        options, extension = None, None
        if self._config.ws_per_message_deflate:
            options, extension = permessage_deflate.agree(self._offer.deflate_offers, DEFLATE) or (None, None)
        fields = [*self._server_state.default_headers, *message.get("headers", ())]
        self._transport.write(encode_accept(self._offer, message.get("subprotocol"), extension, fields))
        self._connection = Connection(
            Role.SERVER,
            max_message_bytes=self._config.ws_max_size,
            deflate=None if options is None else Deflate(options, is_server=True),
        )
        self._phase = Phase.OPEN
        self._is_open = True
        self._log("[accepted]")
        self._keep_alive()
        if self._early:
            early, self._early = self._early, b""
            self._take(early)

    def _deny(self, message: Message) -> None:
        status, fields, body = self._denial
        body.append(message.get("body", b""))
        if not message.get("more_body", False):
            self._log(str(status))
            self._refuse(status, fields, b"".join(body))

    def _refuse(self, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer the handshake with an HTTP response and hang up."""
        names = {name.lower() for name, _ in fields}
        defaults = [
            (b"date", formatdate(usegmt=True).encode()),
            (b"connection", b"close"),
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        lines = [encode_field(*field) for field in (*fields, *(pair for pair in defaults if pair[0] not in names))]
        self._transport.write(b"".join([_status_line(status), *lines, b"\r\n", body]))
        self._transport.close()
        self._end(CloseCode.ABNORMAL_CLOSURE, "")

    # What the app calls

    async def receive(self) -> Message:
        """ASGI receive."""
        message = await self._inbound.get()
        if not self._is_reading:
            self._regulate()
        return message

    async def send(self, message: Message) -> None:
        """ASGI send. Raises PeerGoneError when the peer has gone, RuntimeError for a message out of order."""
        if self._writable is not None and message["type"] != WS_CLOSE:
            await self._writable
        if self._is_open and message["type"] == WS_SEND:
            text = message.get("text")
            frame = self._connection.send_bytes(message["bytes"]) if text is None else self._connection.send_text(text)
            self._transport.write(frame)
        else:
            self._answer(message["type"], message)

    # The short way: lihil.asgi.DirectTransport

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        self._on_message = on_message
        for message in self._inbound.drain():
            on_message(message["text"] if message.get("text") is not None else message["bytes"])
        self._regulate()

    def send_now(self, payload: str | bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError
        connection = self._connection
        self._transport.write(connection.send_text(payload) if type(payload) is str else connection.send_bytes(payload))
        return self._writable is None

    def write_prepared(self, frame: bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError
        if self._writable is not None:
            return False
        self._transport.write(frame)
        return True

    async def drained(self) -> None:
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def _answer(self, kind: str, message: Message) -> None:
        """Everything the app sends but messages."""
        match kind, self._phase:
            case (asgi.WS_ACCEPT, Phase.WAITING):
                self._accept(message)
            case (asgi.WS_CLOSE, Phase.WAITING):
                self._log("403")
                self._refuse(403, [], b"")
            case (asgi.WS_CLOSE, Phase.OPEN):
                self._begin_close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason") or "")
            case (asgi.WS_DENIAL_START, Phase.WAITING):
                self._denial = [message["status"], list(message.get("headers", ())), []]
                self._phase = Phase.DENYING
            case (asgi.WS_DENIAL_BODY, Phase.DENYING):
                self._deny(message)
            case (_, Phase.OVER):
                raise PeerGoneError("the WebSocket is closed")
            case _:
                raise RuntimeError(f"the ASGI message {kind!r} is out of order: the server is {self._phase.value}")

    # Frames

    def _take(self, data: bytes) -> None:
        """Read frames until the app is behind by HIGH_BYTES; the rest waits and is not even inflated."""
        inbound, on_message = self._inbound, self._on_message
        for event in self._connection.receive(data, HIGH_BYTES - inbound.size):
            kind = type(event)
            if on_message is not None and (kind is str or kind is bytes):
                self._hand_over(on_message, cast("str | bytes", event))
            elif kind is str:
                inbound.put({"type": WS_RECEIVE, "text": event}, len(cast(str, event)))
            elif kind is bytes:
                inbound.put({"type": WS_RECEIVE, "bytes": event}, len(cast(bytes, event)))
            else:
                self._control(event)
        output = self._connection.take_output()
        if output:
            self._transport.write(output)
        if inbound.size >= HIGH_BYTES or output or self._writable is not None:
            self._regulate()

    def _hand_over(self, on_message: Callable[[str | bytes], None], payload: str | bytes) -> None:
        if not self._is_open:
            return
        try:
            on_message(payload)
        except Exception as exc:
            logger.error("Exception in a WebSocket listener\n", exc_info=exc)
            if self._is_open:
                self._begin_close(CloseCode.INTERNAL_ERROR, "Internal Server Error")

    def _control(self, event: Event) -> None:
        if isinstance(event, Pong):
            if self._awaits_pong:
                self._keep_alive()
        elif isinstance(event, Close | Failure):
            self._end(event.code, event.reason)
            output = self._connection.take_output()
            if output:
                self._transport.write(output)
            self._transport.close()

    def _begin_close(self, code: int, reason: str) -> None:
        """The closing handshake from our side; the peer has CLOSE_TIMEOUT_S for its part."""
        self._transport.write(self._connection.close(code, reason))
        self._end(code, reason)
        self._set_timer(self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort))
        self._regulate()

    def _end(self, code: int, reason: str) -> None:
        """The app can send no more, and is told so behind the messages that still wait."""
        self._phase = Phase.OVER
        self._is_open = False
        self._inbound.end({"type": WS_DISCONNECT, "code": code, "reason": reason})

    def _regulate(self) -> None:
        """Stop reading while the app, or the peer with our pongs, is too far behind; go on when they have caught up."""
        if self._transport.is_closing():
            return
        backlog = max(self._inbound.size + len(self._early), self._transport.get_write_buffer_size())
        if self._phase is Phase.OVER:
            backlog = 0  # nobody waits for the app any more; the peer's close has to be found
        if self._is_reading and backlog >= HIGH_BYTES:
            self._is_reading = False
            self._transport.pause_reading()
        elif not self._is_reading and backlog <= LOW_BYTES:
            self._is_reading = True
            self._transport.resume_reading()
            if self._connection is not None and self._connection.has_buffered:
                self._take(b"")

    # Time

    def _keep_alive(self) -> None:
        """A ping each interval; a peer that did not answer the last one in time has gone without saying so."""
        self._awaits_pong = False
        interval = self._config.ws_ping_interval
        if interval:
            self._set_timer(self._loop.call_later(interval, self._ping))

    def _ping(self) -> None:
        if self._phase is not Phase.OPEN:
            return
        self._awaits_pong = True
        self._transport.write(self._connection.ping())
        timeout = self._config.ws_ping_timeout
        if timeout:
            self._set_timer(self._loop.call_later(timeout, self._check_pong))
        else:
            self._keep_alive()

    def _check_pong(self) -> None:
        if self._phase is Phase.OPEN:
            self._begin_close(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
            self._transport.close()

    def _set_timer(self, timer: TimerHandle | None) -> None:
        """One timer a connection: keep-alive while it is open, then the close's or the stop's deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _log(self, outcome: str) -> None:
        if logger.isEnabledFor(logging.INFO):
            client = self._scope["client"]
            peer = f"{client[0]}:{client[1]}" if client else "-"
            path = ascii(self._scope["raw_path"].decode("latin-1"))[1:-1]
            query = self._scope["query_string"]
            shown = f"{path}?{ascii(query.decode('latin-1'))[1:-1]}" if query else path
            logger.info('%s - "WebSocket %s" %s', peer, shown, outcome)


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()
