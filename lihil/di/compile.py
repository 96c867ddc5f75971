"""Compiles a recipe into one straight-line coroutine function.

Why generated code: a connection pays for injection once per handshake, and a loop over steps with a call per argument
costs more than the resources themselves (benchmarks/injection.py compares it with a hand-written AsyncExitStack).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from lihil.di.node import DependentNode, FactoryKind
from lihil.di.recipe import Argument, Outer, Slot, Source, Step
from lihil.di.registry import Constant, Providers
from lihil.di.scope import AsyncScope, Opened, never_yielded, unwind

Outers: TypeAlias = list[Any]
Run: TypeAlias = Callable[[Outers], Awaitable[Any]]
Build: TypeAlias = Callable[[Outers, Opened], Awaitable[Any]]
Runner: TypeAlias = Callable[[Any, Any], Awaitable[Any]]


class Swallowed:
    """The type of SWALLOWED."""


SWALLOWED: Final = Swallowed()
"""What a run gives back when a resource swallowed the handler's exception."""


def compile_run(
    call: Callable[..., Any],
    arguments: Sequence[Argument],
    steps: Sequence[Step],
    *,
    runner: Runner | None = None,
    scope_at: int | None = None,
    providers: Providers,
    built: dict[DependentNode, Any],
) -> Run:
    """A coroutine function from the outer values to the handler's result; it opens and closes the resources.

    What `call` gives back is awaited, or handed to `runner` with the first outer value, and the runner's result counts.
    `scope_at` is the place among the outer values that takes this run's AsyncScope, None when nobody asks for one.
    """
    build = _compile_build(call, arguments, steps, runner, scope_at)
    if scope_at is None and not any(step.node.kind.is_resource for step in steps):
        return lambda outers: build(outers, _NOTHING_OPENED)

    async def run(outers: Outers) -> Any:
        opened: Opened = []
        if scope_at is not None:
            outers[scope_at] = AsyncScope(providers, built=built, opened=opened)
        try:
            result = await build(outers, opened)
        except BaseException as exc:
            left = await unwind(opened, exc)
            if left is exc:
                raise
            if left is not None:
                raise left  # noqa: B904 - Python has set its context
            return SWALLOWED
        left = await unwind(opened, None)
        if left is not None:
            raise left
        return result

    return run


_NOTHING_OPENED: Final[Opened] = []


def _compile_build(
    call: Callable[..., Any],
    arguments: Sequence[Argument],
    steps: Sequence[Step],
    runner: Runner | None,
    scope_at: int | None,
) -> Build:
    writer = _Writer(scope_at)
    for number, step in enumerate(steps):
        writer.step(number, step)
    writer.finally_call(call, arguments, runner)
    return writer.finish()


class _Writer:
    """Writes the source of one coroutine function; values that are no literals go into its namespace."""

    def __init__(self, scope_at: int | None) -> None:
        self._lines = ["async def build(o, opened):"]
        self._names: dict[str, Any] = {"never_yielded": never_yielded}
        self._scope_at = scope_at

    def line(self, text: str) -> None:
        self._lines.append(f"    {text}")

    def step(self, number: int, step: Step) -> None:
        node, value = step.node, f"v{number}"
        called = self.call(node.call, step.arguments)
        if node.kind is FactoryKind.PLAIN:
            self.line(f"{value} = {called}")
        elif node.kind is FactoryKind.COROUTINE:
            self.line(f"{value} = await {called}")
        else:
            self._open(number, called, node)
        if node.reuse and self._scope_at is not None:
            self.line(f"o[{self._scope_at}].keep({self._name(node)}, {value})")

    def _open(self, number: int, called: str, node: DependentNode) -> None:
        is_async = node.kind is FactoryKind.ASYNC_GENERATOR
        first, end = ("await g{0}.__anext__()", "StopAsyncIteration") if is_async else ("next(g{0})", "StopIteration")
        self.line(f"g{number} = {called}")
        self.line("try:")
        self.line(f"    v{number} = {first.format(number)}")
        self.line(f"except {end}:")
        self.line(f"    raise never_yielded({self._name(node.factory)}) from None")
        self.line(f"opened.append(g{number})")

    def finally_call(self, call: Callable[..., Any], arguments: Sequence[Argument], runner: Runner | None) -> None:
        called = self.call(call, arguments)
        self.line(f"return await {called}" if runner is None else f"return await {self._name(runner)}(o[0], {called})")

    def call(self, function: Callable[..., Any], arguments: Sequence[Argument]) -> str:
        passed = [f"{name}={self._source(source)}" if name else self._source(source) for name, source in arguments]
        return f"{self._name(function)}({', '.join(passed)})"

    def finish(self) -> Build:
        exec("\n".join(self._lines), self._names)  # noqa: S102 - the source is made of our own names and numbers only
        build: Build = self._names["build"]
        return build

    def _source(self, source: Source) -> str:
        match source:
            case Slot(index):
                return f"v{index}"
            case Outer(index):
                return f"o[{index}]"
            case Constant(value):
                return self._name(value)

    def _name(self, value: Any) -> str:
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name
