"""Which functions are known never to wait."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lihil.binding.listening import never_waits


async def returns() -> int:
    return 1


async def awaits() -> None:
    await asyncio.sleep(0)


async def enters() -> None:
    async with asyncio.timeout(1):
        pass


async def iterates(items: Any) -> None:
    async for _ in items:
        pass


async def collects(items: Any) -> list[Any]:
    return [item async for item in items]


async def awaits_in_a_list(items: Any) -> list[Any]:
    return [await item for item in items]


async def makes_another() -> Callable[..., Any]:
    async def another() -> None:
        await asyncio.sleep(0)

    return another


class Called:
    async def __call__(self) -> None: ...

    async def method(self) -> None: ...


def plain() -> None: ...


@pytest.mark.parametrize(
    ("function", "never"),
    [
        (returns, True),
        (partial(returns), True),
        (makes_another, True),
        (Called(), True),
        (Called().method, True),
        (awaits, False),
        (enters, False),
        (iterates, False),
        (collects, False),
        (awaits_in_a_list, False),
        (plain, False),
        (len, False),
    ],
)
def test_a_coroutine_function_without_anything_that_waits_never_does(function: Callable[..., Any], never: bool) -> None:
    assert never_waits(function) is never
