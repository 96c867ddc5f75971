"""Tasks that belong to one conversation, and end it when one of them fails."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class Tasks:
    """What runs beside a conversation until `ended`: what fails in it is a bug of ours, and becomes its outcome."""

    def __init__(self, ended: "asyncio.Future[Any]") -> None:
        self._ended = ended
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run `work`; it is kept until it is done."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._settle)
        return task

    def callback(self, work: Callable[P, None]) -> Callable[P, None]:
        """`work` for the loop to call, which would only log that it failed, and leave the conversation waiting."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                work(*args, **kwargs)
            except Exception as error:
                self._fail(error)

        return call

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
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)
