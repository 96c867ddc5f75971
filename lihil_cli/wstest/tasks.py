"""Tasks that belong to one conversation, and end it when one of them fails."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """What runs beside a conversation until `ended`: a task that fails is a bug of ours, and becomes its outcome."""

    def __init__(self, ended: "asyncio.Future[Any]") -> None:
        self._ended = ended
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run `work`; it is kept until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._settle)
        return task

    async def wait(self, timeout_s: float) -> None:
        """Give what runs some time to end by itself."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)

    async def cancel(self) -> None:
        """End what still runs, and wait until it has."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _settle(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():
            self._ended.set_exception(error)
