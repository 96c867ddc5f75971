"""The compiled call: order, teardown and exceptions, compared with contextlib.AsyncExitStack."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from lihil import AsyncResource, AsyncScope, Graph, Resolver, Resource, Struct, use
from lihil.binding.plan import FIRST_PARAMETER, SCOPE, make_plan
from lihil.binding.signature import Target
from lihil.di.registry import Providers
from lihil.errors import ResourceError
from lihil.params.sources import Sources

pytestmark = pytest.mark.anyio
TARGET = Target(path_names=frozenset(), given={Resolver: SCOPE}, first_outer=FIRST_PARAMETER)


async def serve(handler: Callable[..., Any], graph: Graph | None = None) -> Any:
    """Call a handler once, with its dependencies."""
    plan = make_plan(handler, TARGET, Providers([graph.registry] if graph else []), {})
    return await plan(None, Sources({}))


# --- every kind of factory


class Plain:
    def __init__(self) -> None:
        self.name = "class"


@dataclass
class Data:
    name: str = "dataclass"


class Record(Struct):
    name: str = "struct"


@dataclass
class Made:
    name: str


def function() -> Made:
    return Made("function")


async def coroutine() -> Made:
    return Made("coroutine")


def generator() -> Resource[Made]:
    yield Made("generator")


async def async_generator() -> AsyncResource[Made]:
    yield Made("async generator")


@contextmanager
def manager() -> Iterator[Made]:
    yield Made("contextmanager")


@asynccontextmanager
async def async_manager() -> AsyncIterator[Made]:
    yield Made("asynccontextmanager")


def wrapping() -> AsyncResource[Made]:
    """A plain function that says that it gives a resource."""
    return async_generator()


@dataclass
class Caller:
    """Its objects are equal, and so they are no keys."""

    name: str

    def __call__(self) -> Made:
        return Made(self.name)


class AsyncCaller:
    async def __call__(self) -> Made:
        return Made("async object")


class Methods:
    name = "method"

    def plain(self) -> Made:
        return Made(self.name)

    @classmethod
    async def of_class(cls) -> Made:
        return Made(f"class {cls.name}")

    @staticmethod
    def of_none() -> Resource[Made]:
        yield Made("static method")

    @asynccontextmanager
    async def managed(self) -> AsyncIterator[Made]:
        yield Made(f"managed {self.name}")

    @contextmanager
    def sync_managed(self) -> Iterator[Made]:
        yield Made(f"sync managed {self.name}")


def named(name: str) -> Made:
    return Made(name)


async def named_resource(name: str) -> AsyncResource[Made]:
    yield Made(name)


FACTORIES: list[tuple[Callable[..., Any], str]] = [
    (Plain, "class"),
    (Data, "dataclass"),
    (Record, "struct"),
    (function, "function"),
    (coroutine, "coroutine"),
    (generator, "generator"),
    (async_generator, "async generator"),
    (manager, "contextmanager"),
    (async_manager, "asynccontextmanager"),
    (wrapping, "async generator"),
    (Caller("object"), "object"),
    (AsyncCaller(), "async object"),
    (Methods().plain, "method"),
    (Methods.of_class, "class method"),
    (Methods.of_none, "static method"),
    (Methods().managed, "managed method"),
    (Methods().sync_managed, "sync managed method"),
    (functools.partial(named, "partial"), "partial"),
    (functools.partial(named, name="keyword"), "keyword"),
    (functools.partial(named_resource, name="resource"), "resource"),
    (functools.partial(Made, name="partial class"), "partial class"),
    (lambda: Made("lambda"), "lambda"),
]


@pytest.mark.parametrize(("factory", "name"), FACTORIES, ids=[name for _, name in FACTORIES])
@pytest.mark.parametrize("scoped", [True, False])
async def test_every_kind_of_factory_gives_its_value(factory: Callable[..., Any], name: str, scoped: bool) -> None:
    async def handler(made: Annotated[Any, use(factory)]) -> str:
        found: str = made.name
        return found

    async def handler_with_scope(made: Annotated[Any, use(factory)], scope: AsyncScope) -> str:
        again: Any = await scope.aresolve(factory)
        assert again.name == made.name
        found: str = made.name
        return found

    assert await serve(handler_with_scope if scoped else handler) == name


@pytest.mark.parametrize(
    ("factory", "name"), FACTORIES[:1] + FACTORIES[3:17], ids=[name for _, name in FACTORIES[:1] + FACTORIES[3:17]]
)
async def test_every_kind_of_factory_can_be_registered(factory: Callable[..., Any], name: str) -> None:
    graph = Graph(factory)
    (provided,) = graph.nodes

    async def handler(made: Any) -> str:
        found: str = made.name
        return found

    handler.__annotations__["made"] = provided
    assert await serve(handler, graph) == name


async def test_reuse_gives_one_value_per_connection_and_else_one_per_parameter() -> None:
    async def handler(
        a: Annotated[Made, use(async_generator, reuse=True)],
        b: Annotated[Made, use(async_generator, reuse=True)],
        c: Annotated[Made, use(async_generator)],
        d: Annotated[Made, use(async_generator)],
    ) -> tuple[Made, bool, bool]:
        return a, a is b, c is d

    first, second = await serve(handler), await serve(handler)
    assert first[1:] == second[1:] == (True, False)
    assert first[0] is not second[0]


async def test_values_and_resources_may_need_each_other() -> None:
    async def upper(made: Annotated[Made, use(async_generator)]) -> str:
        return made.name.upper()

    def twice(text: Annotated[str, use(upper)]) -> Resource[str]:
        yield text + text

    async def handler(text: Annotated[str, use(twice)], plain: Annotated[Plain, use(Plain)]) -> str:
        return text + plain.name

    assert await serve(handler) == "ASYNC GENERATORASYNC GENERATORclass"


async def test_twenty_five_resources_are_no_problem() -> None:
    closed: list[int] = []

    def resource(number: int) -> Callable[[], AsyncGenerator[int, None]]:
        async def numbered() -> AsyncResource[int]:
            yield number
            closed.append(number)

        return numbered

    async def handler(**kwargs: int) -> int:
        return sum(kwargs.values())

    parts = [resource(number) for number in range(25)]
    source = "async def handler(" + ", ".join(f"p{n}: None" for n in range(25)) + "): return p0 + p24"
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    wide = namespace["handler"]
    wide.__annotations__ = {f"p{n}": Annotated[int, use(part)] for n, part in enumerate(parts)}
    assert await serve(wide) == 24
    assert closed == list(reversed(range(25)))


# --- when things go wrong


async def test_a_handlers_exception_is_thrown_into_the_resource() -> None:
    seen: list[str] = []

    async def resource() -> AsyncResource[int]:
        try:
            yield 1
        except ValueError as exc:
            seen.append(repr(exc))
            raise

    async def handler(one: Annotated[int, use(resource)]) -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        await serve(handler)
    assert seen == ["ValueError('why')"]


async def test_a_result_stays_when_a_resource_forgives_another_ones_failing_clean_up() -> None:
    async def forgiving() -> AsyncResource[int]:
        with suppress(KeyError):
            yield 1

    def failing(one: Annotated[int, use(forgiving)]) -> Resource[int]:
        yield one
        raise KeyError("clean-up")

    async def handler(one: Annotated[int, use(failing)]) -> str:
        return "result"

    assert await serve(handler) == "result"


@pytest.mark.parametrize("scoped", [True, False])
async def test_a_resource_that_yields_never_or_twice_is_an_error_that_names_it(scoped: bool) -> None:
    happened: list[str] = []

    async def outer() -> AsyncResource[str]:
        yield "outer"
        happened.append("outer closed")

    async def never(outer: Annotated[str, use(outer)]) -> AsyncResource[str]:
        if happened:
            yield outer

    def twice() -> Resource[str]:
        yield "first"
        yield "second"

    async def asks_never(value: Annotated[str, use(never)], scope: AsyncScope) -> None: ...

    async def asks_twice(value: Annotated[str, use(twice)]) -> None: ...

    async def asks_twice_scoped(value: Annotated[str, use(twice)], scope: AsyncScope) -> None: ...

    with pytest.raises(ResourceError, match="never ended before it yielded a value"):
        await serve(asks_never)
    with pytest.raises(ResourceError, match="twice yielded a second time"):
        await serve(asks_twice_scoped if scoped else asks_twice)


Where = Literal["handler", "factory", "teardown"]


@pytest.mark.parametrize("where", ["handler", "factory", "teardown"])
@pytest.mark.parametrize("scoped", [True, False])
async def test_a_cancelled_connection_closes_every_resource_once(where: Where, scoped: bool) -> None:
    happened: list[str] = []
    reached = asyncio.Event()

    async def wait_at(place: Where) -> None:
        if place == where:
            reached.set()
            await asyncio.Event().wait()

    async def outer() -> AsyncResource[str]:
        try:
            yield "outer"
        finally:
            await asyncio.sleep(0)
            happened.append("outer closed")

    async def inner(outer: Annotated[str, use(outer)]) -> AsyncResource[str]:
        try:
            await wait_at("factory")
            yield outer
        finally:
            happened.append("inner closed")
            await wait_at("teardown")

    async def handler(value: Annotated[str, use(inner)]) -> None:
        await wait_at("handler")

    async def scoped_handler(value: Annotated[str, use(inner)], scope: AsyncScope) -> None:
        await wait_at("handler")

    task = asyncio.create_task(serve(scoped_handler if scoped else handler))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert happened == ["inner closed", "outer closed"]
