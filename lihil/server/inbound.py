"""The messages a client has sent and the app has not taken yet, counted in bytes."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from lihil.asgi import Message

HIGH_BYTES: Final = 262_144
"""From here on nothing is read or inflated any more."""

LOW_BYTES: Final = 65_536
"""From here down reading goes on."""

OVERHEAD_BYTES: Final = 256
"""What a message costs besides its payload, so that a flood of empty ones is bounded as well."""


class Inbound:
    """A queue for the app. Once `end` was called and the queue is empty, it gives the last message for ever.

    Several tasks may wait; each message goes to one of them. One that is cancelled takes nothing with it:

        while (arrival := inbound.arrival()) is not None:
            await arrival
        message = inbound.take()

    Two plain calls instead of one coroutine: that would be a frame more for each message.
    """

    __slots__ = ("_last", "_loop", "_messages", "_waiting", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.size: int = 0  # bytes
        self._loop = loop
        # A list: an empty deque takes 760 bytes, a tenth of an idle connection. `size` bounds its length.
        self._messages: list[str | bytes] = []
        self._waiting: asyncio.Future[None] | None = None
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

    def put(self, payload: str | bytes) -> None:
        """Add a message; after the end it is dropped, for nobody takes it."""
        if self._last is not None:
            return
        self._messages.append(payload)
        self.size += len(payload) + OVERHEAD_BYTES
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def end(self, message: Message) -> None:
        """Say what the app gets once the queue is empty; the first call counts."""
        if self._last is None:
            self._last = message
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)

    def drain(self) -> list[str | bytes]:
        """All messages that wait, taken at once."""
        taken, self._messages = self._messages, []
        self.size = 0
        return taken

    def arrival(self) -> Awaitable[object] | None:
        """What to await before asking again; None when there is something to take."""
        if self._messages or self._last is not None:
            return None
        waiting = self._waiting
        if waiting is not None and not waiting.done():
            return asyncio.wait([waiting])  # another task's: its cancellation is not ours
        self._waiting = waiting = self._loop.create_future()
        return waiting

    def take(self) -> str | bytes | Message:
        """The next payload, or the message that says how the connection ended. Raises IndexError when empty."""
        if self._last is not None and not self._messages:
            return self._last
        payload = self._messages.pop(0)
        self.size -= len(payload) + OVERHEAD_BYTES
        return payload
