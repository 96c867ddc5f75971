"""The event loop of one conversation, and the end of what runs in it."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Loaded where something is done in a thread.
    from concurrent.futures import ThreadPoolExecutor

_OURS = str(Path(__file__).parents[2])

GRACE_S = 1.0
"""How long what is cancelled in the end may take to end, before it is left as it is."""


_THREAD_GRACE_S = 0.2  # for one that has nothing to do and is told so only now


@contextmanager
def running(left: list[str], *, grace_s: float = GRACE_S) -> Iterator[asyncio.Runner]:
    """A runner over a `Loop`, but for its end: what does not heed its cancellation within `grace_s` is not waited for.

    That is an app's handler in this process, or a thread in which it has something done. `left` gets where it stands.
    """
    loop = Loop()
    older = set(threading.enumerate())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            yield runner
        finally:
            until = time.monotonic() + grace_s
            tasks = loop.run_until_complete(_end_tasks(grace_s))
            loop.end_threads()
            newer = [thread for thread in threading.enumerate() if thread not in older]
            threads = _join(newer, max(until, time.monotonic() + _THREAD_GRACE_S))
            if tasks or threads:
                from lihil.testing.position import task_position, thread_position  # an app has loaded that

                places = [*map(task_position, tasks), *(thread_position(thread.ident) for thread in threads)]
                # A task of ours that waits for the app stands there, too, and says nothing.
                left += [place for place in places if place and not place.startswith(_OURS)] or [""]
                loop.set_exception_handler(lambda loop, context: None)  # that they are pending still is known


def _join(threads: list[threading.Thread], until: float) -> list[threading.Thread]:
    """Those that have not ended at `until` (time.monotonic), and would keep the interpreter from its end."""
    lasting = [thread for thread in threads if not thread.daemon]
    for thread in lasting:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread for thread in lasting if thread.is_alive()]


async def _end_tasks(grace_s: float) -> list[asyncio.Task[Any]]:
    """Cancel every other task, and give those that do not end; asyncio forgets them, or it would wait for them."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    _, left = await asyncio.wait(tasks, timeout=grace_s) if tasks else (set(), set())
    for task in left:
        asyncio._unregister_task(task)
    return list(left)


class Loop(asyncio.SelectorEventLoop):
    """An event loop that does not wait, when it ends, for a name that is still being looked up.

    The usual one hands that to a thread pool, and the pool's end would hold up Ctrl-C and --timeout.
    """

    _threads: "ThreadPoolExecutor | None" = None

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """As everywhere, but with threads that `end_threads` knows."""
        if executor is None and self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor()
            self.set_default_executor(self._threads)
        return super().run_in_executor(executor, func, *args)

    def end_threads(self) -> None:
        """Let the threads of `run_in_executor` end when they are done, without waiting for them."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's own name
        """Nothing is left to do: `end_threads` has done it."""

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the event loop's own name for it
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        answer: asyncio.Future[list[tuple[Any, ...]]] = self.create_future()

        def settle(found: list[tuple[Any, ...]], error: OSError | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            found: list[tuple[Any, ...]] = []
            failure: OSError | None = None
            try:
                found = list(socket.getaddrinfo(host, port, family, type, proto, flags))
            except OSError as error:
                failure = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self.call_soon_threadsafe(settle, found, failure)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return await answer
