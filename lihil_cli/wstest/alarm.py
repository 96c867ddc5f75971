"""Wakes a conversation at the time its decisions ask for."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` at the time it was set to last, or earlier, which does no harm: nothing is due then."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, wake_at: float | None) -> None:
        """Ring at `wake_at` on the loop's clock at the latest; None asks for nothing."""
        if wake_at is None or (self._timer is not None and self._timer.when() <= wake_at):
            return
        self.stop()
        self._timer = self._loop.call_at(wake_at, self._go_off)

    def stop(self) -> None:
        """Ring no more, until it is set again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_off(self) -> None:
        self._timer = None
        self._ring()
