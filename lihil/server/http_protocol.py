"""The HTTP side of the server: uvicorn's own protocol, with a bound on a request's head and a shorter way to WebSocket.

A request head has at most 64 KiB and 5 seconds; uvicorn with httptools sets neither, so that one endless header line
stalls every connection, and a half-open one lives for ever. `uvicorn.run(app, http=HTTPProtocol)` takes it.
"""

import sys
from asyncio import TimerHandle, Transport
from typing import Final

from httptools import HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lihil.rfc6455.head import MAX_HEAD_BYTES, Head
from lihil.server.ws_protocol import WebSocketProtocol

HEAD_TIMEOUT_S: Final = 5.0
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class HTTPProtocol(HttpToolsProtocol):
    """One connection's HTTP. Everything but the head's limits and the upgrade is uvicorn's."""

    _head_bytes = 0
    _head_timer: TimerHandle | None = None
    _read = b""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self._ends_head(data):
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        self._read = data
        super().data_received(data)
        self._read = b""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._have_head()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Give the parsed head to our WebSocket protocol, with the bytes behind it; stock writes it out to parse it again.

        uvicorn calls this while it handles httptools' HttpParserUpgrade, whose argument says where the head ended.
        """
        upgrade = sys.exc_info()[1]
        kind = self.ws_protocol_class
        if not (
            isinstance(upgrade, HttpParserUpgrade) and isinstance(kind, type) and issubclass(kind, WebSocketProtocol)
        ):
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = kind(config=self.config, server_state=self.server_state, app_state=self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        minor = 0 if self.parser.get_http_version() == "1.0" else 1
        head = Head(tuple(self.headers), minor, method=self.parser.get_method(), target=self.url)
        protocol.handle_upgrade(head, self._read[upgrade.args[0] :])

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_bytes = 0
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._give_up)

    def _have_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _ends_head(self, data: bytes) -> bool:
        """Whether the head's end lies in this read: then the bytes above the limit may be a body's."""
        return b"\r\n\r\n" in data[: max(0, MAX_HEAD_BYTES - self._head_bytes + len(data))]
