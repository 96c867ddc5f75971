"""A deadline that is moved all the time costs one timer."""

import asyncio
from collections.abc import Callable

from lihil.server.deadline import Deadline
from tests.lihil.websocket.peer import InstantLoop, run


def missed_at(steps: Callable[[Deadline], object]) -> tuple[list[float], int]:
    """When the deadline was missed, by the clock of the test, and how many timers that took."""

    async def main() -> tuple[list[float], int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        start, seen = loop.time(), list[float]()
        deadline = Deadline(loop, lambda: seen.append(loop.time() - start))
        result = steps(deadline)
        if asyncio.iscoroutine(result):
            await result
        timers = len(loop.timers)
        await asyncio.sleep(1000)
        return [round(at, 3) for at in seen], timers

    return run(main())


def test_it_is_missed_once() -> None:
    assert missed_at(lambda deadline: deadline.set(5)) == ([5], 1)


def test_moved_on_it_keeps_its_timer() -> None:
    def steps(deadline: Deadline) -> None:
        for _ in range(100):
            deadline.set(5)
            deadline.clear()
            assert not deadline.is_set
        deadline.set(9)
        assert deadline.is_set

    assert missed_at(steps) == ([9], 1)


def test_moved_forward_it_comes_sooner() -> None:
    def steps(deadline: Deadline) -> None:
        deadline.set(60)
        deadline.set(5)

    assert missed_at(steps) == ([5], 2)


def test_cleared_it_is_not_missed_and_set_again_it_is() -> None:
    async def steps(deadline: Deadline) -> None:
        deadline.set(5)
        deadline.clear()
        await asyncio.sleep(20)
        deadline.set(5)

    def never(deadline: Deadline) -> None:
        deadline.set(5)
        deadline.clear()

    assert missed_at(never) == ([], 1)
    assert missed_at(steps)[0] == [25]


def test_without_its_timer_it_is_not_missed() -> None:
    def steps(deadline: Deadline) -> None:
        deadline.stop_timer()
        deadline.set(5)
        deadline.stop_timer()

    assert missed_at(steps) == ([], 1)
