"""A moment by which something must have happened, moved as often as one likes."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable


class Deadline:
    """Calls `on_missed` once the time set last is over.

    A timer for each request would cost as much as reading it. Here setting a later time, or none, is an assignment; the
    one timer looks when it fires.
    """

    __slots__ = ("_at", "_fires_at", "_loop", "_on_missed", "_timer")

    def __init__(self, loop: AbstractEventLoop, on_missed: Callable[[], None]) -> None:
        self._loop = loop
        self._on_missed = on_missed
        self._at: float | None = None  # the loop's time, in seconds
        self._timer: TimerHandle | None = None
        self._fires_at = 0.0

    @property
    def is_set(self) -> bool:
        """Whether a time is set and not over."""
        return self._at is not None

    def set(self, seconds: float) -> None:
        """From now on this many seconds are left."""
        self._at = at = self._loop.time() + seconds
        if self._timer is None or at < self._fires_at:
            self.stop_timer()
            self._start(at)

    def clear(self) -> None:
        """Nothing has to happen any more, until a time is set again."""
        self._at = None

    def stop_timer(self) -> None:
        """Let go of the loop; `set` starts again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, at: float) -> None:
        self._fires_at = at
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._at is None:
            return
        if self._loop.time() < self._at:
            self._start(self._at)
        else:
            self._at = None
            self._on_missed()
