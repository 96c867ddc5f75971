"""The end that comes in any case: no handler, thread or peer keeps the process alive beyond its time."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue


class HardEnd:
    """A thread that leaves the process once its time is up; until one is set it waits.

    What is in `tidy` is called before, for what the process would do on the ordinary way out.
    """

    def __init__(self, tidy: Sequence[Callable[[], None]]) -> None:
        self._tidy = tidy
        self._times: SimpleQueue[tuple[float, int]] = SimpleQueue()  # which a signal handler may put into
        threading.Thread(target=self._watch, name="lihil hard end", daemon=True).start()

    def within(self, seconds: float, code: int) -> None:
        """Leave with exit code `code` that many seconds from now; the last call counts."""
        self._times.put((time.monotonic() + seconds, code))

    def _watch(self) -> None:
        end, code = self._times.get()
        while True:
            try:
                end, code = self._times.get(timeout=max(end - time.monotonic(), 0))
            except Empty:
                break
        for act in (*self._tidy, sys.stdout.flush):
            with suppress(Exception):
                act()
        os._exit(code)
