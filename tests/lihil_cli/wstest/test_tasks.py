import asyncio

import pytest

from lihil_cli.wstest.tasks import Tasks


def test_a_task_that_fails_becomes_the_outcome() -> None:
    async def fail() -> None:
        raise LookupError("a mistake of ours")

    async def hold() -> None:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        Tasks(ended).start(fail())
        await ended

    with pytest.raises(LookupError, match="a mistake of ours"):
        asyncio.run(hold())


def test_a_callback_that_fails_becomes_the_outcome_and_nothing_behind_it_is_called() -> None:
    def fail(what: str) -> None:
        raise LookupError(what)

    async def hold() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()
        callback = Tasks(ended).callback(fail)
        loop.call_soon(callback, "the first mistake")
        loop.call_soon(callback, "the second")
        await ended

    with pytest.raises(LookupError, match="the first mistake"):
        asyncio.run(hold())


def test_what_still_runs_is_waited_for_and_then_ended() -> None:
    ended_well: list[str] = []

    async def hold() -> list[str]:
        left: list[str] = []
        tasks = Tasks(asyncio.get_running_loop().create_future())
        quick = asyncio.Event()

        async def work(until: asyncio.Event, name: str) -> None:
            try:
                await until.wait()
                ended_well.append(name)
            except asyncio.CancelledError:
                left.append(name)
                raise

        tasks.start(work(quick, "quick"))
        tasks.start(work(asyncio.Event(), "never"))
        quick.set()
        await tasks.wait(0.01)
        await tasks.cancel()
        return left

    assert asyncio.run(hold()) == ["never"]
    assert ended_well == ["quick"]
