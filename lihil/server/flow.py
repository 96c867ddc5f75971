"""The flow of messages through one open WebSocket, bounded in bytes both ways.

    data_received ─▶ Connection.receive ─▶ Inbound ─▶ the app, or straight to its listener
    send_now, or ASGI's send ─▶ Connection.send_* ─▶ the transport

Reading stops while the app is behind, or the peer with what it has to take; `send` waits while the peer is behind.
"""

import asyncio
from abc import ABC, abstractmethod
from asyncio import TimerHandle
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import cast

from lihil.asgi import Message
from lihil.rfc6455.connection import Connection, Event
from lihil.server.inbound import HIGH_BYTES, LOW_BYTES, Inbound


class PeerGoneError(OSError):
    """The peer has gone: what `send` raises then (ASGI, WebSocket spec_version 2.4)."""


class Phase(Enum):
    """Where a connection stands, seen from the app."""

    HEAD = "reading the handshake"
    WAITING = "waiting for the app's answer to the handshake"
    DENYING = "sending a denial response"
    OPEN = "open"
    OVER = "closed"  # to the app; the closing handshake may still be under way


class Flow(asyncio.Protocol, ABC):
    """What was read, whom it goes to, and who waits for whom; in public it is a `lihil.asgi.DirectTransport`."""

    # How long, in seconds, an app that does not receive may still send behind the peer's close.
    answer_timeout_s: float = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._connection: Connection = cast(Connection, None)
        self._phase = Phase.HEAD
        self._is_accepted = False
        self._is_open = False  # the phase as the one question that every message asks
        self._is_lost = False
        self._early = b""  # the head as far as it has come, then frames that came before our answer
        self._inbound = Inbound(loop)
        self._writable: asyncio.Event | None = None  # there while the peer is behind
        self._is_reading = True
        self._is_behind = False  # something is left to do once the app asks for more
        self._answer_timer: TimerHandle | None = None
        self._deliver: Callable[[str | bytes], None] = self._inbound.put
        # The queue's own calls, as long as nothing is left to do when the app asks: a frame less, twice a message.
        self.arrival: Callable[[], Awaitable[object] | None] = self._inbound.arrival
        self.take: Callable[[], str | bytes | Message] = self._inbound.take

    @abstractmethod
    def _read_early(self, data: bytes) -> None:
        """What comes before the handshake is answered."""

    @abstractmethod
    def _control(self, event: Event) -> None:
        """A control frame, or the end."""

    @abstractmethod
    def _end_lost(self) -> None:
        """The connection is lost, and everything that was read before has been dealt with."""

    # Reading

    def data_received(self, data: bytes) -> None:
        if not self._is_accepted:
            self._read_early(data)
            return
        message = None if self._is_behind else self._connection.whole_message(data)
        if message is None:
            self._take(data)
        else:
            self._deliver(message)
        if self._inbound.size >= HIGH_BYTES or self._writable is not None or self._connection.has_buffered:
            self._settle()

    def _take(self, data: bytes) -> None:
        """Read frames until the app is behind by HIGH_BYTES; the rest waits and is not even inflated."""
        room = HIGH_BYTES - self._inbound.size if self._is_open else HIGH_BYTES
        for event in self._connection.receive(data, room):
            if isinstance(event, str | bytes):
                self._deliver(event)
            else:
                self._control(event)

    def _settle(self) -> None:
        """Go on with what was held back as far as somebody waits for it.

        A close, or a broken rule, that came with messages is held back until the app has answered those.
        """
        inbound = self._inbound
        while self._has_buffered and (inbound.has_ended or (inbound.is_awaited and self._writable is None)):
            self._take(b"")
        self._regulate()

    @property
    def _has_buffered(self) -> bool:
        """Whether something was read and held back."""
        return self._is_accepted and self._connection.has_buffered

    def _go_on(self) -> None:
        """Read what was held back, whether or not somebody waits; behind it, a lost connection has ended."""
        if self._has_buffered:
            self._take(b"")
            self._settle()
        if self._is_lost and not self._has_buffered:
            self._end_lost()

    def _arrival_behind(self) -> Awaitable[object] | None:
        """The app asks for more: go on with what was held back for it."""
        if self._inbound.is_empty:
            self._go_on()
        self._regulate()
        return self._inbound.arrival()

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        if self._is_open:
            self._deliver = on_message
            for payload in self._inbound.drain():
                self._deliver(payload)
        self._regulate()

    # Writing

    def pause_writing(self) -> None:
        if self._phase is not Phase.OVER:
            self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        self._wake_senders()
        if self._inbound.is_awaited:
            self._go_on()
        self._regulate()

    def send_now(self, payload: str | bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError("the WebSocket is closed")
        connection = self._connection
        self._transport.write(
            connection.send_text(payload) if isinstance(payload, str) else connection.send_bytes(payload)
        )
        return self._writable is None

    def write_prepared(self, frame: bytes) -> bool:
        if not self._is_open:
            raise PeerGoneError("the WebSocket is closed")
        if self._writable is not None:
            return False
        self._transport.write(frame)
        return True

    async def drained(self) -> None:
        if self._writable is not None:
            await self._writable.wait()

    def _wake_senders(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    # Back-pressure

    def _regulate(self) -> None:
        """Stop reading while the app, or the peer with our pongs, is too far behind; go on when they have caught up."""
        if self._transport.is_closing():
            return
        backlog = self._transport.get_write_buffer_size()
        if self._phase is not Phase.OVER:  # after that nobody waits for the app: the peer's close has to be found
            backlog = max(backlog, self._inbound.size + len(self._early))
        if self._is_reading and backlog >= HIGH_BYTES:
            self._is_reading = False
            self._transport.pause_reading()
        elif not self._is_reading and backlog <= LOW_BYTES:
            self._is_reading = True
            self._transport.resume_reading()
        self._is_behind = self._has_buffered or not self._is_reading
        self.arrival = self._arrival_behind if self._is_behind else self._inbound.arrival
        if self._has_buffered and self._is_reading:
            if self._answer_timer is None:
                self._answer_timer = self._loop.call_later(self.answer_timeout_s, self._stop_waiting)
        else:
            self._stop_answer_timer()

    def _stop_waiting(self) -> None:
        """An app that does not ask for more has had its time to answer the messages before the end."""
        self._answer_timer = None
        self._go_on()

    def _stop_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None
