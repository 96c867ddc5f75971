"""What an app in this process prints or logs: shown above the prompt, line by line, not into the middle of it."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


class _Lines(io.TextIOBase):
    """A stream that tells whole lines."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = ""

    def write(self, text: str) -> int:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self._tell(line)
        return len(text)

    def writable(self) -> bool:
        return True


@contextmanager
def strays_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Give every line for standard output and error, and for the handlers that log there, to `tell`."""
    stream, before = _Lines(tell), {sys.stdout, sys.stderr}
    handlers = [
        handler
        for handler in logging.root.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in before
    ]
    streams = [handler.setStream(stream) for handler in handlers]
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield
    finally:
        for handler, old in zip(handlers, streams, strict=True):
            if old is not None:
                handler.setStream(old)
