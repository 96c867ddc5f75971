"""`Route`: a path and its handlers, one for each HTTP method."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

from lihil.asgi import Middleware
from lihil.di.annotations import note_local_names
from lihil.di.node import name_of, place_of, problem_at
from lihil.errors import SetupError, SetupProblem
from lihil.http.endpoint import HTTPEndpoint
from lihil.routing.route import Endpoint, RouteNode, Surroundings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Registered:
    """One handler and what was said about it."""

    method: str
    handler: Callable[..., Any]
    status: int | None
    middlewares: tuple[Middleware, ...]


class Route(RouteNode):
    """A path that answers HTTP requests.

    `Route("rooms/{name}")`; the leading slash may be left out. `deps` are providers for this route and those below,
    `middlewares` wrap it. A handler is registered by the method's name, `@route.get` or `@route.get(status=201)`, and
    may be `async def`, `def` (called in a thread), or a generator of either kind, whose items are streamed. Without a
    handler it is a parent only. Raises PathError for a pattern that cannot be read.
    """

    _registered: tuple[_Registered, ...] = ()

    @property
    def get(self) -> "Register":
        """Register the handler of GET. HEAD is answered by the same handler, without the content."""
        return Register(self, "GET")

    @property
    def post(self) -> "Register":
        """Register the handler of POST."""
        return Register(self, "POST")

    @property
    def put(self) -> "Register":
        """Register the handler of PUT."""
        return Register(self, "PUT")

    @property
    def patch(self) -> "Register":
        """Register the handler of PATCH."""
        return Register(self, "PATCH")

    @property
    def delete(self) -> "Register":
        """Register the handler of DELETE."""
        return Register(self, "DELETE")

    @property
    def head(self) -> "Register":
        """Register a handler of HEAD of its own."""
        return Register(self, "HEAD")

    @property
    def options(self) -> "Register":
        """Register a handler of OPTIONS; without one, it is answered with the methods that the path knows."""
        return Register(self, "OPTIONS")

    def _add(self, registered: _Registered) -> None:
        """Add a handler. Raises SetupError for a second one of the same method."""
        for other in self._registered:
            if other.method == registered.method:
                file, line = place_of(other.handler)
                what = f"{self!r} has a {other.method} handler already: {name_of(other.handler)} ({file}:{line})"
                fix = f"give {name_of(other.handler)} or this one a route of its own"
                raise SetupError([problem_at(registered.handler, what, fix)])
        self._registered = (*self._registered, registered)

    def endpoints(self, around: Surroundings) -> Sequence[Endpoint]:
        return [
            HTTPEndpoint(item.method, item.handler, around, status=item.status, middlewares=item.middlewares)
            for item in self._registered
        ]


class Register:
    """The decorator of one method of one route, with and without arguments."""

    def __init__(self, route: Route, method: str) -> None:
        self._route = route
        self._method = method

    @overload
    def __call__(self, handler: F, /) -> F: ...
    @overload
    def __call__(
        self,
        handler: None = ...,
        /,
        *,
        status: int | None = ...,
        deps: Sequence[Any] = ...,
        middlewares: Sequence[Middleware] = ...,
    ) -> Callable[[F], F]: ...
    def __call__(
        self,
        handler: F | None = None,
        /,
        *,
        status: int | None = None,
        deps: Sequence[Any] = (),
        middlewares: Sequence[Middleware] = (),
    ) -> F | Callable[[F], F]:
        """Register the handler and give it back as it is.

        `status` is that of a result that is no Response, 200 by default. `deps` are providers for this route,
        `middlewares` wrap this handler alone, the first one outermost. Raises SetupError for a second handler of the
        same method, ValueError for what is no status of a response.
        """
        if status is not None and not 200 <= status <= 599:
            raise ValueError(f"a response has a status from 200 to 599, not {status}")
        if handler is None:
            return lambda function: self._register(function, status, deps, middlewares)
        return self._register(handler, status, deps, middlewares)

    def _register(self, handler: F, status: int | None, deps: Sequence[Any], middlewares: Sequence[Middleware]) -> F:
        name = self._method.lower()
        if not callable(cast(object, handler)) or inspect.isclass(handler):
            what = f"{self._route!r}.{name} takes a function, not {handler!r}"
            fix = f'write `@route.{name}`; the path stands in Route("..."), one below it in route.sub("...")'
            raise SetupError([SetupProblem(what, fix)])
        note_local_names(handler)
        self._route._add(_Registered(self._method, handler, status, tuple(middlewares)))
        self._route.graph.add_nodes(*deps)
        return handler
