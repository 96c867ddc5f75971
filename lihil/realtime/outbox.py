"""What waits for one socket that is slower than the room: bounded, with a rule for when the bound is reached."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from lihil.asgi import DIRECT, DirectTransport
from lihil.errors import WebSocketDisconnect
from lihil.rfc6455.frames import BINARY, FIN, TEXT, encode_frame
from lihil.websocket.connection import WebSocket

TRY_AGAIN_LATER: Final = 1013


class WhenFull(Enum):
    """What happens to a socket whose queue is full."""

    CLOSE = "close"  # it is closed with 1013 (try again later): it may come back and catch up
    DROP_NEWEST = "drop newest"
    DROP_OLDEST = "drop oldest"
    LATEST = "latest"  # only the newest message of each key waits; when the keys alone are too many, as CLOSE


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a socket may fall behind before its rule applies."""

    max_messages: int = 256
    max_bytes: int = 1_048_576
    when_full: WhenFull = WhenFull.CLOSE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message encoded once and framed once for all sockets of a server (RFC 6455: servers do not mask)."""

    payload: str | bytes
    frame: bytes
    key: Hashable = None

    @classmethod
    def of(cls, payload: str | bytes, key: Hashable = None) -> "Prepared":
        if isinstance(payload, str):
            return cls(payload, encode_frame(FIN | TEXT, payload.encode()), key)
        return cls(payload, encode_frame(FIN | BINARY, payload), key)


@dataclass(slots=True)
class Counts:
    """What happened in a room so far."""

    sent: int = 0
    dropped: int = 0
    closed: int = 0


class Outbox:
    """One socket's place in a room. While it keeps up, messages go straight to its transport and nothing is queued."""

    __slots__ = ("_bytes", "_counts", "_direct", "_flushing", "_leave", "_limits", "_queue", "_ws")

    def __init__(self, ws: WebSocket, limits: Limits, counts: Counts, leave: Callable[[], None]) -> None:
        self._ws = ws
        self._limits = limits
        self._counts = counts
        self._leave = leave
        self._direct: DirectTransport | None = (ws.scope.get("extensions") or {}).get(DIRECT)
        self._queue: deque[Prepared] = deque()
        self._bytes = 0
        self._flushing: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """The size of the messages that wait, as frames."""
        return self._bytes

    def offer(self, message: Prepared) -> None:
        """Send a message, now or when the socket has caught up. Never waits."""
        if self._direct is not None and not self._queue:
            try:
                if self._direct.write_prepared(message.frame):
                    self._counts.sent += 1
                    return
            except OSError:
                self._leave()
                return
        if self._make_room(message):
            self._queue.append(message)
            self._bytes += len(message.frame)
            if self._flushing is None:
                self._flushing = asyncio.ensure_future(self._flush())

    def stop(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self._bytes = 0
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def _make_room(self, message: Prepared) -> bool:
        """Apply the rule when the queue is full; whether `message` may be queued."""
        rule = self._limits.when_full
        if rule is WhenFull.LATEST:
            self._forget(message.key)
        if not self._is_full(message):
            return True
        if rule is WhenFull.DROP_NEWEST:
            self._counts.dropped += 1
            return False
        if rule is WhenFull.DROP_OLDEST:
            while self._queue and self._is_full(message):
                self._drop(self._queue.popleft())
            return True
        self._counts.closed += 1
        self._leave()
        asyncio.ensure_future(self._ws.close(TRY_AGAIN_LATER, "too slow for this room"))
        return False

    def _is_full(self, message: Prepared) -> bool:
        limits = self._limits
        return len(self._queue) >= limits.max_messages or self._bytes + len(message.frame) > limits.max_bytes

    def _forget(self, key: Hashable) -> None:
        for waiting in self._queue:
            if waiting.key == key:
                self._queue.remove(waiting)
                self._drop(waiting)
                return

    def _drop(self, message: Prepared) -> None:
        self._bytes -= len(message.frame)
        self._counts.dropped += 1

    async def _flush(self) -> None:
        """Send what waits, in order, as fast as the socket takes it."""
        try:
            while self._queue:
                await self._send_one()
        except (WebSocketDisconnect, OSError):
            self._leave()
        finally:
            self._flushing = None

    async def _send_one(self) -> None:
        message = self._queue[0]
        if self._direct is None:
            self._take(message)
            send = self._ws.send_text if isinstance(message.payload, str) else self._ws.send_bytes
            await send(message.payload)  # type: ignore[arg-type]
        elif self._direct.write_prepared(message.frame):
            self._take(message)
        else:
            await self._direct.drained()

    def _take(self, message: Prepared) -> None:
        if self._queue and self._queue[0] is message:
            self._queue.popleft()
            self._bytes -= len(message.frame)
            self._counts.sent += 1
