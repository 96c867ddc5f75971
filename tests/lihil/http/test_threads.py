"""Threads for sync code: the loop goes on, and nothing is closed under a thread's hands."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import TypeVar

import pytest

from lihil.http.threads import in_thread, iterate_in_threads

T = TypeVar("T")
LIMIT_S = 10.0


def run(main: Callable[[], Awaitable[T]]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await main()

    return asyncio.run(limited())


def test_the_event_loop_goes_on_while_a_thread_waits() -> None:
    async def main() -> str:
        answered = threading.Event()
        waiting = asyncio.create_task(in_thread(answered.wait, LIMIT_S))
        await asyncio.sleep(0)  # the loop is free, or this line would never come
        answered.set()
        assert await waiting
        return await in_thread(lambda: threading.current_thread().name)

    assert run(main) != threading.main_thread().name


def test_what_the_function_raises_comes_through() -> None:
    async def main() -> None:
        await in_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run(main)


@pytest.mark.parametrize("outcome", ["done", "failed"])
def test_a_cancelled_caller_waits_until_the_thread_is_done_with_its_things(outcome: str) -> None:
    began, may_end = threading.Event(), threading.Event()
    said: list[str] = []

    def use_things() -> None:
        began.set()
        may_end.wait(LIMIT_S)
        said.append(outcome)
        if outcome == "failed":
            raise ValueError(outcome)

    async def main() -> None:
        calling = asyncio.create_task(in_thread(use_things))
        await asyncio.to_thread(began.wait, LIMIT_S)
        calling.cancel()
        await asyncio.sleep(0)
        assert not calling.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await calling

    run(main)
    assert said == [outcome]


def test_a_sync_generator_is_run_and_closed_in_threads() -> None:
    threads: list[str] = []

    def count() -> Iterator[int]:
        try:
            for number in range(3):
                threads.append(threading.current_thread().name)
                yield number
        finally:
            threads.append(threading.current_thread().name)

    async def main() -> list[int]:
        return [number async for number in iterate_in_threads(count())]

    assert run(main) == [0, 1, 2]
    assert len(threads) == 4
    assert threading.current_thread().name not in threads


def test_a_sync_generator_left_early_is_closed() -> None:
    closed: list[bool] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    async def main() -> None:
        async with aclosing(iterate_in_threads(endless())) as items:
            assert await anext(items) == 1
        assert closed == [True]

    run(main)


def test_an_iterator_that_cannot_be_closed_is_just_read() -> None:
    async def main() -> list[str]:
        return [text async for text in iterate_in_threads(map(str, [1, 2]))]

    assert run(main) == ["1", "2"]
