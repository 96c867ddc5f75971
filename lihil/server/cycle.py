"""One HTTP request on its way through the app, and the response on its way back.

uvicorn's own cycle writes head and body one by one, makes an event for each request, and puts the log line together
before it asks whether anyone reads it. The second write alone, a system call, costs a third of a short answer.
"""

import asyncio
import logging
from asyncio import Event, Transport
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl

from lihil.asgi import (
    HTTP_DISCONNECT,
    HTTP_REQUEST,
    HTTP_RESPONSE_BODY,
    HTTP_RESPONSE_START,
    ASGIApp,
    Message,
    RawHeaders,
    Scope,
)
from lihil.server.response_head import CHUNKED, encode_response_head
from lihil.server.scope import access_names

logger: logging.Logger = logging.getLogger("uvicorn.error")
access_logger: logging.Logger = logging.getLogger("uvicorn.access")

_LARGE_BYTES: Final = 65_536
"""From here on a second write costs less than a copy."""


class Cycle:
    """A request and its response. What the protocol reads goes into `body`, `more_body` and `disconnect`."""

    __slots__ = (
        "_defaults",
        "_flow",
        "_has_news",
        "_head",
        "_is_head",
        "_left",
        "_logs_access",
        "_news",
        "_on_response",
        "_transport",
        "awaits_continue",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "task",
    )

    def __init__(
        self,
        scope: Scope,
        transport: Transport,
        flow: FlowControl,
        defaults: RawHeaders,
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
        awaits_continue: bool,
        logs_access: bool,
    ) -> None:
        self.scope: Scope = scope
        self.task: asyncio.Task[None]  # the one that `run` is called in
        self._transport = transport
        self._flow = flow
        self._defaults = defaults
        self._on_response = on_response
        self.keep_alive: bool = keep_alive
        self.awaits_continue: bool = awaits_continue
        self._logs_access = logs_access
        self._is_head: bool = scope["method"] == "HEAD"
        # The request
        self.body: bytearray = bytearray()
        self.more_body: bool = True
        self.disconnected: bool = False
        self._has_news = False  # something that receive() has not told yet
        self._news: Event | None = None  # there once receive() has had to wait
        # The response
        self.response_started: bool = False
        self.response_complete: bool = False
        self._head = b""  # while it waits for the first part of the body
        self._left = 0  # bytes of the body that are announced and not sent; or CHUNKED

    def wake(self) -> None:
        """Tell a `receive` that waits: there is more of the body, or nothing comes any more."""
        self._has_news = True
        if self._news is not None:
            self._news.set()

    def disconnect(self) -> None:
        """The client has gone."""
        self.disconnected = not self.response_complete
        self.wake()

    async def run(self, app: ASGIApp, tasks: set[asyncio.Task[None]]) -> None:
        """Call the app, answer what it left unanswered, and leave `tasks`.

        A done callback would leave them as well, by one more turn through the loop for each request.
        """
        try:
            result: Any = await app(self.scope, self.receive, self.send)  # type: ignore[func-returns-value]
        except BaseException as exc:
            logger.error("the app failed on %r", self.scope["path"], exc_info=exc)
            await self._fail()
        else:
            if result is not None:
                logger.error("the app gave back %r on %r; an ASGI app gives back nothing", result, self.scope["path"])
                self._transport.close()
            elif not self.response_complete and not self.disconnected:
                how_far = "in the middle of its response" if self.response_started else "without a response"
                logger.error("the app returned %s on %r", how_far, self.scope["path"])
                await self._fail()
        finally:
            self._on_response = _nothing
            tasks.discard(self.task)

    async def _fail(self) -> None:
        """A 500 while nothing is on the wire; after that the end of the connection says that something is missing."""
        if self.response_started and not self._head:
            self._transport.close()
            return
        self.response_started, self._head = False, b""
        body = b"Internal Server Error"
        fields = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self.send({"type": HTTP_RESPONSE_START, "status": 500, "headers": fields})
        await self.send({"type": HTTP_RESPONSE_BODY, "body": body})

    async def receive(self) -> Message:
        """ASGI receive."""
        if self.awaits_continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.awaits_continue = False
        if not self.disconnected and not self.response_complete:
            self._flow.resume_reading()
            if not self._has_news:
                if self._news is None:
                    self._news = Event()
                await self._news.wait()
                self._news.clear()
            self._has_news = False
        if self.disconnected or self.response_complete:
            return {"type": HTTP_DISCONNECT}
        message: Message = {"type": HTTP_REQUEST, "body": bytes(self.body), "more_body": self.more_body}
        self.body = bytearray()
        return message

    async def send(self, message: Message) -> None:
        """ASGI send; of a connection that has gone it takes everything. Raises RuntimeError for what is out of order.

        The head of a response waits for the first part of its body (ASGI, "Response Start"), so both are one write. Of
        a response without a length it does not: a browser's event source is open once it has the head.
        """
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if not self.response_started:
            if kind != HTTP_RESPONSE_START:
                raise RuntimeError(f"a response begins with {HTTP_RESPONSE_START!r}, not with {kind!r}")
            self._begin(message)
        elif self.response_complete:
            raise RuntimeError(f"{kind!r} comes after the end of the response")
        elif kind != HTTP_RESPONSE_BODY:
            raise RuntimeError(f"a response that has begun goes on with {HTTP_RESPONSE_BODY!r}, not with {kind!r}")
        else:
            self._go_on(message.get("body", b""), is_last=not message.get("more_body", False))

    def _begin(self, message: Message) -> None:
        status = message["status"]
        head, self._left, self.keep_alive = encode_response_head(
            status, self._defaults, message.get("headers", ()), is_head=self._is_head, keeps_alive=self.keep_alive
        )
        self.response_started = True
        self.awaits_continue = False
        if self._logs_access:
            self._log(status)
        if self._left == CHUNKED and not self._is_head:
            self._transport.write(head)
        else:
            self._head = head

    def _go_on(self, body: bytes, *, is_last: bool) -> None:
        if self._is_head:
            body, self._left = b"", 0
        if self._left == CHUNKED:
            self._transport.write(_chunk(body, is_last=is_last))
        else:
            self._write(body)
        if is_last:
            self._finish()

    def _write(self, body: bytes) -> None:
        """The next part of a body whose length was announced."""
        if len(body) > self._left:
            raise RuntimeError(f"the body is longer than its content-length by {len(body) - self._left} bytes")
        self._left -= len(body)
        head, self._head = self._head, b""
        if head and len(body) < _LARGE_BYTES:
            body = head + body
        elif head:
            self._transport.write(head)
        self._transport.write(body)

    def _finish(self) -> None:
        if self._left > 0:
            raise RuntimeError(f"the body is shorter than its content-length by {self._left} bytes")
        self.response_complete = True
        self.wake()
        if not self.keep_alive:
            self._transport.close()
        self._on_response()

    def _log(self, status: int) -> None:
        if access_logger.isEnabledFor(logging.INFO):
            client, target = access_names(self.scope)
            version = self.scope["http_version"]
            access_logger.info('%s - "%s %s HTTP/%s" %d', client, self.scope["method"], target, version, status)


def _chunk(body: bytes, *, is_last: bool) -> bytes:
    """A part of a body in chunks (RFC 9112, section 7.1)."""
    data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return data + b"0\r\n\r\n" if is_last else data


def _nothing() -> None:
    pass
