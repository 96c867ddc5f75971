"""The transport between an HTTP client and an ASGI app in the same process."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout
from lihil.testing.exchange import Exchange
from lihil.testing.host import ABORT_GRACE_S, Host
from lihil.testing.library import httpx
from lihil.testing.loop import LoopThread
from lihil.testing.scope import RequestHead, http_scope

__tracebackhide__ = True  # pytest shows the line of the test instead

# A request's extension: the client reads the whole body at once, so an endless one is a mistake to report.
READ_WHOLE = "lihil.read_whole"


def head_of(request: httpx.Request) -> RequestHead:
    """What a server would read of `request` before its body; header names in lower case."""
    return RequestHead(
        method=request.method,
        scheme=request.url.scheme,
        host=request.url.host,
        port=request.url.port,
        target=request.url.raw_path,
        headers=[(name.lower(), value) for name, value in request.headers.raw],
    )


class AppTransport(httpx.BaseTransport):
    """Answers each request by one call of the host's app."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The app's response, once its head is there. Raises what the app raised, or AppTimeout."""
        stream = ResponseStream(self._host, request)
        try:
            return stream.open()
        except BaseException:
            stream.abort()
            raise

    def close(self) -> None:
        """Abort every response that is still open."""
        self._host.abort_all()


class ResponseStream(httpx.SyncByteStream):
    """The body of one response, and what keeps it coming; `close` leaves, and the app gets `http.disconnect`."""

    def __init__(self, host: Host, request: httpx.Request) -> None:
        stream = cast(httpx.SyncByteStream, request.stream)  # the client has refused an async one
        body = b"".join(stream) if isinstance(stream, httpx.ByteStream) else iter(stream)
        self._host = host
        self._request = request
        self._exchange = Exchange(host.app, http_scope(head_of(request), host), body)
        self._timeout_s: float = request.extensions.get("timeout", {}).get("read") or host.timeout_s
        self._size_bytes = 0
        self._loop: LoopThread | None = host.borrow(self.abort)

    def open(self) -> httpx.Response:
        """The response with this stream as its body."""
        exchange = self._exchange
        wait = Wait("the app to start its response", self._timeout_s)
        self._bound_loop().run(exchange.start(wait), wait)
        self._deadline = time.monotonic() + self._timeout_s
        if exchange.status is not None:
            return httpx.Response(exchange.status, headers=list(exchange.headers), stream=self)
        self._raise_failure()
        if self._host.raise_server_exceptions:
            raise RuntimeError(f"the app returned without a response to {self._request.method} {self._request.url}")
        self.abort()
        headers = {"content-type": "text/plain; charset=utf-8", "connection": "close"}
        return httpx.Response(500, headers=headers, stream=httpx.ByteStream(b"Internal Server Error"))

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the body, as the app sends them. At the end, raises what the app raised."""
        while True:
            wait = self._next_wait()
            piece = self._bound_loop().run(self._exchange.next_piece(wait), wait)
            if piece is None:
                break
            self._size_bytes += len(piece)
            yield piece
        self._raise_failure()
        if not self._exchange.is_complete:
            # A server can only cut the connection here: the status has been sent.
            raise httpx.RemoteProtocolError(
                "the app ended before its response was complete", request=self._request
            ) from self._exchange.call.failure

    def close(self) -> None:
        """Leave, wait for the app to end, and raise what it raised unless that was shown before."""
        self._leave(self._host.timeout_s)
        self._raise_failure()

    def abort(self) -> None:
        """Leave without a word about how the app took it."""
        with suppress(AppTimeout):
            self._leave(min(self._host.timeout_s, ABORT_GRACE_S))

    def _leave(self, grace_s: float) -> None:
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        self._host.give_back(self.abort, loop, self._exchange.leave(grace_s), grace_s)

    def _bound_loop(self) -> LoopThread:
        if self._loop is None:
            raise httpx.StreamClosed()
        return self._loop

    def _next_wait(self) -> Wait:
        if not self._request.extensions.get(READ_WHOLE):
            return Wait("more of the response's body", self._timeout_s)
        what = (
            f"the end of the response's body, {self._size_bytes} bytes so far; "
            "read an endless one in parts, with client.stream(...)"
        )
        left_s = max(self._deadline - time.monotonic(), 0.0)
        return Wait(what, self._timeout_s, left_s=left_s)

    def _raise_failure(self) -> None:
        exchange = self._exchange
        if exchange.body_error is not None:
            error, exchange.body_error = exchange.body_error, None
            raise error
        failure = exchange.unobserved_failure() if self._host.raise_server_exceptions else None
        if failure is not None:
            raise failure
