"""Ctrl-C as an event, and an orderly end for SIGTERM."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lihil_cli.errors import Terminated


@contextmanager
def interrupts(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in the event loop for a Ctrl-C; a second one while the first still waits ends everything.

    That happens on a blocked write. SIGTERM ends everything at once, but leaves the terminal as it was found.
    """
    loop = asyncio.get_running_loop()
    is_waiting = False

    def tell_now() -> None:
        nonlocal is_waiting
        is_waiting = False
        tell()

    def note_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal is_waiting
        if is_waiting:
            raise KeyboardInterrupt
        is_waiting = True
        loop.call_soon_threadsafe(tell_now)

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGINT, note_interrupt), signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous[0])
        signal.signal(signal.SIGTERM, previous[1])
