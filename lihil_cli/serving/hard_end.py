"""The end that comes in any case: no handler, thread or peer keeps the process alive beyond its time."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final

_LAST_ACTS_S: Final = 0.3  # together; what is written to a pipe that nobody reads would wait for ever

_last_acts: list[Callable[[], None]] = []


def at_hard_end(act: Callable[[], None]) -> None:
    """Call `act` when the process is left by a hard end; on the ordinary way out somebody else sees to it."""
    _last_acts.append(act)


@contextmanager
def in_any_case(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` at the end of the block, or when the process is left in the middle of it by a hard end."""
    _last_acts.append(act)
    try:
        yield
    finally:
        act()
        _last_acts.remove(act)


class HardEnd:
    """A thread that leaves the process once its time is up; until one is set it waits."""

    def __init__(self) -> None:
        self._times: SimpleQueue[tuple[float, int]] = SimpleQueue()  # which a signal handler may put into
        self._thread = threading.Thread(target=self._watch, name="lihil hard end", daemon=True)
        self._thread.start()

    def within(self, seconds: float, code: int) -> None:
        """Leave with exit code `code` that many seconds from now; the last call counts, but for one made too late."""
        self._times.put((time.monotonic() + seconds, code))

    def wait(self) -> None:
        """Do nothing any more."""
        self._thread.join()

    def _watch(self) -> None:
        end, code = self._times.get()
        # A time that has come is not put off: a second Ctrl-C may fall just before the main thread grants more of it.
        while (left_s := end - time.monotonic()) > 0:
            with suppress(Empty):
                end, code = self._times.get(timeout=left_s)
        try:
            acting = threading.Thread(target=_do_last_acts, daemon=True)
            acting.start()
            acting.join(_LAST_ACTS_S)
        finally:
            os._exit(code)


def _do_last_acts() -> None:
    for act in (*_last_acts, sys.stdout.flush):
        with suppress(Exception):
            act()
