"""Where the steps of a conversation come from: standard input, read beside the event loop, or a record.

Neither is read faster than the steps can be done.
"""

import asyncio
import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from lihil_cli.wstest.steps import Step

_CHUNK_BYTES = 65536
MAX_LINE_BYTES = 16 * 2**20


class RecordSplitter:
    """Cuts chunks of bytes into records: lines, without the newline or CR LF that ends them, or what NULs end."""

    def __init__(self, *, by_nul: bool = False, keeps_cr: bool = False) -> None:
        self.count: int = 0
        self._separator = b"\0" if by_nul else b"\n"
        self._keeps_cr = keeps_cr or by_nul
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The records that are whole now, counted in `count`. Raises ValueError for one that is too long."""
        *whole, rest = chunk.split(self._separator)
        for record in whole:
            self._parts.append(record)
            yield self._take()
        if rest:
            self._parts.append(rest)
            self._parts_bytes += len(rest)
        if self._parts_bytes > MAX_LINE_BYTES:
            self.count += 1
            raise ValueError(f"over {MAX_LINE_BYTES} bytes; -f FILE sends a large message")

    def finish(self) -> Iterator[bytes]:
        """The last record, if it lacks its end."""
        if self._parts:
            yield self._take()

    def _take(self) -> bytes:
        record = b"".join(self._parts)
        self._parts.clear()
        self._parts_bytes = 0
        self.count += 1
        return record if self._keeps_cr else record.removesuffix(b"\r")


class Source(Protocol):
    """Something that gives steps when it is asked."""

    def resume(self) -> None:
        """Ask for more."""


class Replay:
    """A record's steps, one at a time; `deliver` gets each of them, and None at the end, or why there is no more."""

    def __init__(self, steps: Iterator[Step], deliver: Callable[[Step | Exception | None], None]) -> None:
        self._steps = steps
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self.resume()

    def resume(self) -> None:
        """Ask for more."""
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        step: Step | Exception | None
        try:
            step = next(self._steps, None)
        except Exception as error:
            step = error
        self._deliver(step)


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
            while True:
                with suppress(BlockingIOError):
                    return os.read(self._descriptor, _CHUNK_BYTES)
                # Whoever shares the descriptor has made it one that does not wait, as ssh and node do.
                select.select([self._descriptor], [], [])
        except (OSError, ValueError):  # ValueError: a number that select cannot take
            return b""  # the terminal has gone, or the descriptor was closed: the end either way
