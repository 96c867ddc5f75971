"""Random trees of resources, opened and closed by a compiled call, with contextlib.AsyncExitStack as the oracle."""

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil import AsyncResource, AsyncScope, Resolver, Resource, use
from lihil.binding.plan import FIRST_PARAMETER, SCOPE, make_plan
from lihil.binding.signature import Target
from lihil.di.compile import SWALLOWED
from lihil.di.registry import Providers
from lihil.errors import ResourceError
from lihil.params.sources import Sources

pytestmark = pytest.mark.anyio
TARGET = Target(path_names=frozenset(), given={Resolver: SCOPE}, first_outer=FIRST_PARAMETER)


async def serve(handler: Callable[..., Any]) -> Any:
    """Call a handler once, with its dependencies."""
    return await make_plan(handler, TARGET, Providers([]), {})(None, Sources({}))


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
    """An exception and its contexts, up to a resource that went on: contextlib may lose the context of that."""
    chain: list[str] = []
    while exc is not None:
        if isinstance(exc, ResourceError) or "generator didn't stop" in str(exc):
            return [*chain, "went on"]
        chain.append(f"{type(exc).__name__}: {exc}")
        exc = exc.__context__
    return chain


async def outcome_of(call: Callable[[], Awaitable[Any]]) -> list[str]:
    try:
        return [f"result {await call()}"]
    except Exception as exc:
        return chain_of(exc)


@settings(deadline=None)
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
    outcome = await outcome_of(lambda: serve(chosen))
    assert outcome[: len(expected)] == expected  # ours may know of one context more, of a failure forgiven before
    assert log == expected_log
    opened = [line.removeprefix("open ") for line in log if line.startswith("open ")]
    closed = [line.removeprefix("close ") for line in log if line.startswith("close ")]
    assert len(set(closed)) == len(closed)
    assert [name for name in opened if name not in closed] == [name for name in opened[-1:] if name in unopenable]
