"""Bytes in and out over one TCP, TLS or Unix connection, bounded in both directions."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

_MAX_WAITING_BYTES = 2**18


class Wire(asyncio.Protocol):
    """First a stream that is read piece by piece, for handshakes; after `hand_over` every piece goes to a callback."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received: list[bytes] = []
        self._received_bytes = 0
        self._has_ended = False
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._deliver: Callable[[bytes], None] | None = None
        self._tell_end: Callable[[], None] | None = None
        self._reasons_to_pause: set[str] = set()

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._deliver is not None:
            self._deliver(data)
            return
        self._received.append(data)
        self._received_bytes += len(data)
        if self._received_bytes > _MAX_WAITING_BYTES:
            self.pause("full")
        self._wake()

    def eof_received(self) -> bool:
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if not self._lost.done():
            self._lost.set_result(None)
        self._end()

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()
        self.pause("writing")  # who does not take our answers is not listened to: a flood of pings stays bounded

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
        self.resume("writing")

    # Ours

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    async def read(self) -> bytes:
        """What has come since the last call, waiting for some; b"" at the end."""
        while not self._received and not self._has_ended:
            self._news = self._loop.create_future()
            await self._news
        data = b"".join(self._received)
        self._received.clear()
        self._received_bytes = 0
        self.resume("full")
        return data

    def unread(self, data: bytes) -> None:
        """Put back what was read too far."""
        if data:
            self._received.insert(0, data)
            self._received_bytes += len(data)

    def hand_over(self, deliver: Callable[[bytes], None], tell_end: Callable[[], None]) -> None:
        """From now on give every piece to `deliver`, what waits already included, and call `tell_end` at the end."""
        self._deliver, self._tell_end = deliver, tell_end
        waiting, self._received = self._received, []
        for data in waiting:
            deliver(data)
        self.resume("full")
        if self._has_ended:
            tell_end()

    def pause(self, reason: str) -> None:
        """Read nothing more until every reason has gone: TCP makes the peer wait."""
        if reason in self._reasons_to_pause:
            return
        self._reasons_to_pause.add(reason)
        if self._transport is not None and not self._lost.done():
            self._transport.pause_reading()

    def resume(self, reason: str) -> None:
        """Take back a `pause`."""
        if reason not in self._reasons_to_pause:
            return
        self._reasons_to_pause.discard(reason)
        if not self._reasons_to_pause and self._transport is not None and not self._lost.done():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send, or queue for sending; nothing happens once the connection is lost."""
        if data and self._transport is not None and not self._lost.done():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the queue has room again, or the connection is lost."""
        if self._room is not None:
            await asyncio.shield(self._room)

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from now on, inside what is there. Raises ssl.SSLError, OSError."""
        if self._transport is not None:
            transport = await self._loop.start_tls(self._transport, self, context, server_hostname=name)
            if transport is None:
                raise ConnectionResetError("the connection was lost")
            self._transport = transport

    def finish_writing(self) -> None:
        """Tell the peer that nothing more will come, where that is possible without ending it all."""
        if self._transport is not None and self._transport.can_write_eof():
            with suppress(OSError, RuntimeError):
                self._transport.write_eof()

    def close(self) -> None:
        """End the connection when everything has been written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_lost(self) -> None:
        """Return when the connection has ended in both directions."""
        await asyncio.shield(self._lost)

    def _end(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self._wake()
        if self._tell_end is not None:
            self._tell_end()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
