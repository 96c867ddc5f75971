"""Notices that a client has gone although its handler does not receive.

A server tells an app about a disconnect only through `receive`. A handler that pushes, or sleeps, would never hear of
it. So a timer looks at the open connections; for one that has not received for a whole tick it reads ahead, and cancels
the handler when the disconnect comes. A handler that receives costs nothing: no task, no queue, no timer of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from lihil.asgi import WS_DISCONNECT, Message, Receive

# How much is read for a handler that does not read by itself; beyond it the client feels back-pressure again, and its
# leaving is noticed when the handler next receives or sends.
MAX_MESSAGES: Final = 32
MAX_BYTES: Final = 65_536


class Watched(Protocol):
    """What the watch needs of a connection."""

    receiving: int
    receives: int

    def read_ahead(self, on_disconnect: Callable[[], None]) -> None: ...


class ReadAhead:
    """A short queue in front of `receive`, filled while nobody asks.

    `on_disconnect` is told when the peer has gone. A handler that `is_read` says reads its messages gets those that
    were sent before first.
    """

    def __init__(self, receive: Receive, on_disconnect: Callable[[Message], None], *, is_read: bool) -> None:
        self._receive = receive
        self._on_disconnect = on_disconnect
        self._is_read = is_read
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._wanted = 0
        self._reading: asyncio.Task[Message] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the next message can be received directly again."""
        return not self._messages and self._reading is None

    def resume(self) -> None:
        """Read on while there is room; tell of a disconnect that nothing unread stands before."""
        if self._reading is not None:
            return
        last = self._messages[-1] if self._messages else None
        if last is not None and last["type"] == WS_DISCONNECT:
            if len(self._messages) == 1 or not self._is_read:
                self._on_disconnect(last)
        elif len(self._messages) < MAX_MESSAGES and self._bytes < MAX_BYTES:
            self._read()

    async def next(self) -> Message:
        """The next message; an error of `receive` comes through."""
        self._is_read = True
        self._wanted += 1
        try:
            while not self._messages:
                reading = self._reading or self._read()
                await asyncio.wait([reading])
                if not self._messages:
                    reading.result()
        finally:
            self._wanted -= 1
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
        if not self._wanted:
            self.resume()


class DisconnectWatch:
    """The timers over the connections whose handlers are running, one for each event loop that has any."""

    tick_s: float = 0.25  # how often it looks, in seconds

    def __init__(self) -> None:
        self._rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rounds] = WeakKeyDictionary()

    def add(self, connection: Watched, on_disconnect: Callable[[], None]) -> Callable[[], None]:
        """Watch a connection of the running loop; gives back what ends it.

        `on_disconnect` is called at most once, and only while the handler does not receive.
        """
        loop = asyncio.get_running_loop()
        rounds = self._rounds.get(loop)
        if rounds is None:
            rounds = self._rounds[loop] = _Rounds(self.tick_s)
        return rounds.add(connection, on_disconnect)


class _Rounds:
    """One timer and the connections it looks at; it ends by itself once there are none."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._seen: dict[Watched, tuple[int, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Watched, on_disconnect: Callable[[], None]) -> Callable[[], None]:
        self._seen[connection] = (-1, on_disconnect)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
        return lambda: self._discard(connection)

    def _discard(self, connection: Watched) -> None:
        del self._seen[connection]

    def _tick(self) -> None:
        if not self._seen:
            self._timer = None
            return
        for connection, (receives, on_disconnect) in self._seen.items():
            if connection.receiving:
                continue
            if connection.receives == receives:
                connection.read_ahead(on_disconnect)
            else:
                self._seen[connection] = (connection.receives, on_disconnect)
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or b"")
