"""How a callback ends what a task awaits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from lihil.websocket.interruption import Interruption
from tests.lihil.websocket.peer import run


async def interrupted(*texts: str) -> None:
    with Interruption() as it:
        for text in texts:
            asyncio.get_running_loop().call_soon(it.interrupt, LookupError(text))
        await asyncio.sleep(60)


def test_an_interrupted_block_raises_what_it_was_told_and_the_task_is_not_cancelled() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        with pytest.raises(LookupError, match="first"):
            await interrupted("first", "second")
        assert task is not None
        assert task.cancelling() == 0

    run(main())


def test_a_block_that_swallows_the_cancellation_leaves_nothing_behind() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        with Interruption() as it:
            asyncio.get_running_loop().call_soon(it.interrupt, LookupError())
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        assert task is not None
        assert task.cancelling() == 0

    run(main())


def test_its_own_task_is_not_cancelled_and_looks_by_itself() -> None:
    async def main() -> None:
        with Interruption() as it:
            it.interrupt(LookupError())
            await asyncio.sleep(0)
        assert isinstance(it.exc, LookupError)

    run(main())


def test_a_cancellation_from_elsewhere_comes_through() -> None:
    async def blocked() -> None:
        with Interruption() as it:
            task = asyncio.current_task()
            assert task is not None
            loop = asyncio.get_running_loop()
            loop.call_soon(it.interrupt, LookupError())
            loop.call_soon(task.cancel)
            await asyncio.sleep(60)

    async def main(block: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(block())

    run(main(blocked))
