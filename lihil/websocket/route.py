"""`WebSocketRoute`: a path and its handler, or its listener."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from lihil.asgi import Middleware
from lihil.di.annotations import note_local_names
from lihil.di.node import FactoryKind, kind_of, name_of, problem_at
from lihil.errors import SetupError
from lihil.routing.route import Endpoint, RouteNode, Surroundings
from lihil.websocket.endpoint import WebSocketEndpoint
from lihil.websocket.listener import ListenerEndpoint
from lihil.websocket.messages import FORMATS, FormatName

F = TypeVar("F", bound=Callable[..., Any])


class WebSocketRoute(RouteNode):
    """A path on which WebSockets are accepted.

    `WebSocketRoute("rooms/{name}")`; the leading slash may be left out. `deps` are providers for this route and those
    below, `middlewares` wrap it. Without a handler it is a parent only. Raises PathError for a pattern that cannot be
    read.
    """

    _handler: Callable[..., Any] | None = None
    _make_endpoint: Callable[[Surroundings], Endpoint]

    @overload
    def ws_handler(self, handler: F, /) -> F: ...
    @overload
    def ws_handler(
        self,
        handler: None = ...,
        /,
        *,
        deps: Sequence[Any] = ...,
        middlewares: Sequence[Middleware] = ...,
        codec: FormatName | None = ...,
    ) -> Callable[[F], F]: ...
    def ws_handler(
        self,
        handler: F | None = None,
        /,
        *,
        deps: Sequence[Any] = (),
        middlewares: Sequence[Middleware] = (),
        codec: FormatName | None = None,
    ) -> F | Callable[[F], F]:
        """Register the handler; a decorator with and without arguments. `endpoint` is the same call.

        `codec` is for typed messages (`ws: WebSocket[In, Out]`): "json" or "msgpack"; without it JSON, and msgpack for
        a client that asks for it by subprotocol. Raises SetupError for a handler that is not `async def`, and for a
        second one; ValueError for another codec.
        """
        return self._registrar(WebSocketEndpoint, _check_async, handler, deps, middlewares, codec)

    endpoint = ws_handler

    @overload
    def listener(self, handler: F, /) -> F: ...
    @overload
    def listener(
        self,
        handler: None = ...,
        /,
        *,
        deps: Sequence[Any] = ...,
        middlewares: Sequence[Middleware] = ...,
        codec: FormatName | None = ...,
    ) -> Callable[[F], F]: ...
    def listener(
        self,
        handler: F | None = None,
        /,
        *,
        deps: Sequence[Any] = (),
        middlewares: Sequence[Middleware] = (),
        codec: FormatName | None = None,
    ) -> F | Callable[[F], F]:
        """Register a function that is called for each message; a decorator with and without arguments.

        The message is the parameter of a structured type, or the one named `message`, or the one marked
        `Param("body")`; `str` and `bytes` take it as it comes, anything else by JSON or msgpack (`codec`, as in
        `ws_handler`). What the function gives back is sent as the reply, unless it is None. Other parameters are read
        once, from the handshake; `reuse=True` dependencies live as long as the connection, others as long as the call.
        The connection is accepted once the former are there.

        A message that its type does not allow is answered with problem details, and so is HTTPException; the
        connection stays open. Any other exception closes it with 1011.

        The function may be `def` or `async def`. A `def` is called in the event loop, not in a thread: it is for quick
        work, and one that blocks stops every other connection. Raises as ws_handler does.
        """
        return self._registrar(ListenerEndpoint, _check_function, handler, deps, middlewares, codec)

    def endpoints(self, around: Surroundings) -> Sequence[Endpoint]:
        return () if self._handler is None else (self._make_endpoint(around),)

    def _registrar(
        self,
        make: type[WebSocketEndpoint],
        check: Callable[[Callable[..., Any]], None],
        handler: F | None,
        deps: Sequence[Any],
        middlewares: Sequence[Middleware],
        codec: FormatName | None,
    ) -> F | Callable[[F], F]:
        if codec is not None and codec not in FORMATS:
            raise ValueError(f"codec is one of {', '.join(FORMATS)}, not {codec!r}")

        def register(function: F) -> F:
            check(function)
            self._register(function, deps)
            self._make_endpoint = partial(make, function, middlewares=tuple(middlewares), codec=codec)
            return function

        return register if handler is None else register(handler)

    def _register(self, handler: Callable[..., Any], deps: Sequence[Any]) -> None:
        if self._handler is not None:
            name = name_of(self._handler)
            fix = f"give {name} or this one a route of its own"
            raise SetupError([problem_at(handler, f"{self!r} has a handler already: {name}", fix)])
        self.graph.add_nodes(*deps)
        note_local_names(handler)
        self._handler = handler


def _check_function(listener: Callable[..., Any]) -> None:
    """Refuse by name what gives many results for one call."""
    if kind_of(listener) in {FactoryKind.GENERATOR, FactoryKind.ASYNC_GENERATOR}:
        fix = "return the reply; for several, take `ws: WebSocket` and `await ws.send(...)`"
        raise SetupError([problem_at(listener, "a listener is no generator", fix)])


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
