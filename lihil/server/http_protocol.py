"""The HTTP side of the server: uvicorn's protocol with our own request cycle, bounds, and a shorter way to WebSocket.

A request head has at most 64 KiB and 5 seconds; uvicorn with httptools sets neither, so that one endless header line
stalls every connection, and a half-open one lives for ever. `uvicorn.run(app, http=HTTPProtocol)` takes it.
"""

import asyncio
import contextvars
import sys
from asyncio import BaseProtocol, Protocol, Transport
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl, service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from lihil.asgi import HTTP, ASGIApp, Scope
from lihil.rfc6455.head import MAX_HEAD_BYTES, Head
from lihil.server.cycle import Cycle
from lihil.server.deadline import Deadline
from lihil.server.scope import Ends
from lihil.server.ws_protocol import WebSocketProtocol

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FORWARDED: Final = (b"x-forwarded-proto", b"x-forwarded-for")


class HTTPProtocol(HttpToolsProtocol):
    """One connection's HTTP. The parser, its errors, the connection's start and its end are uvicorn's."""

    head_timeout_s: float = 5.0
    shutdown_timeout_s: float = WebSocketProtocol.shutdown_timeout_s
    patience_s: float = 0.1  # for the request that a connection was made for, when the server stops in between

    # uvicorn's own, said again because it leaves their types to be guessed.
    cycle: Cycle | None  # type: ignore[assignment]
    flow: FlowControl
    headers: list[tuple[bytes, bytes]]
    scope: Any
    server: tuple[str, int | None] | None
    client: tuple[str, int] | None
    scheme: Any
    expect_100_continue: bool

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # What uvicorn wraps around an app for proxies looks at two fields only; a request without them goes past it.
        proxied = self.app
        self._plain_app: ASGIApp = cast(Any, proxied.app if type(proxied) is ProxyHeadersMiddleware else proxied)
        self._running: Cycle | None = None  # the request that the app works on, or has answered
        self._deadline = Deadline(self.loop, self._give_up)
        self._head_bytes = 0
        self._is_between = True  # the last message has ended, and the next has not begun
        self._is_in_head = True  # a head is awaited or read
        self._is_forwarded = False
        self._is_leaving = False  # the server stops: one more answer at most
        self._is_upgrade = False  # to a WebSocket, and there is a protocol for it
        self._read = b""
        self._ends: Ends

    # What the transport and the server call

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self._ends = ends = Ends.of(transport)
        self.server, self.client, self.scheme = ends.server, ends.client, "https" if ends.is_tls else "http"
        self._deadline.set(self.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.clear()
        self._deadline.stop_timer()
        if self._running is not None:  # of requests that came together, the first one that is not answered
            self._running.disconnect()
        self.cycle = self._running = None
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_between:
            self._begin_head()
        if not self._is_in_head:
            self._feed(data)
            return
        room = MAX_HEAD_BYTES - self._head_bytes
        self._head_bytes += len(data)
        self._feed(data if len(data) <= room else data[:room])
        if self.transport.is_closing():
            return
        if self._is_in_head and not self._deadline.is_set:
            self._deadline.set(self.head_timeout_s)
        if len(data) <= room:
            return
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
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

    def abort(self) -> None:
        """End at once, whatever is under way."""
        self.transport.abort()

    def _leave(self) -> None:
        if self.transport.get_protocol() is not self:
            return  # upgraded since: that protocol has its own way to say goodbye
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(self.shutdown_timeout_s, self.transport.abort)

    # What the parser calls

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = self._is_forwarded = self._is_between = False
        self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        elif name in _FORWARDED:
            self._is_forwarded = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._deadline.clear()
        self._is_upgrade = self.parser.should_upgrade() and super()._should_upgrade()
        if self._is_upgrade:
            return
        scope = self._make_scope()
        cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.server_state.default_headers,
            self.on_response_complete,
            keep_alive=not self._is_leaving and scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            awaits_continue=self.expect_100_continue,
            logs_access=self.access_log,
        )
        app = self._chosen_app()
        if self._is_answering:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))  # type: ignore[arg-type]
        else:
            self._start_asgi_task(cycle, app)
        self.cycle = cycle

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if self._is_upgrade or cycle is None or cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.wake()

    def on_message_complete(self) -> None:
        self._is_between = True
        cycle = self.cycle
        if self._is_upgrade or cycle is None or cycle.response_complete:
            return
        cycle.more_body = False
        cycle.wake()

    # The way of a request

    def _make_scope(self) -> Scope:
        """The connection scope (ASGI, HTTP spec_version 2.3). What it raises is answered with 400."""
        url, root = self.url, self.root_path
        if url.startswith(b"/") and b"#" not in url:
            raw_path, _, query = url.partition(b"?")
        else:
            parsed = httptools.parse_url(url)
            raw_path, query = parsed.path, parsed.query or b""
        path = raw_path.decode("ascii")
        return {
            "type": HTTP,
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": self.parser.get_http_version(),
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": root,
            "headers": self.headers,
            "state": self.app_state.copy(),
            "method": self.parser.get_method().decode("ascii"),
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + raw_path,
            "query_string": query,
        }

    @property
    def _own_app(self) -> ASGIApp:
        return cast(ASGIApp, self.app) if self._is_forwarded else self._plain_app

    def _chosen_app(self) -> ASGIApp:
        limit = self.limit_concurrency
        if limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit):
            self.logger.warning("refused a request: %d connections are as many as limit_concurrency allows", limit)
            return cast(ASGIApp, service_unavailable)
        return self._own_app

    def _start_asgi_task(self, cycle: Cycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._running = cycle
        context = contextvars.Context() if self.config.reset_contextvars else None
        cycle.task = task = self.loop.create_task(cycle.run(app, self.tasks), context=context)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)  # type: ignore[arg-type]
        elif not self._is_in_head:
            self._deadline.set(self.timeout_keep_alive)

    # The way to a WebSocket

    def _should_upgrade(self) -> bool:
        return self._is_upgrade

    def handle_websocket_upgrade(self) -> None:
        """Give the parsed head to our WebSocket protocol, with the bytes behind it; stock makes it parse a new one.

        uvicorn calls this while it handles httptools' HttpParserUpgrade, whose argument says where the head ended.
        """
        upgrade = sys.exc_info()[1]
        kind = self.ws_protocol_class
        if self._is_answering:  # pipelined: two answers would run into each other
            self.transport.abort()
            return
        self._deadline.stop_timer()
        if upgrade is None or kind is None or not issubclass(kind, WebSocketProtocol):
            self.scope = {"method": self.parser.get_method().decode("ascii"), "headers": self.headers}
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = kind(config=self.config, server_state=self.server_state, app_state=self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(cast(BaseProtocol, protocol))
        minor = 0 if self.parser.get_http_version() == "1.0" else 1
        head = Head(tuple(self.headers), minor, method=self.parser.get_method(), target=self.url)
        protocol.handle_upgrade(head, self._read[upgrade.args[0] :], ends=self._ends, app=self._own_app)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _feed(self, data: bytes) -> None:
        self._read = data
        super().data_received(data)
        self._read = b""

    def _begin_head(self) -> None:
        if not self._is_in_head:
            self._is_in_head = True
            self._head_bytes = 0
            self._deadline.clear()  # it was that of an idle connection; a head that comes whole needs none

    def _give_up(self) -> None:
        if self._is_answering:
            self._deadline.set(self.head_timeout_s)  # reading may have been stopped until the answer is out
        else:
            self.transport.close()
