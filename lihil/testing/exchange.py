"""One HTTP request and its response in memory: the server's side as uvicorn plays it, and the client's end."""

import asyncio
from collections import deque
from collections.abc import Iterator

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
from lihil.testing.call import AppCall, Wait
from lihil.testing.scope import headers_of

# Pieces of a body that may wait for the client before the app's `send` has to: a real one has its socket buffers.
BUFFERED_MAX = 64


class Exchange:
    """A call of an HTTP app. `receive` and `send` are the app's; the rest is the client's. All runs on one loop.

    A `body` in pieces is read in a thread, one piece each time the app asks for more. Once `start` has returned,
    `status` is the response's, or None when the app ended without one.
    """

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes | Iterator[bytes]) -> None:
        title = f"{scope['method']} {scope['path']}"
        self.call: AppCall = AppCall(app, scope, title=title, state="no response yet")
        self.status: int | None = None
        self.headers: RawHeaders = ()
        self.is_complete: bool = False
        self.body_error: BaseException | None = None
        self._has_body = scope["method"] != "HEAD"
        self._body = body
        self._piece: asyncio.Future[bytes | None] | None = None
        self._is_sent = False
        self._is_gone = False
        self._pieces: deque[bytes] = deque()

    # The app's side.

    async def receive(self) -> Message:
        """The next piece of the request; `http.disconnect` when it has been read and the response or client is gone."""
        message = await self._next_message()
        self.call.note("the app got", message)
        return message

    async def _next_message(self) -> Message:
        if not self._is_sent and not self._is_gone:
            return await self._read_body()
        await self.call.when(lambda: self.is_complete or self._is_gone)
        await asyncio.sleep(0)  # or an app that never heeds it would starve the loop
        return {"type": HTTP_DISCONNECT}

    async def _read_body(self) -> Message:
        if isinstance(self._body, bytes):
            self._is_sent = True
            return {"type": HTTP_REQUEST, "body": self._body, "more_body": False}
        # Shielded and kept, so that a receive that is cancelled loses no piece, as on a server.
        self._piece = self._piece or asyncio.ensure_future(asyncio.to_thread(next, self._body, None))
        try:
            piece = await asyncio.shield(self._piece)
        except Exception as exc:
            self.body_error = exc
            self._hang_up()
            return {"type": HTTP_DISCONNECT}
        self._piece = None
        self._is_sent = piece is None
        return {"type": HTTP_REQUEST, "body": piece or b"", "more_body": not self._is_sent}

    async def send(self, message: Message) -> None:
        """Take a message from the app; without effect when the client has gone, as on uvicorn.

        Raises RuntimeError where the message is not allowed.
        """
        if self._is_gone:
            await asyncio.sleep(0)
            return
        expected = HTTP_RESPONSE_START if self.status is None else HTTP_RESPONSE_BODY
        if self.is_complete or message["type"] != expected:
            wanted = "nothing more: the response is complete" if self.is_complete else repr(expected)
            raise RuntimeError(f"the app sent the ASGI message {message['type']!r}; allowed there: {wanted}")
        self.call.note("the app sent", message)
        if expected == HTTP_RESPONSE_START:
            self._start(message)
        else:
            self._extend(message)
        self.call.changed()
        await self.call.when(lambda: len(self._pieces) <= BUFFERED_MAX or self._is_gone)

    def _start(self, message: Message) -> None:
        self.headers = headers_of(message)
        self.status = int(message["status"])
        self.call.state = f"response {self.status} begun"

    def _extend(self, message: Message) -> None:
        piece = bytes(message.get("body", b""))
        if piece and self._has_body:
            self._pieces.append(piece)
        self.is_complete = not message.get("more_body", False)
        if self.is_complete:
            self.call.state = f"response {self.status} complete"

    # The client's side.

    async def start(self, wait: Wait) -> None:
        """Call the app and wait for the head of its response."""
        self.call.start(self.receive, self.send)
        await self.call.until(lambda: self.status is not None or self._has_stopped(), wait)

    async def next_piece(self, wait: Wait) -> bytes | None:
        """The next piece of the body; None when the app has ended, its background tasks included."""
        await self.call.until(lambda: bool(self._pieces) or self.is_complete or self._has_stopped(), wait)
        if self._pieces:
            piece = self._pieces.popleft()
            self.call.changed()
            return piece
        ended = Wait("the app to end after its response (background tasks?)", wait.timeout_s)
        await self.call.until(lambda: not self.call.is_running, ended)
        return None

    async def leave(self, grace_s: float) -> None:
        """Go away, wherever the response is, and let the app end; AppTimeout when even a cancel does not help."""
        self._hang_up()
        await self.call.stop(grace_s)

    def unobserved_failure(self) -> BaseException | None:
        """What the app raised and no one was told.

        What a framework reports and answers with a status below 500 is no failure of the app.
        """
        if not self.call.has_raised and self.status is not None and self.status < 500:
            return None
        return self.call.unobserved(has_left=self._is_gone or self.is_complete)

    def _has_stopped(self) -> bool:
        return not self.call.is_running or self.body_error is not None

    def _hang_up(self) -> None:
        self._is_gone = True
        self._pieces.clear()
        self.call.changed()
