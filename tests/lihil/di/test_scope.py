"""Values that live together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Annotated

import pytest

from lihil import AsyncResource, AsyncScope, Graph, NodeMeta, Resource, SetupError, use
from lihil.di.node import DependentNode
from lihil.di.registry import Providers
from lihil.di.resource import ResourceExit
from lihil.errors import ResourceError

pytestmark = pytest.mark.anyio


class Pool:
    def __init__(self) -> None:
        self.log: list[str] = []


async def open_pool() -> AsyncResource[Pool]:
    pool = Pool()
    pool.log.append("open")
    try:
        yield pool
    except ZeroDivisionError as exc:
        pool.log.append(repr(exc))
        raise
    finally:
        pool.log.append("close")


def open_cursor(pool: Annotated[Pool, use(open_pool, reuse=True)]) -> Resource[Pool]:
    pool.log.append("open cursor")
    yield pool
    pool.log.append("close cursor")


async def count(pool: Annotated[Pool, use(open_pool, reuse=True)]) -> int:
    return len(pool.log)


async def test_resources_end_with_the_scope_last_in_first_out() -> None:
    async with Graph().ascope() as scope:
        pool: Pool = await scope.aresolve(open_cursor)
        assert pool.log == ["open", "open cursor"]
    assert pool.log == ["open", "open cursor", "close cursor", "close"]


async def test_reused_values_are_shared_in_a_scope_and_not_between_scopes() -> None:
    graph = Graph((open_pool, NodeMeta(reuse=True)))  # type: ignore[arg-type]
    async with graph.ascope() as first, graph.ascope() as second:
        assert await first.aresolve(Pool) is await first.aresolve(Pool)
        assert await first.aresolve(count) == 1
        assert await first.aresolve(Pool) is not await second.aresolve(Pool)


async def test_tasks_that_ask_at_the_same_time_share_a_reused_value() -> None:
    made: list[int] = []

    async def slow() -> AsyncResource[int]:
        made.append(len(made))
        await asyncio.sleep(0)
        yield made[-1]

    def asks(number: Annotated[int, use(slow, reuse=True)]) -> int:
        return number

    async with Graph().ascope() as scope:
        assert set(await asyncio.gather(scope.aresolve(asks), scope.aresolve(asks))) == {0}
    assert made == [0]


async def test_values_that_are_not_reused_are_made_each_time() -> None:
    async with Graph().ascope() as scope:
        assert await scope.aresolve(open_pool) is not await scope.aresolve(open_pool)


async def test_resources_see_the_exception_that_ended_the_scope() -> None:
    scope = Graph().ascope()
    pool = await scope.aresolve(open_pool)
    with pytest.raises(ZeroDivisionError):
        async with scope:
            raise ZeroDivisionError("why")
    assert pool.log == ["open", "ZeroDivisionError('why')", "close"]


async def test_closing_gives_back_the_exception_that_is_left() -> None:
    @asynccontextmanager
    async def forgiving() -> AsyncIterator[None]:
        with suppress(ValueError):
            yield

    scope = Graph().ascope()
    await scope.enter_async_context(forgiving())
    assert await scope.aclose(ValueError("forgiven")) is None

    cause = KeyError("why")
    assert await Graph().ascope().aclose(cause) is cause
    assert await Graph().ascope().aclose() is None

    failing = Graph().ascope()
    failing.register_exit_callback(dict[str, int]().__getitem__, "missing")
    assert isinstance(await failing.aclose(), KeyError)


async def test_context_managers_and_callbacks_end_in_turn_with_the_resources() -> None:
    happened: list[str] = []

    @contextmanager
    def manager(name: str) -> Iterator[str]:
        yield name
        happened.append(f"leave {name}")

    @asynccontextmanager
    async def async_manager(name: str) -> AsyncIterator[str]:
        yield name
        happened.append(f"leave {name}")

    async def resource() -> AsyncResource[int]:
        yield 1
        happened.append("close resource")

    async def async_callback(name: str, *, end: str) -> None:
        happened.append(name + end)

    async with Graph().ascope() as scope:
        assert scope.enter_context(manager("a")) == "a"
        assert await scope.aresolve(resource) == 1
        assert await scope.enter_async_context(async_manager("b")) == "b"
        scope.register_exit_callback(happened.append, "callback")
        scope.register_exit_callback(async_callback, "async", end="!")
    assert happened == ["async!", "callback", "leave b", "close resource", "leave a"]


async def test_a_scope_that_has_ended_takes_nothing_more() -> None:
    async with Graph().ascope() as scope:
        pass
    for call in (
        lambda: scope.aresolve(open_pool),
        lambda: scope.enter_async_context(ResourceExit(open_pool())),
    ):
        with pytest.raises(ResourceError, match="this scope has ended"):
            await call()
    with pytest.raises(ResourceError, match="this scope has ended"):
        scope.register_exit_callback(print)
    with pytest.raises(ResourceError, match="this scope has ended"):
        scope.enter_context(contextmanager(open_cursor)(Pool()))


async def test_a_resource_that_fails_to_open_leaves_those_before_it_to_be_closed() -> None:
    async def failing(pool: Annotated[Pool, use(open_pool, reuse=True)]) -> AsyncResource[int]:
        pool.log.append("failing")
        yield len(pool.log) // 0

    async with Graph().ascope() as scope:
        with pytest.raises(ZeroDivisionError):
            await scope.aresolve(failing)
        pool: Pool = await scope.aresolve(open_cursor)
        assert pool.log == ["open", "failing", "open cursor"]
    assert pool.log[-2:] == ["close cursor", "close"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_resource_that_never_yields_is_named(is_async: bool) -> None:
    async def silent() -> AsyncResource[int]:
        if is_async:
            return
        yield 1

    def sync_silent() -> Resource[int]:
        if not is_async:
            return
        yield 1

    async with Graph().ascope() as scope:
        with pytest.raises(ResourceError, match="silent ended before it yielded a value; it must yield exactly once"):
            await scope.aresolve(silent if is_async else sync_silent)


async def test_what_a_factory_asks_for_may_have_a_default_or_a_mark() -> None:
    def make(
        pool: Annotated[Pool, use(open_pool)], name: str = "x", *args: int, limit: int = 5, **rest: int
    ) -> list[object]:
        return [type(pool), name, args, limit, rest]

    def by_position(a: int = 1, b: Pool = Pool(), /, c: int = 3) -> list[object]:  # noqa: B008 - never changed
        return [a, type(b), c]

    async with Graph(open_pool).ascope() as scope:
        assert await scope.aresolve(make) == [Pool, "x", (), 5, {}]
        assert await scope.aresolve(by_position) == [1, Pool, 3]


async def test_what_cannot_be_provided_is_told_and_nothing_is_opened() -> None:
    def make(pool: Annotated[Pool, use(open_pool)], a: Annotated[int, NodeMeta(ignore=True)], b: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def count_provider() -> int:
        return 1

    async with Graph(count_provider).ascope() as scope:
        with pytest.raises(SetupError) as caught:
            await scope.aresolve(make)
    assert [problem.parameter for problem in caught.value.problems] == ["a", "b"]


async def test_a_value_made_elsewhere_is_shared_and_a_resource_opened_elsewhere_is_closed() -> None:
    node = DependentNode.of(open_pool, reuse=True)
    graph = Graph()
    graph.registry.nodes[Pool] = node
    generator = open_pool()
    pool = await anext(generator)
    async with AsyncScope(Providers([graph.registry])) as scope:
        scope.adopt(generator)
        scope.keep(node, pool)
        assert await scope.aresolve(Pool) is pool
        assert scope.kept == {node: pool}
    assert pool.log == ["open", "close"]


async def test_a_scope_that_is_cancelled_while_it_opens_closes_what_is_open() -> None:
    reached = asyncio.Event()
    pools: list[Pool] = []

    async def waiting(pool: Annotated[Pool, use(open_pool)]) -> AsyncResource[int]:
        pools.append(pool)
        reached.set()
        await asyncio.Event().wait()
        yield 1

    async def serve() -> None:
        async with Graph().ascope() as scope:
            await scope.aresolve(waiting)

    task = asyncio.create_task(serve())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pools[0].log == ["open", "close"]
