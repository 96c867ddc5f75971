"""The end of a generator resource."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from lihil.di.resource import ResourceExit, close_failed, yielded_twice
from lihil.errors import ResourceError

pytestmark = pytest.mark.anyio


class Log(list[str]):
    """What happened, in order."""

    async def resource(self, name: str) -> AsyncGenerator[str, None]:
        try:
            yield name
        except BaseException as exc:
            self.append(f"{name} sees {exc!r}")
            raise
        finally:
            self.append(f"{name} closed")

    def sync_resource(self, name: str) -> Generator[str, None, None]:
        try:
            yield name
        except BaseException as exc:
            self.append(f"{name} sees {exc!r}")
            raise
        finally:
            self.append(f"{name} closed")

    async def opened(self, *names: str) -> list[Any]:
        resources: list[Any] = []
        for number, name in enumerate(names):
            resource = self.sync_resource(name) if number % 2 else self.resource(name)
            await anext(resource) if isinstance(resource, AsyncGenerator) else next(resource)
            resources.append(resource)
        return resources


@pytest.mark.parametrize(
    "exc", [ValueError(1), asyncio.CancelledError(), StopAsyncIteration(), StopIteration(), RuntimeError()]
)
async def test_an_exception_passes_through_every_resource_as_it_is(exc: BaseException) -> None:
    log = Log()
    assert await close_failed(await log.opened("a", "b", "c"), exc) is False
    assert [line for line in log if "closed" in line] == ["c closed", "b closed", "a closed"]
    assert [line.split()[0] for line in log if "sees" in line] == ["c", "b", "a"]


async def test_resources_are_resumed_without_an_exception_when_there_is_none() -> None:
    log = Log()
    for resource in reversed(await log.opened("a", "b")):
        async with ResourceExit(resource):
            pass
    assert log == ["b closed", "a closed"]


async def test_the_traceback_does_not_grow_on_the_way() -> None:
    log = Log()
    exc = ValueError(1)
    assert not await close_failed(await log.opened(*"abcdef"), exc)
    assert exc.__traceback__ is None


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("fails", [True, False])
async def test_a_resource_that_goes_on_is_closed_and_named(is_async: bool, fails: bool) -> None:
    log: list[str] = []

    async def twice() -> AsyncGenerator[int, None]:
        for number in (1, 2, 3):
            try:
                yield number
            except ValueError:
                log.append("swallowed")
            finally:
                log.append("resumed")

    def sync_twice() -> Generator[int, None, None]:
        for number in (1, 2, 3):
            try:
                yield number
            except ValueError:
                log.append("swallowed")
            finally:
                log.append("resumed")

    resource = twice() if is_async else sync_twice()
    await anext(resource) if isinstance(resource, AsyncGenerator) else next(resource)
    cause = ValueError() if fails else None
    with pytest.raises(ResourceError, match="twice yielded a second time; it must yield exactly once"):
        await ResourceExit(resource).__aexit__(type(cause) if cause else None, cause, None)
    assert log == ["swallowed"] * fails + ["resumed", "resumed"]


async def test_a_resource_that_refuses_to_end_says_so() -> None:
    async def stubborn() -> AsyncGenerator[int, None]:
        while True:
            try:
                yield 1
            except GeneratorExit:
                break

    resource = stubborn()
    await anext(resource)
    await anext(resource)
    with pytest.raises(ResourceError, match="stubborn yielded a second time"):
        await yielded_twice(resource)


async def test_a_failing_clean_up_does_not_keep_the_others_open_and_knows_its_cause() -> None:
    log = Log()

    async def failing() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise KeyError("clean-up")

    broken = failing()
    await anext(broken)
    (first, second) = await log.opened("a", "b")
    with pytest.raises(KeyError, match="clean-up") as caught:
        await close_failed([first, broken, second], ValueError("handler"))
    assert repr(caught.value.__context__) == "ValueError('handler')"
    assert log == ["b sees ValueError('handler')", "b closed", "a sees KeyError('clean-up')", "a closed"]


async def test_a_resource_that_goes_on_after_a_failure_knows_of_it() -> None:
    async def late() -> AsyncGenerator[int, None]:
        try:
            yield 1
        except ValueError:
            yield 2

    resource = late()
    await anext(resource)
    cause = ValueError("handler")
    try:
        raise cause
    except ValueError:
        with pytest.raises(ResourceError, match="late yielded a second time") as caught:
            await close_failed([resource], cause)
    assert caught.value.__context__ is cause


async def test_a_sync_clean_up_may_fail_with_the_exception_that_ends_async_ones() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        raise StopAsyncIteration("mine")

    resource = failing()
    next(resource)
    with pytest.raises(StopAsyncIteration, match="mine"):
        await ResourceExit(resource).__aexit__(None, None, None)
