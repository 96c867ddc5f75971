"""`Broadcaster`: one message to many WebSockets."""

import asyncio
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from typing import Any

from lihil.params.codec import encode_json
from lihil.realtime.outbox import Counts, Limits, Outbox, Prepared, WhenFull
from lihil.websocket.connection import WebSocket


@dataclass(frozen=True, slots=True)
class BroadcastStatistics:
    """A room at one moment. `sent` counts deliveries to transports; `dropped` and `closed` are the slow sockets' toll."""

    members: int
    queued_messages: int
    queued_bytes: int
    sent: int
    dropped: int
    closed: int


class Broadcaster:
    """A set of WebSockets that get the same messages.

    A message is encoded and framed once, and the same bytes go to every transport. A socket that does not keep up has
    a bounded queue of its own and never slows the others; `when_full` says what happens at its bound.
    """

    def __init__(
        self,
        *,
        max_messages: int = 256,
        max_bytes: int = 1_048_576,
        when_full: WhenFull = WhenFull.CLOSE,
        key: Callable[[Any], Hashable] | None = None,
    ) -> None:
        if when_full is WhenFull.LATEST and key is None:
            raise ValueError("WhenFull.LATEST needs key=, a function from a message to what it is the latest of")
        self._limits = Limits(max_messages, max_bytes, when_full)
        self._key = key
        self._counts = Counts()
        self._outboxes: dict[WebSocket, Outbox] = {}

    def __len__(self) -> int:
        return len(self._outboxes)

    def __contains__(self, ws: object) -> bool:
        return ws in self._outboxes

    def add(self, ws: WebSocket) -> None:
        """Let an accepted WebSocket take part; adding it twice changes nothing."""
        if ws not in self._outboxes:
            self._outboxes[ws] = Outbox(ws, self._limits, self._counts, lambda: self.discard(ws))

    def discard(self, ws: WebSocket) -> None:
        """Leave a WebSocket out from now on; what waits for it is forgotten."""
        outbox = self._outboxes.pop(ws, None)
        if outbox is not None:
            outbox.stop()

    async def send(self, message: Any, *, exclude: Collection[WebSocket] = ()) -> None:
        """Send to every member: `str` as text, `bytes` as binary, anything else as JSON text.

        Comes back when every member has it in its transport or its queue. Raises TypeError for what JSON has no form for.
        """
        payload = message if isinstance(message, str | bytes) else encode_json(message).decode()
        prepared = Prepared.of(payload, self._key(message) if self._key is not None else None)
        for ws, outbox in tuple(self._outboxes.items()):
            if ws not in exclude:
                outbox.offer(prepared)
        await asyncio.sleep(0)  # transports write when the loop turns: a tight loop of sends must not starve them

    def statistics(self) -> BroadcastStatistics:
        """How the room is doing."""
        boxes = self._outboxes.values()
        return BroadcastStatistics(
            members=len(boxes),
            queued_messages=sum(box.queued for box in boxes),
            queued_bytes=sum(box.queued_bytes for box in boxes),
            sent=self._counts.sent,
            dropped=self._counts.dropped,
            closed=self._counts.closed,
        )
