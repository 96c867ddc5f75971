"""Ctrl-C as an event, and SIGTERM as an end."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lihil_cli.errors import Terminated

PATIENCE_S = 1.0
"""How long a Ctrl-C may be without effect: a write that blocks, or a handler in this process that does not await."""

_HAS_ALARM = hasattr(signal, "setitimer")  # Windows has none: there the second Ctrl-C ends what the first one could not


def _set_alarm(seconds: float) -> None:
    if _HAS_ALARM:
        signal.setitimer(signal.ITIMER_REAL, seconds)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises Terminated, as a Ctrl-C raises KeyboardInterrupt, so that what was begun is ended and told."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


class Interrupts:
    """Catches signals. `on_interrupt` is called in the signal handler; whoever then acts on it calls `settle`."""

    def __init__(self, on_interrupt: Callable[[], None]) -> None:
        self._on_interrupt = on_interrupt
        self._is_pending = False
        self.is_forced: bool = False  # an end without regard for what is still being written

    def settle(self) -> None:
        """The interrupt has been taken note of; the next one is new."""
        self._is_pending = False
        _set_alarm(0)

    def expect_end(self) -> None:
        """The interrupt ends everything: what blocks from now on, such as a write nobody reads, is not waited for."""
        _set_alarm(PATIENCE_S)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Raise KeyboardInterrupt for a second Ctrl-C, or a second after one, that nobody has settled.

        SIGTERM raises Terminated at once. Either unwinds everything, so a terminal is left as it was found.
        """
        handlers = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._terminate}
        if _HAS_ALARM:
            handlers[signal.SIGALRM] = self._give_up
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            _set_alarm(0)
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_pending:
            self._give_up(number, frame)
        self._is_pending = True
        _set_alarm(PATIENCE_S)
        self._on_interrupt()

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        self.is_forced = True
        raise KeyboardInterrupt

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.is_forced = True
        raise Terminated
