"""Generator resources: how one is ended, with contextlib's rules and errors that name it."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

from lihil.di.node import name_of
from lihil.errors import ResourceError

Resource: TypeAlias = AsyncGenerator[Any, None] | Generator[Any, None, None]


class ResourceExit:
    """The end of an opened resource, as an async context manager has it."""

    __slots__ = ("_resource",)

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    async def __aenter__(self) -> None:
        """Nothing: the resource is open."""

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Resume the resource, with `exc` thrown in. Whether it swallowed `exc`; what else it raises comes through."""
        resource = self._resource
        ended = StopAsyncIteration if isinstance(resource, AsyncGenerator) else StopIteration
        try:
            if isinstance(resource, AsyncGenerator):
                await (anext(resource) if exc is None else resource.athrow(exc))
            elif exc is None:
                next(resource)
            else:
                resource.throw(exc)
        except ended as stopped:
            return stopped is not exc
        except BaseException as raised:
            if exc is None or not _is_same(raised, exc):
                raise
            exc.__traceback__ = traceback  # as it was: each resource on the way would add its own lines
            return False
        return await yielded_twice(resource)


def _is_same(raised: BaseException, thrown: BaseException) -> bool:
    """Whether it is what was thrown in. A generator wraps a StopIteration that passes through it (PEP 479)."""
    wraps = isinstance(raised, RuntimeError) and isinstance(thrown, StopAsyncIteration | StopIteration)
    return raised is thrown or (wraps and raised.__cause__ is thrown)


async def close_failed(opened: Sequence[Resource], exc: BaseException) -> bool:
    """End resources last in first out, with `exc` thrown in; whether it was swallowed. To be called in `except`.

    Raises what a resource raises in its place. One that fails does not keep the others open.
    """
    stack = AsyncExitStack()
    for resource in opened:
        stack.push_async_exit(ResourceExit(resource))
    return bool(await stack.__aexit__(type(exc), exc, exc.__traceback__))


async def yielded_twice(resource: Resource) -> NoReturn:
    """Close a resource that went on after its clean-up, and raise ResourceError."""
    name = getattr(resource, "__qualname__", "?").rpartition("<locals>.")[2]
    try:
        raise ResourceError(f"the resource {name} yielded a second time; it must yield exactly once")
    finally:
        if isinstance(resource, AsyncGenerator):
            await resource.aclose()
        else:
            resource.close()


def never_yielded(factory: Callable[..., Any]) -> ResourceError:
    """The error for a resource that ended before its first yield."""
    return ResourceError(f"the resource {name_of(factory)} ended before it yielded a value; it must yield exactly once")
