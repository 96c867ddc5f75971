"""The messages a client has sent and the app has not taken yet, counted in bytes."""

import asyncio
from collections import deque
from typing import Final

from lihil.asgi import Message

HIGH_BYTES: Final = 262_144
"""From here on nothing is read or inflated any more."""

LOW_BYTES: Final = 65_536
"""From here down reading goes on."""

OVERHEAD_BYTES: Final = 256
"""What a message costs besides its payload, so that a flood of empty ones is bounded as well."""


class Inbound:
    """A queue for one reader, the app. Once `end` was called and the queue is empty, it gets the last message for ever."""

    __slots__ = ("_last", "_loop", "_messages", "_waiting", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.size = 0  # bytes
        self._loop = loop
        self._messages: deque[tuple[Message, int]] = deque()
        self._waiting: asyncio.Future[Message] | None = None
        self._last: Message | None = None

    @property
    def has_ended(self) -> bool:
        return self._last is not None

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

    def drain(self) -> list[Message]:
        """Every message that waits, taken at once."""
        taken = [message for message, _ in self._messages]
        self._messages.clear()
        self.size = 0
        return taken

    async def get(self) -> Message:
        """The next message, at once when one waits."""
        if self._messages:
            message, size = self._messages.popleft()
            self.size -= size
            return message
        if self._last is not None:
            return self._last
        waiting = self._waiting = self._loop.create_future()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():  # handed over, and cancelled before it was looked at
                self._messages.appendleft((waiting.result(), OVERHEAD_BYTES))
                self.size += OVERHEAD_BYTES
            raise
        finally:
            self._waiting = None
