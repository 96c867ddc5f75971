"""Where a timeout says that the app waits."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator

import pytest

from lihil.testing.position import task_position, thread_position

Sleeper = Callable[[], Awaitable[None]]


async def in_a_coroutine() -> None:
    await asyncio.Event().wait()  # here: coroutine


async def below_a_coroutine() -> None:
    await in_a_coroutine()


async def in_another_task() -> None:
    await asyncio.create_task(in_a_coroutine())


async def forever() -> AsyncIterator[int]:
    await asyncio.Event().wait()  # here: async generator
    yield 1


async def in_an_async_generator() -> None:
    async for _ in forever():
        return


class Custom:
    def __await__(self) -> Generator[object, None, None]:
        yield from asyncio.get_running_loop().create_future()  # here: generator


async def in_an_awaitable() -> None:
    await Custom()


async def in_a_gather() -> None:
    await asyncio.gather(in_a_coroutine())  # here: gather


@pytest.mark.parametrize(
    ("sleeper", "source"),
    [
        (in_a_coroutine, "here: coroutine"),
        (below_a_coroutine, "here: coroutine"),
        (in_another_task, "here: coroutine"),
        (in_an_async_generator, "here: async generator"),
        (in_an_awaitable, "here: generator"),
        (in_a_gather, "here: gather"),
    ],
)
def test_the_line_that_waits_is_named(sleeper: Sleeper, source: str) -> None:
    async def look() -> str:
        async def run() -> None:
            await sleeper()

        task = asyncio.create_task(run())
        for _ in range(5):  # each task in the chain takes one turn of the loop to get to its await
            await asyncio.sleep(0)
        place = task_position(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return place

    place = asyncio.run(look())
    assert place.startswith(f"{__file__}:")
    assert place.endswith(source)


def test_without_code_of_the_user_the_innermost_line_is_named() -> None:
    async def look() -> str:
        task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        place = task_position(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return place

    assert " in Event.wait" in asyncio.run(look())


def test_a_task_that_has_ended_is_nowhere() -> None:
    async def look() -> str:
        async def nothing() -> None: ...

        task = asyncio.create_task(nothing())
        await task
        return task_position(task)

    assert asyncio.run(look()) == ""


def test_a_busy_thread_is_found_in_the_code_of_the_user() -> None:
    go_on = threading.Event()
    is_there = threading.Event()

    def work() -> None:
        is_there.set()
        go_on.wait()  # here: thread

    thread = threading.Thread(target=work)
    thread.start()
    is_there.wait()
    try:
        place = thread_position(thread.ident)
    finally:
        go_on.set()
        thread.join()
    assert f"{__file__}:" in place
    assert "work" in place
    assert thread_position(None) == ""
