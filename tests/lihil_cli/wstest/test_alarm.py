import asyncio

from lihil_cli.wstest.alarm import Alarm


def test_it_rings_at_the_earliest_time_that_it_was_set_to() -> None:
    async def wait() -> bool:
        loop, rung = asyncio.get_running_loop(), asyncio.Event()
        alarm = Alarm(rung.set)
        for delay_s in (3600, 0, 3600):
            alarm.set(loop.time() + delay_s)
        alarm.set(None)
        async with asyncio.timeout(60):
            return await rung.wait()

    assert asyncio.run(wait())


def test_one_that_was_stopped_is_silent_until_it_is_set_again() -> None:
    async def wait() -> list[str]:
        loop, rung = asyncio.get_running_loop(), list[str]()
        later = asyncio.Event()
        alarm = Alarm(lambda: rung.append("early"))
        alarm.set(loop.time())
        alarm.stop()
        loop.call_soon(loop.call_soon, later.set)
        await later.wait()
        return rung

    assert asyncio.run(wait()) == []
