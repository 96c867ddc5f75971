"""The life of what factories made: opened in order, closed last in first out, exactly once."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, cast

from lihil.di.node import DependentNode, FactoryKind, Parameter, bare_type, meta_of, name_of
from lihil.di.recipe import Outer, RecipeBuilder, Slot, Source, Step
from lihil.di.registry import Constant, Providers
from lihil.errors import ResourceError, SetupError
from lihil.markers import NodeMeta
from lihil.params.decode import type_words

T = TypeVar("T")
Opened: TypeAlias = list[AsyncGenerator[Any, None] | Generator[Any, None, None] | AsyncExitStack]


class Resolver:
    """What `Graph` and `AsyncScope` have in common: they make a value of a type, or call a factory."""

    async def aresolve(self, wanted: type[T] | Callable[..., Any]) -> T:
        """A value of the type `wanted`, or of the factory `wanted`; a class nobody registered is simply called.

        Raises SetupError when something it needs cannot be provided.
        """
        raise NotImplementedError


class AsyncScope(Resolver):
    """Values that live together: those of one connection, or those of the app.

    An async context manager. `reuse` providers give one value per scope; resources end with the scope, last in first
    out, and see the exception that ended it.
    """

    def __init__(
        self,
        providers: Providers,
        *,
        built: dict[DependentNode, Any] | None = None,
        opened: Opened | None = None,
    ) -> None:
        self._providers = providers
        self._kept: dict[DependentNode, Any] = dict(built or {})
        self._opened: Opened = [] if opened is None else opened

    @property
    def kept(self) -> dict[DependentNode, Any]:
        """The values made so far that later calls share."""
        return self._kept

    @property
    def has_resources(self) -> bool:
        """Whether anything waits to be closed."""
        return bool(self._opened)

    def keep(self, node: DependentNode, value: Any) -> None:
        """Share a value made elsewhere in this scope."""
        self._kept[node] = value

    async def aresolve(self, wanted: type[T] | Callable[..., Any]) -> T:
        builder = RecipeBuilder(self._providers, self._kept)
        source = builder.need(self._providers.marked(NodeMeta(wanted)), self._supplier(builder))
        if builder.problems:
            raise SetupError(builder.problems)
        return cast(T, await self._follow(builder.steps, source))

    async def enter_async_context(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enter a context manager that ends with the scope."""
        stack = AsyncExitStack()
        value = await stack.enter_async_context(manager)
        self._opened.append(stack)
        return value

    def enter_context(self, manager: AbstractContextManager[T]) -> T:
        """Enter a context manager that ends with the scope."""
        stack = AsyncExitStack()
        value = stack.enter_context(manager)
        self._opened.append(stack)
        return value

    def register_exit_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call `callback` when the scope ends."""
        stack = AsyncExitStack()
        stack.callback(callback, *args, **kwargs)
        self._opened.append(stack)

    async def aclose(self, exc: BaseException | None = None) -> BaseException | None:
        """End the scope; gives back the exception that is left, None when a resource swallowed it."""
        return await unwind(self._opened, exc)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        left = await self.aclose(exc)
        if left is not None and left is not exc:
            raise left
        return exc is not None and left is None

    def _supplier(self, builder: RecipeBuilder) -> Callable[[Parameter, Callable[..., Any]], Source | None]:
        def supply(parameter: Parameter, function: Callable[..., Any]) -> Source | None:
            meta = meta_of(parameter.annotation)
            if meta is not None and meta.factory is not None:
                return builder.need(self._providers.marked(meta), supply)
            kind = bare_type(parameter.annotation)
            if kind is AsyncScope or kind is Resolver:
                return Constant(self)
            node = None if meta is not None and meta.ignore else self._providers.find(kind)
            if node is not None:
                return builder.need(node, supply)
            if parameter.has_default or parameter.kind in {parameter.kind.VAR_POSITIONAL, parameter.kind.VAR_KEYWORD}:
                return None
            raise builder.missing(parameter, function, type_words(kind))

        return supply

    async def _follow(self, steps: list[Step], wanted: Source) -> Any:
        values: list[Any] = []
        for step in steps:
            positional = [_value(source, values) for name, source in step.arguments if name is None]
            named = {name: _value(source, values) for name, source in step.arguments if name is not None}
            value = await open_resource(step.node, step.node.call(*positional, **named), self._opened)
            values.append(value)
            if step.node.reuse:
                self._kept[step.node] = value
        return _value(wanted, values)


def _value(source: Source, values: list[Any]) -> Any:
    if isinstance(source, Slot):
        return values[source.index]
    assert not isinstance(source, Outer)  # noqa: S101 - a scope hands nothing in from outside
    return source.value


async def open_resource(node: DependentNode, result: Any, opened: Opened) -> Any:
    """The value behind a factory call's result: awaited, or taken from a generator that is then kept for closing."""
    if node.kind is FactoryKind.PLAIN:
        return result
    if node.kind is FactoryKind.COROUTINE:
        return await result
    try:
        value = await anext(result) if node.kind is FactoryKind.ASYNC_GENERATOR else next(result)
    except (StopAsyncIteration, StopIteration):
        raise never_yielded(node.factory) from None
    opened.append(result)
    return value


def never_yielded(factory: Callable[..., Any]) -> ResourceError:
    """The error for a resource that ended before its first yield."""
    return ResourceError(f"the resource {name_of(factory)} ended before it yielded a value; it must yield exactly once")


async def unwind(opened: Opened, exc: BaseException | None) -> BaseException | None:
    """Close resources last in first out, each exactly once; `exc` is thrown into them.

    Gives back the exception that is left: `exc`, another that a resource raised in its place, or None when a resource
    swallowed it (the contract of contextlib.asynccontextmanager). A resource that fails does not keep others open.
    """
    while opened:
        resource = opened.pop()
        try:
            exc = await _close(resource, exc)
        except BaseException as raised:  # whatever it is, the remaining resources must be closed
            exc = raised
    return exc


async def _close(resource: Any, exc: BaseException | None) -> BaseException | None:
    if isinstance(resource, AsyncExitStack):
        swallowed = await resource.__aexit__(type(exc) if exc else None, exc, exc.__traceback__ if exc else None)
        return None if swallowed else exc
    try:
        if isinstance(resource, AsyncGenerator):
            await (anext(resource) if exc is None else resource.athrow(exc))
            await resource.aclose()
        else:
            next(resource) if exc is None else resource.throw(exc)
            resource.close()
    except (StopAsyncIteration, StopIteration) as stopped:
        return exc if stopped is exc else None
    name = getattr(resource, "__qualname__", "?").rpartition("<locals>.")[2]
    raise ResourceError(f"the resource {name} yielded a second time; it must yield exactly once")
