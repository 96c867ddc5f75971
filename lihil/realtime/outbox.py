"""What waits for one socket that is slower than the room: bounded, with a rule for when the bound is reached."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from lihil.asgi import DirectTransport
from lihil.errors import WebSocketDisconnect, WebSocketStateError
from lihil.rfc6455.frames import BINARY, FIN, TEXT, encode_frame
from lihil.websocket.connection import WebSocket

logger: logging.Logger = logging.getLogger("lihil.realtime")

TRY_AGAIN_LATER: Final = 1013


class WhenFull(Enum):
    """What happens to a socket whose queue is full."""

    CLOSE = "close"  # it is closed with 1013 (try again later): it may come back and catch up
    DROP_NEWEST = "drop newest"
    DROP_OLDEST = "drop oldest"
    LATEST = "latest"  # only the newest message of each key waits; when the keys alone are too many, as CLOSE


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a socket may fall behind before its rule applies; one message may wait however large it is."""

    max_messages: int = 256
    max_bytes: int = 1_048_576
    when_full: WhenFull = WhenFull.CLOSE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message encoded once and framed once for all sockets of a server (RFC 6455: servers do not mask)."""

    payload: str | bytes
    frame: bytes
    key: Hashable  # what it is the latest of, or its number

    @classmethod
    def of(cls, payload: str | bytes, key: Hashable) -> "Prepared":
        """Raises UnicodeEncodeError for a lone surrogate."""
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

    __slots__ = (
        "_bytes",
        "_counts",
        "_direct",
        "_leave",
        "_limits",
        "_queue",
        "has_overflowed",
        "is_given_up",
        "taken",
        "task",
        "ws",
    )

    def __init__(self, ws: WebSocket, limits: Limits, counts: Counts, leave: Callable[[WebSocket], None]) -> None:
        self.ws: WebSocket = ws
        self._limits = limits
        self._counts = counts
        self._leave = leave
        self._direct: DirectTransport | None = ws.direct
        self._queue: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._bytes = 0
        self.task: asyncio.Task[None] | None = None  # sends what waits; over when nothing does
        self.taken: int = 0  # messages that have waited
        self.has_overflowed: bool = False  # the socket has to be closed
        self.is_given_up: bool = False  # nobody waits for it until it has caught up

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """The size of the messages that wait, as frames."""
        return self._bytes

    @property
    def is_behind(self) -> bool:
        """Whether the socket is so far behind that its sender should wait for it: half of what may be queued is."""
        limits = self._limits
        is_half_full = len(self._queue) * 2 > limits.max_messages or self._bytes * 2 > limits.max_bytes
        return is_half_full and not self.is_given_up and limits.when_full is WhenFull.CLOSE

    def offer(self, message: Prepared) -> bool:
        """Send a message, at once or when the socket has caught up; whether nothing is left to do. Never raises."""
        if self.task is None and self._direct is not None:
            try:
                if self._direct.write_prepared(message.frame):
                    self._counts.sent += 1
                    return True
            except OSError:
                self._leave(self.ws)
                return True
        if self._limits.when_full is WhenFull.LATEST and message.key in self._queue:
            self._drop(message.key)
        if not self._is_full(message) or self._make_room(message):
            self._queue[message.key] = message
            self._bytes += len(message.frame)
            if self.task is None:
                self.task = asyncio.get_running_loop().create_task(self._send_queued())
        return False

    def stop(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self._bytes = 0
        if self.task is not None:
            self.task.cancel()

    def _is_full(self, message: Prepared) -> bool:
        queue, limits = self._queue, self._limits
        return bool(queue) and (
            len(queue) >= limits.max_messages or self._bytes + len(message.frame) > limits.max_bytes
        )

    def _make_room(self, message: Prepared) -> bool:
        """Apply the rule for a full queue; whether `message` may be queued then."""
        if self._limits.when_full is WhenFull.DROP_OLDEST:
            while self._is_full(message):
                self._drop(next(iter(self._queue)))
            return True
        if self._limits.when_full is WhenFull.DROP_NEWEST:
            self._counts.dropped += 1
        else:
            self.has_overflowed = True
        return False

    def _drop(self, key: Hashable) -> None:
        self._bytes -= len(self._queue.pop(key).frame)
        self._counts.dropped += 1

    async def _send_queued(self) -> None:
        """Send what waits, in order, as fast as the socket takes it."""
        try:
            while self._queue:
                await (self._send_first() if self._direct is None else self._write_first(self._direct))
        except (WebSocketDisconnect, WebSocketStateError, OSError):
            self._leave(self.ws)
        except Exception as exc:  # what another server raises for a closed socket is not said anywhere
            logger.warning("a WebSocket leaves its room: it cannot be sent to", exc_info=exc)
            self._leave(self.ws)
        finally:
            self.task = None
            self.is_given_up = False

    async def _write_first(self, direct: DirectTransport) -> None:
        if direct.write_prepared(next(iter(self._queue.values())).frame):
            self._take_first()
        else:
            await direct.drained()

    async def _send_first(self) -> None:
        message = self._take_first()
        if isinstance(message.payload, str):
            await self.ws.send_text(message.payload)
        else:
            await self.ws.send_bytes(message.payload)

    def _take_first(self) -> Prepared:
        _, message = self._queue.popitem(last=False)
        self._bytes -= len(message.frame)
        self._counts.sent += 1
        self.taken += 1
        return message
