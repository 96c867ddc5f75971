"""How one WebSocket ends: by the app's close, by the peer's, by silence, or because the line is lost."""

from asyncio import AbstractEventLoop, TimerHandle

from uvicorn.config import Config

from lihil.asgi import WS_DISCONNECT
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.connection import Close, Event, Failure, Pong
from lihil.server.flow import Flow, Phase
from lihil.server.inbound import LOW_BYTES
from lihil.server.keepalive import KeepAlive


class Closing(Flow):
    """The closing handshake from either side, and what bounds it in time (RFC 6455, section 7)."""

    # How long, in seconds, the peer may take to answer our close and to read what came before (section 7.1.1).
    close_timeout_s: float = 10.0

    def __init__(self, loop: AbstractEventLoop, config: Config) -> None:
        super().__init__(loop)
        self._keep_alive = KeepAlive(self, loop, config.ws_ping_interval, config.ws_ping_timeout)
        self._deadline: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._set_deadline(None)
        self._stop_answer_timer()
        self._leave()
        if not self._has_buffered or self._inbound.is_awaited:
            self._go_on()  # else once the app has taken what was read before

    def _end_lost(self) -> None:
        self._end(CloseCode.ABNORMAL_CLOSURE, "")

    def _control(self, event: Event) -> None:
        if isinstance(event, Pong):
            self._keep_alive.note_pong()
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
        self._set_deadline(self.close_timeout_s)
        self._go_on()
        self._regulate()

    def _hang_up(self) -> None:
        """Close once everything is sent; a peer that does not take it is not waited for."""
        self._transport.close()
        if not self._is_lost:
            self._set_deadline(self.close_timeout_s)

    def _end(self, code: int, reason: str) -> None:
        """The app can send no more, and is told so behind the messages that still wait."""
        self._leave()
        self._inbound.end({"type": WS_DISCONNECT, "code": int(code), "reason": reason})

    def _leave(self) -> None:
        """From now on the app can send no more, and nobody waits for a peer any more in order to do so."""
        self._phase = Phase.OVER
        self._is_open = False
        self._deliver = self._inbound.put  # lets go of a listener
        self._keep_alive.stop()
        self._wake_senders()

    def _set_deadline(self, seconds: float | None) -> None:
        """Cut the connection off so many seconds from now; None: never."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self._loop.call_later(seconds, self._transport.abort)

    # What the keep-alive asks

    def ping(self) -> None:
        self._transport.write(self._connection.ping())

    def miss_pong(self) -> None:
        """A peer that was silent for too long has gone, without saying so."""
        if self._writable is None and self._inbound.size > LOW_BYTES:
            self._keep_alive.begin()  # the pong may stand behind what the app has not taken: not the peer's fault
            return
        self._begin_close(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        self._hang_up()
