"""Ctrl-C in the first moments of a process, when the interpreter itself would answer it with a traceback."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def interrupts_held() -> Iterator[None]:
    """While open, SIGINT waits, here and in a process that is started: `release_interrupts` there lets it through."""
    if sys.platform == "win32":
        yield
        return
    # Its own start, which the first worker's would bring about, lets SIGINT through again when it is done.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def release_interrupts() -> None:
    """Let SIGINT through that the parent held; once a handler is set for it."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
