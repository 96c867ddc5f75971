"""Pings that find out whether a peer is still there (RFC 6455, section 5.5.2)."""

from asyncio import AbstractEventLoop, TimerHandle
from typing import Protocol


class Pinged(Protocol):
    """The connection that is kept alive."""

    def ping(self) -> None: ...
    def miss_pong(self) -> None: ...


class KeepAlive:
    """A ping each interval, in seconds; `miss_pong` is called when one was not answered within the timeout.

    Without an interval there are no pings; without a timeout they go on unanswered.
    """

    __slots__ = ("_awaits_pong", "_interval_s", "_loop", "_pinged", "_timeout_s", "_timer")

    def __init__(
        self, pinged: Pinged, loop: AbstractEventLoop, interval_s: float | None, timeout_s: float | None
    ) -> None:
        self._pinged = pinged
        self._loop = loop
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._awaits_pong = False
        self._timer: TimerHandle | None = None

    def begin(self) -> None:
        """From now on an interval passes until the next ping."""
        self.stop()
        if self._interval_s:
            self._timer = self._loop.call_later(self._interval_s, self._ping)

    def note_pong(self) -> None:
        """The peer has sent a pong; one that nobody asked for changes nothing."""
        if self._awaits_pong:
            self.begin()

    def stop(self) -> None:
        """No ping any more, until it begins again."""
        self._awaits_pong = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ping(self) -> None:
        self._pinged.ping()
        if self._timeout_s:
            self._awaits_pong = True
            self._timer = self._loop.call_later(self._timeout_s, self._pinged.miss_pong)
        else:
            self.begin()
