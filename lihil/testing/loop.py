"""An event loop in a thread of its own, into which a test calls with a limit on its patience."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout
from lihil.testing.position import thread_position

__tracebackhide__ = True  # pytest shows the line of the test instead

T = TypeVar("T")

# How much longer than the loop's own timeout a test waits for its answer: past that the loop itself must be stuck.
GRACE_S = 1.0


class LoopThread:
    """A running event loop, as a context manager that ends it with every task on it, within `timeout_s`.

    An exception of the `with` block outlives one of the ending. The thread is a daemon, so an app that blocks it for
    ever cannot keep the test run from ending.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
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
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        running = asyncio.run_coroutine_threadsafe(_deliver(coroutine, answer), self._loop)
        try:
            done, _ = concurrent.futures.wait([answer], limit_s)
        except BaseException:
            running.cancel()
            raise
        self._is_stuck = not done
        if not done:
            running.cancel()
            raise wait.error(self._explain(wait, limit_s))
        failure = answer.exception()
        if failure is not None:
            raise failure  # here, and not in `result`, whose frames pytest would show
        return answer.result()

    def close(self) -> None:
        """End the loop and its thread; AppTimeout when something on it does not end. Twice is harmless."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        limit_s = GRACE_S + (0 if self._is_stuck else self._timeout_s)
        self._thread.join(limit_s)
        if self._thread.is_alive():
            raise AppTimeout(
                f"waited {limit_s:g} s for the app's event loop to end\n"
                f"  it is at {thread_position(self._thread.ident)}\n"
                "  a task on it survives its cancellation, or a thread that it waits for is busy"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(AppTimeout) if exc is not None else nullcontext():
            self.close()

    def _explain(self, wait: Wait, limit_s: float) -> str:
        return (
            f"waited {limit_s:g} s for {wait.what}, but the app's event loop does not answer\n"
            f"  it is at {thread_position(self._thread.ident)}\n"
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


async def _deliver(coroutine: Coroutine[Any, Any, T], answer: "concurrent.futures.Future[T]") -> None:
    """Hand the outcome over in the same turn of the loop: in the next one the app may block it."""
    try:
        answer.set_result(await coroutine)
    except BaseException as exc:
        answer.set_exception(exc)
