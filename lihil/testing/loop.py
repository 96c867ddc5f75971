"""An event loop in a thread of its own, into which a test calls with a limit on its patience."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout
from lihil.testing.position import thread_position

T = TypeVar("T")

# How much longer than the loop's own timeout a test waits for its answer: past that the loop itself must be stuck.
GRACE_S = 1.0


class LoopThread:
    """A running event loop; `close` ends it with every task on it.

    The thread is a daemon, so an app that blocks it for ever cannot keep the test run from ending.
    """

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._is_stuck = False
        self._thread = threading.Thread(target=self._main, name="lihil-testclient", daemon=True)
        self._thread.start()
        self._ready.wait()

    def run(self, coroutine: Coroutine[Any, Any, T], wait: Wait) -> T:
        """The coroutine's result; the coroutine is to keep `wait.timeout_s` itself.

        Raises `wait.error` when the loop does not even get that far, with the line that blocks it.
        """
        limit_s = GRACE_S + (0 if self._is_stuck else wait.timeout_s)
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            done, _ = concurrent.futures.wait([future], limit_s)
        except BaseException:
            future.cancel()
            raise
        self._is_stuck = not done
        if not done:
            future.cancel()
            raise wait.error(self._explain(wait, limit_s))
        return future.result()

    def close(self, timeout_s: float) -> None:
        """End the loop and its thread; AppTimeout when something on it does not end. Twice is harmless."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(GRACE_S if self._is_stuck else timeout_s + GRACE_S)
        if self._thread.is_alive():
            raise AppTimeout(self._explain(Wait("the event loop to end", timeout_s), timeout_s))

    def _explain(self, wait: Wait, limit_s: float) -> str:
        place = thread_position(self._thread.ident) or "nowhere: its thread has ended"
        return (
            f"waited {limit_s:g} s for {wait.what}, but the app's event loop does not answer\n  it is at {place}\n"
            "  fix: code in an async function must not block; use an await, or asyncio.to_thread for slow calls"
        )

    def _main(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
