"""`WebSocketRoute`: a path and its handler."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from lihil.asgi import Middleware
from lihil.di.node import name_of, problem_at
from lihil.errors import SetupError
from lihil.routing.route import Endpoint, RouteNode, Surroundings
from lihil.websocket.endpoint import WebSocketEndpoint

F = TypeVar("F", bound=Callable[..., Any])


class WebSocketRoute(RouteNode):
    """A path on which WebSockets are accepted.

    `WebSocketRoute("rooms/{name}")`; the leading slash may be left out. `deps` are providers for this route and those
    below, `middlewares` wrap it. Without a handler it is a parent only. Raises PathError for a pattern that cannot be
    read.
    """

    _handler: Callable[..., Any] | None = None
    _handler_middlewares: tuple[Middleware, ...] = ()

    @overload
    def ws_handler(self, handler: F, /) -> F: ...
    @overload
    def ws_handler(
        self, handler: None = ..., /, *, deps: Sequence[Any] = ..., middlewares: Sequence[Middleware] = ...
    ) -> Callable[[F], F]: ...
    def ws_handler(
        self, handler: F | None = None, /, *, deps: Sequence[Any] = (), middlewares: Sequence[Middleware] = ()
    ) -> F | Callable[[F], F]:
        """Register the handler; a decorator with and without arguments. `endpoint` is the same call.

        Raises SetupError for a handler that is not `async def`, and for a second one.
        """
        if handler is None:
            return lambda function: self._register(function, deps, middlewares)
        return self._register(handler, deps, middlewares)

    endpoint = ws_handler

    def endpoints(self, around: Surroundings) -> Sequence[Endpoint]:
        if self._handler is None:
            return ()
        return (WebSocketEndpoint(self._handler, around, self._handler_middlewares),)

    def _register(self, handler: F, deps: Sequence[Any], middlewares: Sequence[Middleware]) -> F:
        _check_async(handler)
        if self._handler is not None:
            name = name_of(self._handler)
            fix = f"give {name} or this one a route of its own"
            raise SetupError([problem_at(handler, f"{self!r} has a handler already: {name}", fix)])
        self.graph.add_nodes(*deps)
        self._handler = handler
        self._handler_middlewares = tuple(middlewares)
        return handler


def _check_async(handler: Callable[..., Any]) -> None:
    """Refuse by name what could not serve a connection: it would block every other one, or never be awaited."""
    function = handler if inspect.isroutine(handler) or isinstance(handler, partial) else type(handler).__call__
    if inspect.isasyncgenfunction(function):
        what = "a WebSocket handler is no generator"
        fix = "send with `await ws.send_text(...)` instead of `yield`"
    elif not inspect.iscoroutinefunction(function):
        what = "a WebSocket handler must be async: a sync one would stop every other connection"
        fix = f"write `async def {name_of(handler)}(...)`"
    else:
        return
    raise SetupError([problem_at(handler, what, fix)])
