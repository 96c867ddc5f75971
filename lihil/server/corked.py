"""A transport that collects what is written in one turn of the event loop, and sends it in one piece."""

from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Final

MAX_HELD_BYTES: Final = 65_536
"""What may be held; with more the transport itself has to say whether the peer keeps up."""


class CorkedTransport(Transport):
    """Stands in front of `transport` until the loop's next turn, and then hands it to `on_released`, once.

    A handler that accepts, greets and perhaps closes does so in one go. Written one by one that is a system call each,
    which are the dearest part of an opening handshake.
    """

    def __init__(
        self, transport: Transport, loop: AbstractEventLoop, on_released: Callable[[Transport], object]
    ) -> None:
        super().__init__()
        self._transport = transport
        self._on_released = on_released
        self._held: list[bytes] = []
        self._size = 0
        self._is_released = False
        loop.call_soon(self.release)

    def release(self) -> None:
        """Send what is held, and let everything through from now on."""
        if self._is_released:
            return
        self._is_released = True
        self._on_released(self._transport)
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_released:
            self._transport.write(data)
            return
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size > MAX_HELD_BYTES:
            self.release()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + (0 if self._is_released else self._size)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self.release()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
