"""The WebSocket side of the server: an asyncio protocol over `lihil.rfc6455`, for uvicorn's public `ws=` setting.

`uvicorn.run(app, ws="lihil.server.ws_protocol:WebSocketProtocol")`, or `--ws` on uvicorn's command line; `lihil run`
uses it always. The ASGI contract is the standard one, so an app does not notice, except that it is faster.

    data_received ─▶ Connection.receive ─▶ Inbound ─▶ receive() of the app
    send() of the app ─▶ Connection.send_* ─▶ transport

Both directions are bounded in bytes: reading stops while the app is behind, `send` waits while the peer is.
"""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

import lihil.asgi as asgi
from lihil.asgi import DIRECT, WS_CLOSE, WS_CONNECT, WS_DENIAL, WS_DISCONNECT, WS_RECEIVE, WS_SEND, Message, Scope
from lihil.rfc6455 import deflate as permessage_deflate
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.connection import Close, Connection, Event, Failure, Pong, Role
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.handshake import HandshakeError, Offer, encode_accept, read_offer
from lihil.rfc6455.head import Head, HeadError, find_head, parse_request
from lihil.server.corked import CorkedTransport
from lihil.server.denial import Denial, Fields
from lihil.server.inbound import HIGH_BYTES, LOW_BYTES, Inbound
from lihil.server.scope import Ends, access_names, make_scope

logger: logging.Logger = logging.getLogger("uvicorn.error")

# 12 bits are a window of 4 KiB: enough for messages, and a fraction of the memory of the largest.
DEFLATE: Final = DeflateOptions(server_max_window_bits=12, client_max_window_bits=12)


class PeerGoneError(OSError):
    """The peer has gone: what `send` raises then (ASGI, WebSocket spec_version 2.4)."""


class Phase(Enum):
    """Where a connection stands, seen from the app."""

    HEAD = "reading the handshake"
    WAITING = "waiting for the app's answer to the handshake"
    DENYING = "sending a denial response"
    OPEN = "open"
    OVER = "closed"  # to the app; the closing handshake may still be under way


class WebSocketProtocol(asyncio.Protocol):
    """One TCP connection that asks for, or speaks, WebSocket. Made by uvicorn's HTTP protocol on an upgrade request."""

    # What open connections are told when the server stops; `lihil.server.serve.Server` says otherwise for a reload.
    shutdown_close: Close = Close(CloseCode.GOING_AWAY, "the server is stopping")

    # Header fields of every answer to a handshake, beside the server's and the app's own.
    fields: Fields = ()

    # How long, in seconds: the peer may take to answer our close and to read what came before (RFC 6455, section
    # 7.1.1); it may hold up a stop of the server; an app that does not receive may still send behind the peer's close.
    close_timeout_s: float = 10.0
    shutdown_timeout_s: float = 0.5
    answer_timeout_s: float = 1.0

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
        self._is_accepted = False
        self._is_open = False  # the phase as the one question that every message asks
        self._is_lost = False
        self._early = b""  # the head as far as it has come, then frames that came before our answer
        self._offer: Offer = cast(Offer, None)
        self._scope: Scope = {}
        self._connection: Connection = cast(Connection, None)
        self._denial: Denial = cast(Denial, None)
        self._inbound = Inbound(self._loop)
        self._writable: asyncio.Event | None = None  # there while the peer is behind
        self._is_reading = True
        self._is_behind = False  # something is left to do once the app asks for more
        self._timer: TimerHandle | None = None
        self._answer_timer: TimerHandle | None = None
        self._awaits_pong = False
        self._has_told_connect = False
        self._on_message: Callable[[str | bytes], None] | None = None
        self._deliver: Callable[[str | bytes], None] = self._inbound.put
        # The queue's own calls, as long as nothing is left to do when the app asks: a frame less, twice a message.
        self.arrival: Callable[[], Awaitable[object] | None] = self._inbound.arrival
        self.take: Callable[[], str | bytes | Message] = self._inbound.take

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if not self._is_accepted:
            self._read_early(data)
            return
        message = None if self._is_behind else self._connection.whole_message(data)
        if message is None:
            self._take(data)
        else:
            self._deliver(message)
        if self._inbound.size >= HIGH_BYTES or self._writable is not None or self._connection.has_buffered:
            self._settle()

    def _read_early(self, data: bytes) -> None:
        if self._phase is Phase.HEAD:
            self._read_head(data)
        elif self._phase is not Phase.OVER:
            self._early += data
            self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        self._is_lost = True
        self._deliver = self._inbound.put  # lets go of the listener, and of itself
        self._set_timer(None)
        self._stop_answer_timer()
        self._leave()
        if not self._has_buffered or self._inbound.is_awaited:
            self._go_on()  # else once the app has taken what was read before

    def pause_writing(self) -> None:
        if self._phase is not Phase.OVER:
            self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        self._wake_senders()
        if self._inbound.is_awaited:
            self._go_on()
        self._regulate()

    # What the server calls

    def shutdown(self) -> None:
        """Tell the peer that the server stops, and do not wait for one that does not read."""
        if self._phase is Phase.OPEN:
            self._begin_close(*self.shutdown_close)
        elif self._phase in {Phase.HEAD, Phase.WAITING}:
            self._refuse(503, [], b"the server is stopping")
        self._set_timer(self._loop.call_later(self.shutdown_timeout_s, self._transport.abort))

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

    def handle_upgrade(
        self, head: Head, early: bytes = b"", *, ends: Ends | None = None, app: asgi.ASGIApp | None = None
    ) -> None:
        """Hand the handshake to the app, or refuse it; `early` are bytes that came behind the head.

        `ends` and `app` are there where somebody knows them already.
        """
        self._early += early
        try:
            self._offer = read_offer(head)
        except HandshakeError as exc:
            self._refuse(exc.status, exc.fields, exc.reason.encode())
            return
        self._phase = Phase.WAITING
        extensions = {WS_DENIAL: {}, DIRECT: self}
        ends = ends or Ends.of(self._transport)
        self._scope = make_scope(head, self._offer, ends, self._config, state=self._app_state, extensions=extensions)
        task = self._loop.create_task(self._run_app(app or self._config.loaded_app))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    async def _run_app(self, app: asgi.ASGIApp) -> None:
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._app_is_done(CloseCode.INTERNAL_ERROR)
            raise
        except BaseException as exc:
            # A peer that has gone is no news; that of another connection is, as every exception nobody caught.
            if not isinstance(exc, PeerGoneError) or self._phase is not Phase.OVER:
                logger.error("the app failed on %r", self._scope["path"], exc_info=exc)
            self._app_is_done(CloseCode.INTERNAL_ERROR)
            if not isinstance(exc, Exception):
                raise
        else:
            if self._phase is Phase.WAITING or self._phase is Phase.DENYING:
                logger.error("the ASGI app returned without answering the handshake")
            self._app_is_done(CloseCode.NORMAL_CLOSURE)

    def _app_is_done(self, code: int) -> None:
        """Answer what the app left unanswered, close what it left open."""
        if self._phase is Phase.OPEN:
            self._begin_close(code, "")
        elif self._phase is Phase.DENYING and self._denial.is_begun:
            self._transport.abort()  # the one way to say that the body is not complete
        elif self._phase is not Phase.OVER:
            self._refuse(500, [], b"Internal Server Error")

    def _accept(self, message: Message) -> None:
        options, extension = None, None
        if self._config.ws_per_message_deflate:
            options, extension = permessage_deflate.agree(self._offer.deflate_offers, DEFLATE) or (None, None)
        fields = [*self._defaults, *(message.get("headers") or ())]
        answer = encode_accept(self._offer, message.get("subprotocol"), extension, fields)
        # What the app sends in the same turn of the loop goes out with the answer.
        self._transport = CorkedTransport(self._transport, self._loop, partial(setattr, self, "_transport"))
        self._transport.write(answer)
        self._connection = Connection(
            Role.SERVER,
            max_message_bytes=self._config.ws_max_size,
            deflate=None if options is None else Deflate(options, is_server=True),
            keeps_end_apart=True,
        )
        self._phase = Phase.OPEN
        self._is_accepted = self._is_open = True
        self._log("[accepted]")
        self._keep_alive()
        if self._early:
            early, self._early = self._early, b""
            self._take(early)
            self._settle()

    def _begin_denial(self, message: Message) -> None:
        status = message["status"]
        self._denial = Denial(status, message.get("headers") or (), self._defaults)
        self._phase = Phase.DENYING
        self._log(str(status))

    def _deny(self, message: Message) -> None:
        is_last = not message.get("more_body", False)
        self._transport.write(self._denial.encode(message.get("body") or b"", is_last=is_last))
        if is_last:
            self._end(CloseCode.ABNORMAL_CLOSURE, "")
            self._hang_up()

    def _refuse(self, status: int, fields: Fields, body: bytes) -> None:
        """Answer the handshake with an HTTP response of our own and hang up."""
        fields = [*fields, (b"content-type", b"text/plain; charset=utf-8")]
        self._denial = Denial(status, fields, self._defaults)
        self._deny({"body": body})

    @property
    def _defaults(self) -> Fields:
        return (*self._server_state.default_headers, *self.fields)

    # What the app calls

    async def receive(self) -> Message:
        """ASGI receive."""
        if not self._has_told_connect:
            self._has_told_connect = True
            return {"type": WS_CONNECT}
        while (arrival := self.arrival()) is not None:
            await arrival
        payload = self._inbound.take()
        if isinstance(payload, str):
            return {"type": WS_RECEIVE, "text": payload}
        return {"type": WS_RECEIVE, "bytes": payload} if isinstance(payload, bytes) else payload

    async def send(self, message: Message) -> None:
        """ASGI send. Raises PeerGoneError when the peer has gone, RuntimeError for a message out of order."""
        kind = message["type"]
        while self._writable is not None and kind != WS_CLOSE:
            await self._writable.wait()
        if self._is_open and kind == WS_SEND:
            text = message.get("text")
            frame = self._connection.send_bytes(message["bytes"]) if text is None else self._connection.send_text(text)
            self._transport.write(frame)
        else:
            self._answer(kind, message)

    def _answer(self, kind: str, message: Message) -> None:
        """Everything the app sends but messages."""
        match kind, self._phase:
            case (asgi.WS_ACCEPT, Phase.WAITING):
                self._accept(message)
            case (asgi.WS_CLOSE, Phase.WAITING):
                self._log("403")
                self._refuse(403, [], b"")
            case (asgi.WS_CLOSE, Phase.OPEN):
                self._begin_close(message.get("code") or CloseCode.NORMAL_CLOSURE, message.get("reason") or "")
            case (asgi.WS_DENIAL_START, Phase.WAITING):
                self._begin_denial(message)
            case (asgi.WS_DENIAL_BODY, Phase.DENYING):
                self._deny(message)
            case (_, Phase.OVER):
                raise PeerGoneError("the WebSocket is closed")
            case _:
                raise RuntimeError(f"the ASGI message {kind!r} is out of order: the server is {self._phase.value}")

    # The short way: lihil.asgi.DirectTransport

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        self._on_message = on_message
        self._deliver = self._hand_over
        for payload in self._inbound.drain():
            self._hand_over(payload)
        self._regulate()

    def send_now(self, payload: str | bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError("the WebSocket is closed")
        connection = self._connection
        self._transport.write(
            connection.send_text(payload) if isinstance(payload, str) else connection.send_bytes(payload)
        )
        return self._writable is None

    def write_prepared(self, frame: bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError("the WebSocket is closed")
        if self._writable is not None:
            return False
        self._transport.write(frame)
        return True

    async def drained(self) -> None:
        if self._writable is not None:
            await self._writable.wait()

    # Frames

    def _take(self, data: bytes) -> None:
        """Read frames until the app is behind by HIGH_BYTES; the rest waits and is not even inflated."""
        room = HIGH_BYTES - self._inbound.size if self._is_open else HIGH_BYTES
        for event in self._connection.receive(data, room):
            if isinstance(event, str | bytes):
                self._deliver(event)
            else:
                self._control(event)

    def _settle(self) -> None:
        """Go on with what was held back as far as somebody waits for it.

        A close, or a broken rule, that came with messages is held back until the app has answered those.
        """
        inbound = self._inbound
        while self._has_buffered and (inbound.has_ended or (inbound.is_awaited and self._writable is None)):
            self._take(b"")
        self._regulate()

    def _hand_over(self, payload: str | bytes) -> None:
        """What is delivered to a listener: one that fails ends the connection."""
        if self._is_open and self._on_message is not None:
            try:
                self._on_message(payload)
            except Exception as exc:
                logger.error("a WebSocket listener failed on %r", self._scope["path"], exc_info=exc)
                if self._is_open:
                    self._begin_close(CloseCode.INTERNAL_ERROR, "")

    def _control(self, event: Event) -> None:
        if isinstance(event, Pong) and self._awaits_pong:
            self._keep_alive()
        output = self._connection.take_output()  # pongs, the answer to a close
        if output and not self._transport.is_closing():
            self._transport.write(output)
            self._regulate()
        if isinstance(event, Close | Failure):
            self._end(event.code, event.reason)
            self._hang_up()

    def _begin_close(self, code: int, reason: str) -> None:
        """The closing handshake from our side; the peer has `close_timeout_s` for its part."""
        self._transport.write(self._connection.close(code, reason))
        self._end(code, reason)
        self._set_timer(self._loop.call_later(self.close_timeout_s, self._transport.abort))
        self._go_on()
        self._regulate()

    def _hang_up(self) -> None:
        """Close once everything is sent; a peer that does not take it is not waited for."""
        self._transport.close()
        if not self._is_lost:
            self._set_timer(self._loop.call_later(self.close_timeout_s, self._transport.abort))

    def _leave(self) -> None:
        """From now on the app can send no more, and nobody waits for a peer any more in order to do so."""
        self._phase = Phase.OVER
        self._is_open = False
        self._wake_senders()

    def _end(self, code: int, reason: str) -> None:
        """The app can send no more, and is told so behind the messages that still wait."""
        self._leave()
        self._inbound.end({"type": WS_DISCONNECT, "code": int(code), "reason": reason})

    def _wake_senders(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # Flow control

    def _arrival_behind(self) -> Awaitable[object] | None:
        """The app asks for more: go on with what was held back for it."""
        if self._inbound.is_empty:
            self._go_on()
        self._regulate()
        return self._inbound.arrival()

    @property
    def _has_buffered(self) -> bool:
        """Whether something was read and held back."""
        return self._is_accepted and self._connection.has_buffered

    def _go_on(self) -> None:
        if self._has_buffered:
            self._take(b"")
            self._settle()
        if self._is_lost and not self._has_buffered:
            self._end(CloseCode.ABNORMAL_CLOSURE, "")

    def _regulate(self) -> None:
        """Stop reading while the app, or the peer with our pongs, is too far behind; go on when they have caught up."""
        if self._transport.is_closing():
            return
        backlog = self._transport.get_write_buffer_size()
        if self._phase is not Phase.OVER:  # after that nobody waits for the app: the peer's close has to be found
            backlog = max(backlog, self._inbound.size + len(self._early))
        if self._is_reading and backlog >= HIGH_BYTES:
            self._is_reading = False
            self._transport.pause_reading()
        elif not self._is_reading and backlog <= LOW_BYTES:
            self._is_reading = True
            self._transport.resume_reading()
        self._is_behind = self._has_buffered or not self._is_reading
        self.arrival = self._arrival_behind if self._is_behind else self._inbound.arrival
        if self._has_buffered and self._is_reading:
            if self._answer_timer is None:
                self._answer_timer = self._loop.call_later(self.answer_timeout_s, self._stop_waiting)
        else:
            self._stop_answer_timer()

    def _stop_waiting(self) -> None:
        """An app that does not ask for more has had its time to answer the messages before the end."""
        self._answer_timer = None
        self._go_on()

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    # Time

    def _keep_alive(self) -> None:
        """A ping each interval; a peer that did not answer the last one in time has gone without saying so."""
        self._awaits_pong = False
        interval = self._config.ws_ping_interval
        if interval:
            self._set_timer(self._loop.call_later(interval, self._ping))

    def _ping(self) -> None:
        self._awaits_pong = True
        self._transport.write(self._connection.ping())
        timeout = self._config.ws_ping_timeout
        if timeout:
            self._set_timer(self._loop.call_later(timeout, self._check_pong))
        else:
            self._keep_alive()

    def _check_pong(self) -> None:
        if self._writable is None and self._inbound.size > LOW_BYTES:
            self._keep_alive()  # the pong may stand behind what the app has not taken: that is not the peer's fault
            return
        self._begin_close(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self._hang_up()

    def _set_timer(self, timer: TimerHandle | None) -> None:
        """One timer a connection: keep-alive while it is open, then the close's or the stop's deadline."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _log(self, outcome: str) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info('%s - "WebSocket %s" %s', *access_names(self._scope), outcome)
