"""Ctrl-C and SIGTERM as something to ask about, so that a cleanup is never itself cut short."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_WATCHED = ("SIGINT", "SIGTERM", "SIGHUP")


class StoppedError(Exception):
    """The process was told to stop by `signum`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signal.Signals(signum)


class Interrupts:
    """Within it a signal to stop is only noted; `check` raises StoppedError for it at a moment of the caller's choice.

    A signal that the process was started to ignore (nohup, a background job) stays ignored. A signal noted after the
    last `check` is dropped: by then the work is done. For the main thread only.
    """

    def __init__(self) -> None:
        self._noted: int | None = None
        self._previous: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Self:
        for number in (getattr(signal, name) for name in _WATCHED if hasattr(signal, name)):
            previous = signal.getsignal(number)
            if previous is not signal.SIG_IGN:
                self._previous[number] = previous
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous if previous is not None else signal.SIG_DFL)

    def check(self) -> None:
        """Raise StoppedError when a signal to stop has come."""
        if self._noted is not None:
            raise StoppedError(self._noted)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._noted = signum
