"""Standard input as lines, read beside the event loop, never faster than they can be sent."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

_CHUNK_BYTES = 65536
MAX_LINE_BYTES = 16 * 2**20


class LineSplitter:
    """Cuts chunks of bytes into lines of text, without the newline or CR LF that ends them."""

    def __init__(self) -> None:
        self._rest = b""
        self._count = 0

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that are whole now, one by one. Raises ValueError, naming the line, for one that is no message."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            yield self._decode(line)
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError(f"standard input, line {self._count + 1}: over {MAX_LINE_BYTES} bytes")

    def finish(self) -> Iterator[str]:
        """The last line, if it lacks its newline. Raises ValueError as `feed` does."""
        rest, self._rest = self._rest, b""
        if rest:
            yield self._decode(rest)

    def _decode(self, line: bytes) -> str:
        self._count += 1
        try:
            return line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            # RFC 6455, section 5.6: a text message is UTF-8.
            raise ValueError(f"standard input, line {self._count}: not UTF-8, so it cannot be a text message") from None


class PipeReader:
    """A thread that reads a file descriptor and hands each chunk to the loop, then waits to be asked for more.

    `deliver` gets each chunk, and b"" at the end. A thread, because a file or /dev/null cannot be polled; a bare
    descriptor, because a lock held by a blocked reader would spoil the interpreter's end.
    """

    def __init__(self, descriptor: int, deliver: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._deliver = deliver
        self._wanted = threading.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def resume(self) -> None:
        """Ask for the next chunk."""
        self._wanted.set()

    def _read(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, so nobody wants more
            while chunk := self._read_chunk():
                self._wanted.clear()
                self._loop.call_soon_threadsafe(self._deliver, chunk)
                self._wanted.wait()
            self._loop.call_soon_threadsafe(self._deliver, b"")

    def _read_chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""  # the terminal has gone, or the descriptor was closed: the end either way
