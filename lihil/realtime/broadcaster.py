"""`Broadcaster`: one message to many WebSockets."""

import asyncio
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from lihil.errors import WebSocketStateError
from lihil.params.codec import encode_json
from lihil.realtime.outbox import TRY_AGAIN_LATER, Counts, Limits, Outbox, Prepared, WhenFull
from lihil.websocket.connection import WebSocket
from lihil.websocket.link import Phase

_FEW: Final = 64  # members, below which nobody looks for closed ones


@dataclass(frozen=True, slots=True)
class BroadcastStatistics:
    """A room at one moment: `sent` counts deliveries to transports, `dropped` and `closed` what slow sockets cost."""

    members: int
    queued_messages: int
    queued_bytes: int
    sent: int
    dropped: int
    closed: int


class Broadcaster:
    """A set of WebSockets that get the same messages, in the order in which they were sent.

    A message is encoded and framed once, and the same bytes go to every transport. A socket that does not keep up has
    a bounded queue of its own; `when_full` says what happens at its bound. Closed sockets leave by themselves.
    Everything is called in one event loop, from as many tasks as you like.
    """

    # A sender that outruns everybody waits for sockets whose queues are half full, under WhenFull.CLOSE. For how long,
    # in seconds: one that takes nothing any more, and one that is merely slow. Then nobody waits for it until it has
    # caught up, so that a socket which never reads holds up the others once, and by this.
    stall_s: float = 0.2
    patience_s: float = 1.0

    def __init__(
        self,
        *,
        max_messages: int = 256,
        max_bytes: int = 1_048_576,
        when_full: WhenFull = WhenFull.CLOSE,
        key: Callable[[Any], Hashable] | None = None,
    ) -> None:
        if (when_full is WhenFull.LATEST) is (key is None):
            raise ValueError("WhenFull.LATEST and key= belong together: a function from a message to what it is about")
        self._limits = Limits(max_messages, max_bytes, when_full)
        self._key = key or _numbers()
        self._counts = Counts()
        self._outboxes: dict[WebSocket, Outbox] = {}
        self._many = _FEW
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        self._forget_closed()
        return len(self._outboxes)

    def __contains__(self, ws: object) -> bool:
        return ws in self._outboxes

    def add(self, ws: WebSocket) -> None:
        """Let an accepted WebSocket take part; adding it twice, or after its end, changes nothing.

        Raises WebSocketStateError before `await ws.accept()`.
        """
        if ws.phase is Phase.CONNECTING:
            raise WebSocketStateError("a WebSocket takes part once it is open; call `await ws.accept()` first")
        if ws in self._outboxes or ws.phase is not Phase.OPEN:
            return
        if len(self._outboxes) >= self._many:
            self._forget_closed()
            self._many = max(_FEW, 2 * len(self._outboxes))
        self._outboxes[ws] = Outbox(ws, self._limits, self._counts, self.discard)

    def discard(self, ws: WebSocket) -> None:
        """Leave a WebSocket out from now on; what waits for it is forgotten."""
        outbox = self._outboxes.pop(ws, None)
        if outbox is not None:
            outbox.stop()

    async def send(self, message: Any, *, exclude: Collection[WebSocket] = ()) -> None:
        """Send to every member: `str` as text, `bytes` as binary, anything else as JSON text.

        Comes back when every member has it in its transport or its queue, and most of a queue is free again; no
        member's error comes out of it. Raises TypeError or NotImplementedError for what JSON has no form for,
        ValueError for a lone surrogate.
        """
        behind = []
        prepared = Prepared.of(_payload(message), self._key(message))
        hash(prepared.key)
        for outbox in tuple(self._outboxes.values()):
            if outbox.ws not in exclude and not outbox.offer(prepared):
                if outbox.has_overflowed:
                    self._turn_out(outbox.ws)
                elif outbox.is_behind:
                    behind.append(outbox)
        await asyncio.sleep(0)  # transports write when the loop turns: a tight loop of sends must not starve them
        if behind:
            await self._wait_for(behind)

    def statistics(self) -> BroadcastStatistics:
        """How the room is doing."""
        self._forget_closed()
        boxes = self._outboxes.values()
        return BroadcastStatistics(
            members=len(boxes),
            queued_messages=sum(box.queued for box in boxes),
            queued_bytes=sum(box.queued_bytes for box in boxes),
            sent=self._counts.sent,
            dropped=self._counts.dropped,
            closed=self._counts.closed,
        )

    async def _wait_for(self, behind: list[Outbox]) -> None:
        """Wait until these have caught up, or are given up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.patience_s
        while tasks := [box.task for box in behind if box.task is not None and not box.is_given_up]:
            taken = [box.taken for box in behind]
            await asyncio.wait(tasks, timeout=self.stall_s)
            is_late = loop.time() >= deadline
            for box, before in zip(behind, taken, strict=True):
                box.is_given_up = box.task is not None and (box.is_given_up or is_late or box.taken == before)

    def _turn_out(self, ws: WebSocket) -> None:
        self._counts.closed += 1
        self.discard(ws)
        task = asyncio.get_running_loop().create_task(_close(ws))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _forget_closed(self) -> None:
        for ws in [ws for ws in self._outboxes if ws.phase is not Phase.OPEN]:
            self.discard(ws)


async def _close(ws: WebSocket) -> None:
    """Close a socket that is too slow; other servers than ours wait here until it has read what came before."""
    with suppress(RuntimeError):  # what they raise when it was closed meanwhile
        await ws.close(TRY_AGAIN_LATER, "too slow for this room")


def _payload(message: Any) -> str | bytes:
    if isinstance(message, str | bytes):
        return message
    return bytes(message) if isinstance(message, bytearray | memoryview) else encode_json(message).decode()


def _numbers() -> Callable[[Any], Hashable]:
    numbers = count()
    return lambda message: next(numbers)
