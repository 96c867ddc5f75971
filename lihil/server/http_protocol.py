"""The HTTP side of the server: uvicorn's own protocol, with a bound on a request's head and a shorter way to WebSocket.

A request head has at most 64 KiB and 5 seconds; uvicorn with httptools sets neither, so that one endless header line
stalls every connection, and a half-open one lives for ever. `uvicorn.run(app, http=HTTPProtocol)` takes it.
"""

import sys
from asyncio import BaseProtocol, Protocol, TimerHandle, Transport
from typing import Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lihil.rfc6455.head import MAX_HEAD_BYTES, Head
from lihil.server.ws_protocol import WebSocketProtocol

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HTTPProtocol(HttpToolsProtocol):
    """One connection's HTTP. Everything but the head's limits, the upgrade and the end of a stop is uvicorn's."""

    head_timeout_s: float = 5.0
    shutdown_timeout_s: float = WebSocketProtocol.shutdown_timeout_s
    patience_s: float = 0.1  # for the request that a connection was made for, when the server stops in between

    _head_bytes = 0
    _head_timer: TimerHandle | None = None  # there while a head is awaited or read
    _is_between = True  # the last message has ended, and the next has not begun
    _is_leaving = False  # the server stops: one more answer at most
    _read = b""

    # What the transport and the server call

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_between:
            self._await_head()
        if self._head_timer is None:
            self._feed(data)
            return
        room = MAX_HEAD_BYTES - self._head_bytes
        self._head_bytes += len(data)
        self._feed(data[:room])
        if len(data) <= room or self.transport.is_closing():
            return
        if self._head_timer is not None and self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        else:  # the rest is a body, another request, or frames
            cast(Protocol, self.transport.get_protocol()).data_received(data[room:])

    def shutdown(self) -> None:
        """End once the response under way is sent, or the request on its way is answered.

        A peer that does not take it is not waited for.
        """
        self._is_leaving = True
        if self.cycle is None or (self.cycle.response_complete and not self._is_between):
            self.loop.call_later(self.patience_s, self._leave)
        else:
            self._leave()

    def _leave(self) -> None:
        if self.transport.get_protocol() is not self:
            return  # upgraded since: that protocol has its own way to say goodbye
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(self.shutdown_timeout_s, self.transport.abort)

    # What the parser calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_between = False
        self._await_head()

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()
        if self._is_leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Give the parsed head to our WebSocket protocol, with the bytes behind it; stock makes it parse a new one.

        uvicorn calls this while it handles httptools' HttpParserUpgrade, whose argument says where the head ended.
        """
        upgrade = sys.exc_info()[1]
        kind = self.ws_protocol_class
        if self._is_answering:  # pipelined: two answers would run into each other
            self.transport.abort()
            return
        if upgrade is None or kind is None or not issubclass(kind, WebSocketProtocol):
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = kind(config=self.config, server_state=self.server_state, app_state=self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(cast(BaseProtocol, protocol))
        minor = 0 if self.parser.get_http_version() == "1.0" else 1
        head = Head(tuple(self.headers), minor, method=self.parser.get_method(), target=self.url)
        protocol.handle_upgrade(head, self._read[upgrade.args[0] :])

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _feed(self, data: bytes) -> None:
        self._read = data
        super().data_received(data)
        self._read = b""

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _have_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_answering:
            self._await_head()  # reading may have been stopped until the answer is out
        else:
            self.transport.close()
