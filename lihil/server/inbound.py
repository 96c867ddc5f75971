"""The messages a client has sent and the app has not taken yet, counted in bytes."""

import asyncio
from collections import deque
from typing import Final

from lihil.asgi import WS_RECEIVE, Message

HIGH_BYTES: Final = 262_144
"""From here on nothing is read or inflated any more."""

LOW_BYTES: Final = 65_536
"""From here down reading goes on."""

OVERHEAD_BYTES: Final = 256
"""What a message costs besides its payload, so that a flood of empty ones is bounded as well."""


class Inbound:
    """A queue for the app. Once `end` was called and the queue is empty, it gives the last message for ever."""

    __slots__ = ("_last", "_loop", "_messages", "_waiting", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.size: int = 0  # bytes
        self._loop = loop
        self._messages: deque[tuple[Message, int]] = deque()
        self._waiting: asyncio.Future[Message] | None = None
        self._last: Message | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing can be put any more."""
        return self._last is not None

    @property
    def is_empty(self) -> bool:
        """Whether the app has taken every message."""
        return not self._messages

    @property
    def is_awaited(self) -> bool:
        """Whether the app waits for the next message."""
        return self._waiting is not None and not self._waiting.done()

    def put(self, message: Message, payload_bytes: int) -> None:
        """Add a message, or hand it to the app that waits; after the end it is dropped, for nobody takes it."""
        if self._last is not None:
            return
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
            return
        size = payload_bytes + OVERHEAD_BYTES
        self._messages.append((message, size))
        self.size += size

    def end(self, message: Message) -> None:
        """Say what the app gets once the queue is empty; the first call counts."""
        if self._last is None:
            self._last = message
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(message)

    def drain(self) -> list[str | bytes]:
        """The payloads of all the peer's messages that wait, taken at once."""
        taken = [_payload(message) for message, _ in self._messages if message["type"] == WS_RECEIVE]
        self._messages.clear()
        self.size = 0
        return taken

    async def get(self) -> Message:
        """The next message, at once when one waits. Several tasks may ask; each message goes to one of them."""
        while not self._messages:
            if self._last is not None:
                return self._last
            if self._waiting is not None:
                await asyncio.wait([self._waiting])
                continue
            waiting: asyncio.Future[Message] = self._loop.create_future()
            self._waiting = waiting
            try:
                return await waiting
            except asyncio.CancelledError:
                self._put_back(waiting)
                raise
            finally:
                self._waiting = None
        message, size = self._messages.popleft()
        self.size -= size
        return message

    def _put_back(self, waiting: asyncio.Future[Message]) -> None:
        """What was handed over to a task that was cancelled before it looked at it is the next message again."""
        if not waiting.cancelled() and (message := waiting.result()) is not self._last:
            size = len(_payload(message)) + OVERHEAD_BYTES
            self._messages.appendleft((message, size))
            self.size += size


def _payload(message: Message) -> str | bytes:
    payload: str | bytes = message["text"] if "text" in message else message.get("bytes", b"")
    return payload
