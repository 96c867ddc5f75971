"""Notices that a client has gone although its handler does not receive.

A server tells an app about a disconnect only through `receive`. A handler that pushes, or sleeps, would never hear of
it. So one timer an app looks at the open connections; for one that has not received for a whole tick it reads ahead,
and cancels the handler when the disconnect comes. A handler that receives costs nothing: no task, no queue, no timer.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from lihil.asgi import WS_DISCONNECT, Message, Receive

TICK_S: Final = 0.25

# How much is read for a handler that does not read by itself; beyond it the client feels back-pressure again, and its
# leaving is noticed when the handler next receives or sends.
MAX_MESSAGES: Final = 32
MAX_BYTES: Final = 65_536


class Watched(Protocol):
    """What the watch needs of a connection."""

    receiving: bool
    receives: int

    @property
    def is_read_ahead(self) -> bool: ...
    def read_ahead(self, on_disconnect: Callable[[], None]) -> None: ...


class ReadAhead:
    """A short queue in front of `receive`, filled while nobody asks."""

    def __init__(self, receive: Receive, on_disconnect: Callable[[Message], None]) -> None:
        self._receive = receive
        self._on_disconnect = on_disconnect
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._is_wanted = False
        self._reading: asyncio.Task[Message] | None = None
        self._read()

    @property
    def is_empty(self) -> bool:
        """Whether the next message can be received directly again."""
        return not self._messages and self._reading is None

    async def next(self) -> Message:
        """The next message; an error of `receive` comes through."""
        self._is_wanted = True
        try:
            while not self._messages:
                reading = self._reading or self._read()
                await asyncio.wait([reading])
                if not self._messages:
                    reading.result()
        finally:
            self._is_wanted = False
        message = self._messages.popleft()
        self._bytes -= _size(message)
        return message

    def stop(self) -> None:
        """Give up the read that is under way."""
        if self._reading is not None:
            self._reading.cancel()

    def _read(self) -> asyncio.Task[Message]:
        self._reading = asyncio.ensure_future(self._receive_one())
        self._reading.add_done_callback(self._have_read)
        return self._reading

    async def _receive_one(self) -> Message:
        return await self._receive()

    def _have_read(self, reading: asyncio.Task[Message]) -> None:
        self._reading = None
        if reading.cancelled() or reading.exception() is not None:
            return
        message = reading.result()
        self._messages.append(message)
        self._bytes += _size(message)
        if self._is_wanted:
            return
        if message["type"] == WS_DISCONNECT:
            self._on_disconnect(message)
        elif len(self._messages) < MAX_MESSAGES and self._bytes < MAX_BYTES:
            self._read()


class DisconnectWatch:
    """The timer over the connections of one app whose handlers are running."""

    def __init__(self) -> None:
        self._seen: dict[Watched, tuple[int, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Watched, on_disconnect: Callable[[], None]) -> None:
        """Watch a connection; `on_disconnect` is called at most once, and only while its handler does not receive."""
        self._seen[connection] = (-1, on_disconnect)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def discard(self, connection: Watched) -> None:
        """Stop watching."""
        self._seen.pop(connection, None)
        if not self._seen and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        for connection, (receives, on_disconnect) in self._seen.items():
            if connection.receiving or connection.is_read_ahead:
                continue
            if connection.receives == receives:
                connection.read_ahead(on_disconnect)
            else:
                self._seen[connection] = (connection.receives, on_disconnect)
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or b"")
