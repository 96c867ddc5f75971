"""Ends what a task awaits from outside of it, with an exception of one's choice."""

import asyncio
from types import TracebackType
from typing import Self


class Interruption:
    """A block whose `await` a callback can end: `with Interruption() as it: ...`, and elsewhere `it.interrupt(exc)`.

    The block then raises `exc`, unless the task is cancelled by somebody else as well: that cancellation comes through.
    Only the first call counts. Where the block's own task calls it, between two waits, the block is to look at `exc`.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - ASGI servers run every connection in a task
        self._task = task
        self._cancels_before = task.cancelling()
        self._has_cancelled = False
        self.exc: Exception | None = None

    def interrupt(self, exc: Exception) -> None:
        """End the block with `exc`."""
        if self.exc is None:
            self.exc = exc
            if asyncio.current_task() is not self._task:
                self._has_cancelled = self._task.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.exc is None or not self._has_cancelled:
            return
        is_ours = self._task.cancelling() <= self._cancels_before + 1
        self._task.uncancel()  # also where the block has swallowed it: timeouts around it count what is left
        if is_ours and isinstance(exc, asyncio.CancelledError):
            raise self.exc from None
