"""The compiled call: order, teardown and exceptions, compared with contextlib.AsyncExitStack."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil import AsyncResource, AsyncScope, Graph, Resolver, Resource, Struct, use
from lihil.binding.plan import FIRST_PARAMETER, SCOPE, make_plan
from lihil.binding.signature import Target
from lihil.di.compile import SWALLOWED
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


# --- random trees of resources, with contextlib.AsyncExitStack as the oracle

Act = Literal["pass", "raise", "swallow", "replace", "twice", "late"]


@dataclass
class Node:
    """One resource: how it opens, what it does with an exception, how it ends, and what it needs."""

    is_async: bool
    opens: bool
    act: Act
    ends: bool
    needs: list["Node"]
    name: str = ""
    log: list[str] = field(default_factory=list)


class FailureError(Exception):
    """What a resource or the handler raises."""


nodes = st.recursive(
    st.builds(
        Node,
        is_async=st.booleans(),
        opens=st.sampled_from([True, True, True, True, False]),
        act=st.sampled_from(["pass", "pass", "pass", "raise", "swallow", "replace", "twice", "late"]),
        ends=st.sampled_from([True, True, True, False]),
        needs=st.just([]),
    ),
    lambda children: st.builds(
        Node,
        is_async=st.booleans(),
        opens=st.sampled_from([True, True, True, True, False]),
        act=st.sampled_from(["pass", "pass", "pass", "raise", "swallow", "replace"]),
        ends=st.sampled_from([True, True, True, False]),
        needs=st.lists(children, max_size=3),
    ),
    max_leaves=8,
)


def body(node: Node) -> Generator[str, None, None]:
    """What both kinds of resources do, step by step; yields where the resource does."""
    node.log.append(f"open {node.name}")
    if not node.opens:
        raise FailureError(f"{node.name} did not open")
    try:
        yield node.name
        if node.act == "twice":
            yield "again"
    except FailureError as exc:
        node.log.append(f"{node.name} sees {exc}")
        if node.act == "swallow":
            return
        if node.act == "replace":
            raise FailureError(f"{node.name} replaced") from exc
        if node.act == "late":
            yield "late"
        raise
    finally:
        node.log.append(f"close {node.name}")
        if not node.ends:
            raise FailureError(f"{node.name} did not close")


def factory_of(node: Node) -> Callable[..., Any]:
    async def async_resource(*values: Any) -> AsyncGenerator[str, None]:
        steps = body(node)
        value = next(steps)
        while True:
            try:
                yield value
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as exc:
                try:
                    value = steps.throw(exc)
                except StopIteration:
                    return
            else:
                try:
                    value = next(steps)
                except StopIteration:
                    return

    def sync_resource(*values: Any) -> Generator[str, None, None]:
        yield from body(node)

    made = async_resource if node.is_async else sync_resource
    source = f"lambda made, {', '.join(f'p{n}' for n in range(len(node.needs)))}: made()"
    wired = functools.partial(eval(source), made)
    function: Any = wired.func
    function.__annotations__ = {f"p{n}": Annotated[str, use(factory_of(need))] for n, need in enumerate(node.needs)}
    function.__annotations__["return"] = (AsyncResource if node.is_async else Resource)[str]
    return wired


async def by_hand(node: Node, stack: AsyncExitStack) -> None:
    """Open a tree in the order that injection has: what a resource needs before the resource."""
    for need in node.needs:
        await by_hand(need, stack)
    made = functools.partial(body, node)
    if node.is_async:
        generator = factory_of(Node(True, node.opens, node.act, node.ends, [], node.name, node.log))
        await stack.enter_async_context(asynccontextmanager(generator)())
    else:
        stack.enter_context(contextmanager(made)())


def prepared(tree: Node) -> tuple[list[str], set[str]]:
    """Name the nodes and give them one log; the log, and the names of those that will not open."""
    log: list[str] = []
    waiting = [tree]
    for number, node in enumerate(waiting):
        node.name, node.log = f"r{number}", log
        waiting += node.needs
    return log, {node.name for node in waiting if not node.opens}


def chain_of(exc: BaseException | None) -> list[str]:
    """An exception and its contexts; the two words for a resource that goes on are one."""
    chain: list[str] = []
    while exc is not None and len(chain) < 50:
        went_on = isinstance(exc, ResourceError) or "generator didn't stop" in str(exc)
        chain.append("went on" if went_on else f"{type(exc).__name__}: {exc}")
        exc = exc.__context__
    return chain


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> list[str]:
    try:
        return [f"result {await call()}"]
    except Exception as exc:
        return chain_of(exc)


@given(tree=nodes, fails=st.booleans(), scoped=st.booleans())
async def test_resources_open_close_and_fail_as_in_an_exit_stack(tree: Node, fails: bool, scoped: bool) -> None:
    log, unopenable = prepared(tree)

    async def handle() -> str:
        log.append("handler")
        if fails:
            raise FailureError("handler failed")
        return "done"

    async def handler(value: Any) -> str:
        return await handle()

    async def scoped_handler(value: Any, scope: AsyncScope) -> str:
        return await handle()

    async def oracle() -> Any:
        results: list[Any] = [SWALLOWED]
        async with AsyncExitStack() as stack:
            await by_hand(tree, stack)
            results.append(await handle())
        return results[-1]

    expected = await outcome_of(oracle)
    expected_log = log[:]
    log.clear()
    chosen = scoped_handler if scoped else handler
    chosen.__annotations__["value"] = Annotated[str, use(factory_of(tree))]
    assert await outcome_of(lambda: serve(chosen)) == expected
    assert log == expected_log
    opened = [line.removeprefix("open ") for line in log if line.startswith("open ")]
    closed = [line.removeprefix("close ") for line in log if line.startswith("close ")]
    assert len(set(closed)) == len(closed)
    assert [name for name in opened if name not in closed] == [name for name in opened[-1:] if name in unopenable]
