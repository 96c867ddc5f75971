"""Compiles a recipe into one straight-line coroutine function.

Why generated code: a connection pays for injection once per handshake, and a loop over steps with a call per argument
costs more than the resources themselves (benchmarks/injection.py compares it with a hand-written AsyncExitStack). For
one async resource and a handler that takes it, the source is:

    async def run(o):
        opened = []
        result = k1
        try:
            g0 = k5(ws=o[0])
            try:
                v0 = await g0.__anext__()
            except StopAsyncIteration:
                raise never_yielded(k6) from None
            opened.append(g0)
            result = await k7(session=v0)
            opened.pop()
            try:
                await g0.__anext__()
            except StopAsyncIteration:
                pass
            else:
                await yielded_twice(g0)
        except BaseException as exc:
            if not opened or not await close_failed(opened, exc):
                raise
        return result

A resource is popped before it is resumed: whatever happens then, it is never resumed again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from lihil.di.node import DependentNode, FactoryKind, name_of
from lihil.di.recipe import Argument, Outer, Slot, Source, Step
from lihil.di.registry import Constant, Providers
from lihil.di.resource import close_failed, never_yielded, yielded_twice
from lihil.di.scope import AsyncScope

Outers: TypeAlias = list[Any]
Run: TypeAlias = Callable[[Outers], Awaitable[Any]]
Call: TypeAlias = Callable[[Outers], Any]
Runner: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
MakeScope: TypeAlias = Callable[[Outers], AsyncScope]


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
    built: Mapping[DependentNode, Any],
    given: Mapping[Any, Source] | None = None,
) -> Run:
    """A coroutine function from the outer values to the handler's result; it opens and closes the resources.

    What `call` gives back is awaited, or handed to `runner` with the first outer value, and the runner's result counts.
    `scope_at` is the place among the outer values that takes this run's AsyncScope, None when nobody asks for one;
    `given` is what factories called through that scope find at hand.
    """
    writer = _Writer()
    if scope_at is not None:
        make_scope = _scope_maker(providers, built, given or {}, scope_at)
        writer.write_scoped(call, arguments, steps, runner, (scope_at, make_scope))
    elif any(step.node.kind.is_resource for step in steps):
        writer.write_guarded(call, arguments, steps, runner)
    else:
        writer.write_plain(call, arguments, steps, runner)
    return writer.finish(name_of(call))


def compile_call(
    call: Callable[..., Any], arguments: Sequence[Argument], steps: Sequence[Step], *, is_coroutine: bool
) -> Call:
    """A plain function from the outer values to the handler's result, for plain factories alone.

    A coroutine function (`is_coroutine`) must be one that never waits: it is run to its end on the spot.
    """
    writer = _Writer("def")
    writer.write_immediate(call, arguments, steps, is_coroutine=is_coroutine)
    return writer.finish(name_of(call))


def _scope_maker(
    providers: Providers, built: Mapping[DependentNode, Any], given: Mapping[Any, Source], scope_at: int
) -> MakeScope:
    constants = {kind: source.value for kind, source in given.items() if isinstance(source, Constant)}
    places = {kind: source.index for kind, source in given.items() if isinstance(source, Outer)}
    places = {kind: place for kind, place in places.items() if place != scope_at}

    def make_scope(outers: Outers) -> AsyncScope:
        at_hand = constants | {kind: outers[place] for kind, place in places.items()}
        return AsyncScope(providers, built=built, at_hand=at_hand)

    return make_scope


class _Writer:
    """Writes the source of one coroutine function; values that are no literals go into its namespace."""

    def __init__(self, defined_by: str = "async def") -> None:
        self._lines = [f"{defined_by} run(o):"]
        self._depth = 1
        self._names: dict[str, Any] = {
            "never_yielded": never_yielded,
            "yielded_twice": yielded_twice,
            "close_failed": close_failed,
        }

    def write_plain(
        self, call: Callable[..., Any], arguments: Sequence[Argument], steps: Sequence[Step], runner: Runner | None
    ) -> None:
        """Nothing to close: make the values, call the handler."""
        for number, step in enumerate(steps):
            self._make(number, step)
        if runner is not None and all(step.node.kind is FactoryKind.PLAIN for step in steps):
            # What the runner gives back is awaited by the caller: a frame less for each connection.
            self._lines[0] = "def run(o):"
            self._line(f"return {self._handled(call, arguments, runner)}")
            return
        self._line(f"return await {self._handled(call, arguments, runner)}")

    def write_immediate(
        self, call: Callable[..., Any], arguments: Sequence[Argument], steps: Sequence[Step], *, is_coroutine: bool
    ) -> None:
        """Nothing to close and nothing to wait for."""
        for number, step in enumerate(steps):
            self._make(number, step)
        if not is_coroutine:
            self._line(f"return {self._called(call, arguments)}")
            return
        self._line("try:")
        self._line(f"    {self._called(call, arguments)}.send(None)")
        self._line("except StopIteration as ended:")
        self._line("    return ended.value")

    def write_guarded(
        self, call: Callable[..., Any], arguments: Sequence[Argument], steps: Sequence[Step], runner: Runner | None
    ) -> None:
        """Resources, closed in line when all goes well, and by close_failed when anything does not."""
        self._line("opened = []")
        self._line(f"result = {self._name(SWALLOWED)}")
        self._line("try:")
        self._depth = 2
        resources = []
        for number, step in enumerate(steps):
            self._make(number, step)
            if step.node.kind.is_resource:
                self._line(f"opened.append(g{number})")
                resources.append((number, step.node.kind))
        self._line(f"result = await {self._handled(call, arguments, runner)}")
        for number, kind in reversed(resources):
            self._line("opened.pop()")
            self._resume(number, kind, ended="pass", otherwise=f"await yielded_twice(g{number})")
        self._depth = 1
        self._line("except BaseException as exc:")
        self._line("    if not opened or not await close_failed(opened, exc):")
        self._line("        raise")
        self._line("return result")

    def write_scoped(
        self,
        call: Callable[..., Any],
        arguments: Sequence[Argument],
        steps: Sequence[Step],
        runner: Runner | None,
        scope: tuple[int, MakeScope],
    ) -> None:
        """Somebody takes the scope and may open more in it, so it alone knows what to close."""
        place, make_scope = scope
        self._line(f"o[{place}] = scope = {self._name(make_scope)}(o)")
        self._line(f"result = {self._name(SWALLOWED)}")
        self._line("async with scope:")
        self._depth = 2
        for number, step in enumerate(steps):
            self._make(number, step)
            if step.node.kind.is_resource:
                self._line(f"scope.adopt(g{number})")
            if step.node.reuse:
                self._line(f"scope.keep({self._name(step.node)}, v{number})")
        self._line(f"result = await {self._handled(call, arguments, runner)}")
        self._depth = 1
        self._line("return result")

    def finish(self, name: str) -> Call:
        """The function, compiled; `name` stands in tracebacks."""
        code = compile("\n".join(self._lines), f"<the plan of {name}>", "exec")
        exec(code, self._names)  # noqa: S102 - the source is made of our own names and numbers only
        run: Call = self._names["run"]
        return run

    def _make(self, number: int, step: Step) -> None:
        node, called = step.node, self._called(step.node.call, step.arguments)
        if node.kind is FactoryKind.PLAIN:
            self._line(f"v{number} = {called}")
        elif node.kind is FactoryKind.COROUTINE:
            self._line(f"v{number} = await {called}")
        else:
            self._line(f"g{number} = {called}")
            ended = f"raise never_yielded({self._name(node.factory)}) from None"
            self._resume(number, node.kind, into=f"v{number} = ", ended=ended)

    def _resume(self, number: int, kind: FactoryKind, *, ended: str, into: str = "", otherwise: str = "") -> None:
        is_async = kind is FactoryKind.ASYNC_GENERATOR
        self._line("try:")
        self._line(f"    {into}await g{number}.__anext__()" if is_async else f"    {into}next(g{number})")
        self._line("except StopAsyncIteration:" if is_async else "except StopIteration:")
        self._line(f"    {ended}")
        if otherwise:
            self._line("else:")
            self._line(f"    {otherwise}")

    def _handled(self, call: Callable[..., Any], arguments: Sequence[Argument], runner: Runner | None) -> str:
        called = self._called(call, arguments)
        return called if runner is None else f"{self._name(runner)}(o[0], {called})"

    def _called(self, function: Callable[..., Any], arguments: Sequence[Argument]) -> str:
        passed = [f"{name}={self._source(source)}" if name else self._source(source) for name, source in arguments]
        return f"{self._name(function)}({', '.join(passed)})"

    def _source(self, source: Source) -> str:
        if isinstance(source, Slot):
            return f"v{source.index}"
        return f"o[{source.index}]" if isinstance(source, Outer) else self._name(source.value)

    def _name(self, value: Any) -> str:
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)
