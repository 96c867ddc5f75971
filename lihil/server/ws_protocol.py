"""The WebSocket side of the server: an asyncio protocol over `lihil.rfc6455`, for uvicorn's public `ws=` setting.

`uvicorn.run(app, ws="lihil.server.ws_protocol:WebSocketProtocol")`, or `--ws` on uvicorn's command line; `lihil run`
uses it always. The ASGI contract is the standard one, so an app does not notice, except that it is faster.

Three classes stand on each other, one for each concern, so that a message pays for no call between them: `Flow` takes
messages in and out and bounds them in bytes, `Closing` ends the connection, and the one here opens it and speaks ASGI.
"""

import asyncio
import logging
from functools import partial
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

import lihil.asgi as asgi
from lihil.asgi import DIRECT, WS_CLOSE, WS_CONNECT, WS_DENIAL, WS_RECEIVE, WS_SEND, Message, Scope
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.connection import Close
from lihil.rfc6455.handshake import HandshakeError, Offer, read_offer
from lihil.rfc6455.head import Head, HeadError, find_head, parse_request
from lihil.server.closing import Closing
from lihil.server.corked import CorkedTransport
from lihil.server.denial import Denial, Fields
from lihil.server.flow import PeerGoneError, Phase
from lihil.server.opening import accept
from lihil.server.scope import Ends, access_names, make_scope

logger: logging.Logger = logging.getLogger("uvicorn.error")


class WebSocketProtocol(Closing):
    """One TCP connection that asks for, or speaks, WebSocket. Made by uvicorn's HTTP protocol on an upgrade request."""

    # What open connections are told when the server stops; `lihil.server.serve.Server` says otherwise for a reload.
    shutdown_close: Close = Close(CloseCode.GOING_AWAY, "the server is stopping")

    # Header fields of every answer to a handshake, beside the server's and the app's own.
    fields: Fields = ()

    # How long, in seconds, a peer may hold up a stop of the server.
    shutdown_timeout_s: float = 0.5

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop(), config)
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._offer: Offer = cast(Offer, None)
        self._scope: Scope = {}
        self._denial: Denial = cast(Denial, None)
        self._has_told_connect = False

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        super().connection_lost(exc)

    # What the server calls

    def shutdown(self) -> None:
        """Tell the peer that the server stops, and do not wait for one that does not read."""
        if self._phase is Phase.OPEN:
            self._begin_close(*self.shutdown_close)
        elif self._phase in {Phase.HEAD, Phase.WAITING}:
            self._refuse(503, [], b"the server is stopping")
        self._set_deadline(self.shutdown_timeout_s)

    def abort(self) -> None:
        """End at once, whatever is under way."""
        self._transport.abort()

    # The opening handshake

    def _read_early(self, data: bytes) -> None:
        if self._phase is Phase.HEAD:
            self._read_head(data)
        elif self._phase is not Phase.OVER:
            self._early += data
            self._regulate()

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
        answer, self._connection = accept(self._offer, message, self._config, self._defaults)
        # What the app sends in the same turn of the loop goes out with the answer.
        self._transport = CorkedTransport(self._transport, self._loop, partial(setattr, self, "_transport"))
        self._transport.write(answer)
        self._phase = Phase.OPEN
        self._is_accepted = self._is_open = True
        self._log("[accepted]")
        self._keep_alive.begin()
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

    def _log(self, outcome: str) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info('%s - "WebSocket %s" %s', *access_names(self._scope), outcome)
