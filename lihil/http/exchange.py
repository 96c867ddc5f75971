"""One request and its response, as far as they have come."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request

from lihil.asgi import (
    HTTP_DISCONNECT,
    HTTP_RESPONSE_BODY,
    HTTP_RESPONSE_START,
    Message,
    RawHeaders,
    Receive,
    Scope,
    Send,
)
from lihil.errors import HTTPException

T = TypeVar("T")

# What is read of a body that nobody asks for, while its response is streamed. A server's messages are 64 KiB or less.
READ_AHEAD_MESSAGES: Final = 8


class Exchange(Request):
    """What a handler gets as `Request`; it knows as well how far the response has come.

    `has_started`: the response's head was sent, so nothing else can be answered any more. `is_complete`: so was its
    end. `is_gone`: the client left before that.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.has_started: bool = False
        self.is_complete: bool = False
        self.is_gone: bool = False

    @property
    def _receive(self) -> Receive:
        """What starlette's Request receives by. Kept as an attribute it would be a cycle, for the garbage collector."""
        return self._next_message

    @_receive.setter
    def _receive(self, receive: Receive) -> None:
        self._source = receive

    async def _next_message(self) -> Message:
        message = await self._source()
        self.is_gone = self.is_gone or (message["type"] == HTTP_DISCONNECT and not self.is_complete)
        return message

    async def send(self, message: Message) -> None:
        """Send one ASGI message; of a response to HEAD no content. Raises ClientDisconnect when the client has gone."""
        if self.is_gone:
            raise ClientDisconnect
        if message["type"] == HTTP_RESPONSE_START:
            self.has_started = True
        elif message["type"] == HTTP_RESPONSE_BODY:
            self.is_complete = not message.get("more_body", False)
            if self.method == "HEAD":
                message = {**message, "body": b""}
        try:
            await self._send(message)
        except OSError:  # ASGI, HTTP spec 2.4: the client has gone
            self.is_gone = True
            raise ClientDisconnect from None

    async def respond(self, status: int, headers: RawHeaders, body: bytes) -> None:
        """Send a whole response. Raises ClientDisconnect when the client has gone."""
        if self.is_gone:
            raise ClientDisconnect
        self.has_started = True
        try:
            await self._send({"type": HTTP_RESPONSE_START, "status": status, "headers": headers})
            self.is_complete = True
            await self._send({"type": HTTP_RESPONSE_BODY, "body": b"" if self.method == "HEAD" else body})
        except OSError:  # as in send
            self.is_gone = True
            raise ClientDisconnect from None

    async def read(self, max_bytes: int) -> bytes:
        """The whole body, kept for `request.body()`. Raises HTTPException 413 and ClientDisconnect."""
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise _too_large(max_bytes)
        pieces: list[bytes] = []
        size = 0
        async with aclosing(self.stream()) as stream:
            async for piece in stream:
                pieces.append(piece)
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
        self._body = b"".join(pieces)
        return self._body

    async def while_connected(self, work: Awaitable[T]) -> T:
        """Await `work`; when the client leaves it is cancelled, once, and ClientDisconnect is raised."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - ASGI servers run every request in a task
        cancels_before, was_told = task.cancelling(), False

        def on_disconnect() -> None:
            nonlocal was_told
            if not self.is_complete:  # a server also says so when the response is done
                self.is_gone = was_told = True
                task.cancel()

        ahead = _ReadAhead(self._source, on_disconnect)
        self._source = ahead.next
        try:
            return await work
        except asyncio.CancelledError:
            if not was_told or task.cancelling() > cancels_before + 1:
                raise
            raise ClientDisconnect from None
        finally:
            ahead.stop()
            if was_told:  # also where the work has swallowed it: timeouts in resources count what is left
                task.uncancel()


class _ReadAhead:
    """The client's messages, read while nobody asks for them, because its leaving is one of them."""

    def __init__(self, receive: Receive, on_disconnect: Callable[[], None]) -> None:
        self._receive = receive
        self._on_disconnect = on_disconnect
        self._room = asyncio.Semaphore(READ_AHEAD_MESSAGES)
        self._messages: asyncio.Queue[Message | Exception] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    async def next(self) -> Message:
        """The next message; after a disconnect that one again. An error of `receive` comes through."""
        message = await self._messages.get()
        self._room.release()
        if isinstance(message, Exception):
            raise message
        if message["type"] == HTTP_DISCONNECT:
            self._messages.put_nowait(message)
        return message

    def stop(self) -> None:
        """Read no more."""
        self._reader.cancel()

    async def _read(self) -> None:
        kind = ""
        while kind != HTTP_DISCONNECT:
            await self._room.acquire()
            try:
                message = await self._receive()
            except Exception as exc:
                self._messages.put_nowait(exc)
                return
            self._messages.put_nowait(message)
            kind = message["type"]
        self._on_disconnect()


def _too_large(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"the body has more than {max_bytes} bytes")
