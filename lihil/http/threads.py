"""Sync handlers and sync generators run in threads, so that none of them stops the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, Final, TypeVar

from anyio import to_thread

T = TypeVar("T")

_END: Final = object()


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Call `function` in a thread of anyio's pool, and await its result.

    A cancelled caller waits for the thread all the same: it cannot be stopped, and what it uses must not be closed
    under its hands.
    """
    call = asyncio.ensure_future(to_thread.run_sync(function, *args))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait([call])
        call.exception()  # looked at, or asyncio would complain that nobody did
        raise


async def iterate_in_threads(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """The items of a sync iterator, each made in a thread; a generator is closed in one as well."""
    try:
        while (item := await in_thread(next, items, _END)) is not _END:
            yield item
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            await in_thread(close)
