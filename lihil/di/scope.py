"""The life of what factories made: opened in order, closed last in first out, exactly once."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, overload

from lihil.di.node import DependentNode, FactoryKind, Parameter, bare_type, kind_of, meta_of
from lihil.di.recipe import Outer, RecipeBuilder, Slot, Source, Step
from lihil.di.registry import Constant, Providers, is_hashable
from lihil.di.resource import Resource, ResourceExit, never_yielded
from lihil.errors import ResourceError, SetupError
from lihil.markers import NodeMeta

T = TypeVar("T")


Made: TypeAlias = (
    Coroutine[Any, Any, T]
    | AsyncIterator[T]
    | Generator[T, None, None]
    | AbstractAsyncContextManager[T]
    | AbstractContextManager[T]
)
"""What a factory of T may give back besides a T."""


class Resolver:
    """What `Graph` and `AsyncScope` have in common: they make a value of a type, or call a factory."""

    @overload
    async def aresolve(self, wanted: type[T]) -> T: ...
    @overload
    async def aresolve(self, wanted: Callable[..., Made[T]]) -> T: ...
    @overload
    async def aresolve(self, wanted: Callable[..., T]) -> T: ...
    async def aresolve(self, wanted: Callable[..., Any]) -> Any:
        """A value of the type `wanted`, or of the factory `wanted`; a class nobody registered is simply called.

        Raises SetupError when something it needs cannot be provided.
        """
        return await self._resolved(wanted)

    async def _resolved(self, wanted: Callable[..., Any]) -> Any:
        raise NotImplementedError


class AsyncScope(Resolver):
    """Values that live together: those of one connection, or those of the app.

    An async context manager. `reuse` providers give one value per scope; resources end with the scope, last in first
    out, and see the exception that ended it (the contract of contextlib.AsyncExitStack). `at_hand` are finished values
    by type that factories may ask for; the scope itself is always one.
    """

    def __init__(
        self,
        providers: Providers,
        *,
        built: Mapping[DependentNode, Any] | None = None,
        at_hand: Mapping[Any, Any] | None = None,
    ) -> None:
        self._providers = providers
        self._kept: dict[DependentNode, Any] = dict(built or {})
        self._at_hand = {**(at_hand or {}), AsyncScope: self, Resolver: self}
        self._stack = AsyncExitStack()
        self._ended = False
        self._locks: dict[DependentNode, asyncio.Lock] = {}

    @property
    def kept(self) -> dict[DependentNode, Any]:
        """The values made so far that later calls share."""
        return self._kept

    def keep(self, node: DependentNode, value: Any) -> None:
        """Share a value made elsewhere in this scope."""
        self._kept[node] = value

    def adopt(self, resource: Resource) -> None:
        """End a resource that was opened elsewhere with this scope."""
        self._stack.push_async_exit(ResourceExit(resource))

    def recipe_of(self, wanted: Callable[..., Any]) -> tuple[Sequence[Step], Source]:
        """The factory calls that lead to a value, and which of them gives it. Raises SetupError."""
        if is_hashable(wanted) and wanted in self._at_hand:
            return (), Constant(self._at_hand[wanted])
        builder = RecipeBuilder(self._providers, self._kept)
        source = builder.need(self._providers.marked(NodeMeta(wanted)), self._supplier(builder))
        if builder.problems:
            raise SetupError(builder.problems)
        return builder.steps, source

    async def enter_async_context(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter a context manager that ends with the scope."""
        self._check_alive()
        return await self._stack.enter_async_context(manager)

    def enter_context(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager that ends with the scope."""
        self._check_alive()
        return self._stack.enter_context(manager)

    def register_exit_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call `callback` when the scope ends; what an async one gives back is awaited."""
        self._check_alive()
        if kind_of(callback) is FactoryKind.COROUTINE:
            self._stack.push_async_callback(callback, *args, **kwargs)
        else:
            self._stack.callback(callback, *args, **kwargs)

    async def aclose(self, exc: BaseException | None = None) -> BaseException | None:
        """End the scope; gives back the exception that is left, None when a resource swallowed it."""
        try:
            swallowed = await self.__aexit__(type(exc) if exc else None, exc, exc.__traceback__ if exc else None)
        except BaseException as raised:
            return raised
        return None if swallowed else exc

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await self._stack.__aexit__(kind, exc, traceback)
        finally:
            self._ended = True

    async def _resolved(self, wanted: Callable[..., Any]) -> Any:
        self._check_alive()
        steps, source = self.recipe_of(wanted)
        return await self._follow(steps, source)

    def _check_alive(self) -> None:
        if self._ended:
            raise ResourceError(
                "this scope has ended, so nothing would close what is opened in it; take what you need "
                "before the handler returns"
            )

    def _supplier(self, builder: RecipeBuilder) -> Callable[[Parameter, Callable[..., Any]], Source | None]:
        def supply(parameter: Parameter, function: Callable[..., Any]) -> Source | None:
            meta = meta_of(parameter.annotation)
            if meta is not None and meta.factory is not None:
                return builder.need(self._providers.marked(meta), supply)
            kind = bare_type(parameter.annotation)
            if is_hashable(kind) and kind in self._at_hand:
                return Constant(self._at_hand[kind])
            node = None if meta is not None and meta.ignore else self._providers.find(kind)
            if node is not None:
                return builder.need(node, supply)
            if parameter.has_default or parameter.is_variadic:
                return None
            raise builder.missing(parameter, function)

        return supply

    async def _follow(self, steps: Sequence[Step], wanted: Source) -> Any:
        values: list[Any] = []
        for step in steps:
            positional = [_value(source, values) for name, source in step.arguments if name is None]
            named = {name: _value(source, values) for name, source in step.arguments if name is not None}
            call = functools.partial(step.node.call, *positional, **named)
            values.append(await (self._shared(step.node, call) if step.node.reuse else self._made(step.node, call)))
        return _value(wanted, values)

    async def _shared(self, node: DependentNode, call: Callable[[], Any]) -> Any:
        """The one value of a `reuse` provider, also for tasks that ask for it at the same time."""
        async with self._locks.setdefault(node, asyncio.Lock()):
            if node in self._kept:
                return self._kept[node]
            value = self._kept[node] = await self._made(node, call)
            return value

    async def _made(self, node: DependentNode, call: Callable[[], Any]) -> Any:
        """The value behind a factory call's result: awaited, or taken from a generator that the scope closes."""
        result = call()
        if node.kind is FactoryKind.PLAIN:
            return result
        if node.kind is FactoryKind.COROUTINE:
            return await result
        try:
            value = await anext(result) if node.kind is FactoryKind.ASYNC_GENERATOR else next(result)
        except (StopAsyncIteration, StopIteration):
            raise never_yielded(node.factory) from None
        self.adopt(result)
        return value


def _value(source: Source, values: list[Any]) -> Any:
    if isinstance(source, Slot):
        return values[source.index]
    assert not isinstance(source, Outer)  # noqa: S101 - a scope hands nothing in from outside
    return source.value
