"""When a connection that has gone is opened again: after which ends, and how much later. Decides, does nothing."""

from typing import Final

from lihil_cli.wstest.closing import LOST, Closed

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
NEAR_WAIT_S = 0.4
"""The longest wait for a server of this machine: somebody has just started it, and looks."""

STEADY_S = 1.0
"""A connection that lasted so long is not one that fails again and again."""

AWAY: Final = frozenset({1001, LOST, 1012, 1013, 1014})
"""The codes of a server that goes away and may come back (RFC 6455, section 7.4.1, and the IANA registry)."""


class Backoff:
    """Waits of which each is twice as long as the one before."""

    def __init__(self) -> None:
        self._next_s = FIRST_WAIT_S

    def take(self, longest_s: float = LONGEST_WAIT_S) -> float:
        """The next wait; those after it take no longer than `longest_s`."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, longest_s)
        return wait_s

    def reset(self) -> None:
        """Begin again with the shortest."""
        self._next_s = FIRST_WAIT_S


class Returns:
    """The attempts of one conversation to get its connection back. Times are seconds on one clock."""

    def __init__(self) -> None:
        self.retry_at = 0.0
        self.lost_at = 0.0
        self._opened_at: float | None = None
        self._backoff = Backoff()
        self._has_news = False

    @property
    def has_been_open(self) -> bool:
        return self._opened_at is not None

    def open(self, now: float) -> str:
        """The handshake is done. Gives what is to be said about it, "" for the first time."""
        told = f"connected again after {now - self.lost_at:.1f} s" if self.has_been_open else ""
        self._opened_at = now
        return told

    def lose(self, event: Closed, now: float) -> bool:
        """Whether a connection that has ended like this is to be opened again, at `retry_at`."""
        if event.by == "client" or event.code not in AWAY:
            return False
        if self._opened_at is not None and now - self._opened_at >= STEADY_S:
            self._backoff.reset()
        self.lost_at = now
        self.retry_at = now + self._backoff.take()
        return True

    def miss(self, now: float, *, is_absent: bool, is_near: bool) -> bool:
        """Whether an attempt that failed is to be repeated: `is_absent` when nothing listens there."""
        if not is_absent and not self.has_been_open:
            return False
        self.retry_at = now + self._backoff.take(NEAR_WAIT_S if is_near else LONGEST_WAIT_S)
        return True

    def is_news(self) -> bool:
        """Whether the user does not know yet that the server is waited for: once, where it has never been there."""
        is_news = not self._has_news and not self.has_been_open
        self._has_news = True
        return is_news
