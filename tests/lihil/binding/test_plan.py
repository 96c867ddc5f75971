"""A handler's call from beginning to end: parameters, dependencies, handler, closing."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

import pytest

from lihil import AsyncResource, AsyncScope, Graph, Resource, SetupError, WebSocket, use
from lihil.binding.plan import FIRST_PARAMETER, make_plan
from lihil.binding.signature import Target, bind
from lihil.di.compile import SWALLOWED
from lihil.di.registry import Providers
from lihil.errors import ParametersError
from lihil.params.sources import Sources

Bind = Callable[..., Any]
TARGET = Target(path_names=frozenset(), given={}, first_outer=FIRST_PARAMETER)


def test_nothing_is_built_when_a_parameter_is_bad(bound: Bind) -> None:
    opened: list[str] = []

    async def resource() -> AsyncResource[str]:
        opened.append("resource")
        yield "value"

    async def handler(resource: Annotated[str, use(resource)], limit: int) -> None: ...

    with pytest.raises(ParametersError):
        bound(handler)("limit=x")
    assert opened == []


def test_resources_are_closed_last_in_first_out_after_the_handler(bound: Bind) -> None:
    happened: list[str] = []

    async def outer(name: str) -> AsyncResource[str]:
        happened.append(f"open {name}")
        yield name
        happened.append(f"close {name}")

    def inner(name: Annotated[str, use(outer)]) -> Resource[str]:
        happened.append("open inner")
        yield name.upper()
        happened.append("close inner")

    async def handler(value: Annotated[str, use(inner)]) -> str:
        happened.append("handler")
        return value

    assert bound(handler)("name=a") == "A"
    assert happened == ["open a", "open inner", "handler", "close inner", "close a"]


def test_a_swallowed_exception_is_told_by_its_own_value(bound: Bind) -> None:
    async def forgiving() -> AsyncResource[int]:
        with suppress(ValueError):
            yield 1

    async def handler(one: Annotated[int, use(forgiving)]) -> None:
        raise ValueError("forgiven")

    assert bound(handler)() is SWALLOWED


def test_the_scope_shares_what_the_plan_has_made(bound: Bind) -> None:
    made: list[str] = []

    async def session() -> AsyncResource[list[str]]:
        made.append("open")
        yield made
        made.append("close")

    async def name(ws: WebSocket) -> str:
        return type(ws).__name__

    async def handler(one: Annotated[list[str], use(session, reuse=True)], scope: AsyncScope) -> tuple[bool, str]:
        graph_session = await scope.aresolve(session)
        return graph_session is one, await scope.aresolve(name)

    graph = Graph()
    graph.node(reuse=True)(session)
    assert bound(handler, graph=graph)() == (True, "WebSocket")
    assert made == ["open", "close"]


def test_the_runner_gets_the_connection_and_the_handlers_call() -> None:
    async def handler(a: int) -> int:
        return a

    async def runner(connection: str, call: Any) -> tuple[str, int]:
        return connection, await call

    async def serve() -> Any:
        plan = make_plan(handler, TARGET, Providers([]), {}, runner=runner)
        return await plan("connection", Sources({"query_string": b"a=1"}))

    assert asyncio.run(serve()) == ("connection", 1)


def test_another_function_may_be_called_with_the_handlers_arguments() -> None:
    def handler(a: int) -> int:
        return a

    async def call(a: int) -> int:
        return handler(a) * 2

    async def serve() -> Any:
        return await make_plan(handler, TARGET, Providers([]), {}, call=call)(None, Sources({"query_string": b"a=4"}))

    assert asyncio.run(serve()) == 8


def test_all_set_up_problems_are_raised_together() -> None:
    async def handler(a, b: complex) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(SetupError) as caught:
        make_plan(handler, TARGET, Providers([]), {})
    assert [problem.parameter for problem in caught.value.problems] == ["a", "b"]
    assert bind(handler, TARGET, Providers([])).problems == caught.value.problems


def test_what_the_app_has_built_is_handed_to_every_connection(bound: Bind) -> None:
    graph = Graph()

    @graph.singleton
    def pool() -> list[int]:
        raise AssertionError("built a second time")

    async def handler(pool: list[int], scope: AsyncScope) -> bool:
        return pool is await scope.aresolve(list[int])

    made = bound(handler, graph=graph)
    built = {graph.nodes[list[int]]: [1, 2]}
    plan = make_plan(made.handler, made.target, Providers([graph.registry]), built)
    assert asyncio.run(serve_once(plan)) is True


async def serve_once(plan: Callable[..., Any]) -> Any:
    return await plan(None, Sources({}))


def test_two_threads_with_a_loop_each_share_one_plan_and_no_values(bound: Bind) -> None:
    async def session(name: str) -> AsyncResource[list[str]]:
        yield [name]

    async def handler(session: Annotated[list[str], use(session, reuse=True)], name: str, times: int) -> list[str]:
        for _ in range(times):
            session.append(name)
            await asyncio.sleep(0)
        return session

    plan = bound(handler).plan()
    results: dict[str, list[str]] = {}

    def serve(name: str) -> None:
        sources = Sources({"query_string": f"name={name}&times=50".encode()})
        results[name] = asyncio.run(call(plan, sources))

    async def call(plan: Callable[..., Any], sources: Sources) -> list[str]:
        found: list[str] = await plan(None, sources)
        return found

    threads = [threading.Thread(target=serve, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {"a": ["a"] * 51, "b": ["b"] * 51}


def test_two_apps_share_no_values(bound: Bind) -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

    async def handler(counter: Counter) -> Counter:
        return counter

    def made_counter() -> Counter:
        return Counter()

    first, second = Graph(Counter), Graph(made_counter)
    with first.override(Counter, value=(fake := Counter())):
        assert bound(handler, graph=first)() is fake
        assert bound(handler, graph=second)() is not fake
