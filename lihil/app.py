"""`Lihil`: the ASGI entry."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

from lihil.asgi import (
    ERROR_HOOK,
    LIFESPAN,
    LIFESPAN_SHUTDOWN,
    LIFESPAN_SHUTDOWN_COMPLETE,
    LIFESPAN_SHUTDOWN_FAILED,
    LIFESPAN_STARTUP,
    LIFESPAN_STARTUP_COMPLETE,
    LIFESPAN_STARTUP_FAILED,
    ASGIApp,
    Middleware,
    Receive,
    Scope,
    Send,
)
from lihil.di.graph import Graph
from lihil.di.registry import Providers
from lihil.di.scope import AsyncScope
from lihil.dispatch import Dispatcher, RoutingTable
from lihil.errors import SetupError, SetupProblem
from lihil.lifespan import Lifespan, State, enter_lifespan
from lihil.routing.route import Endpoint, RouteNode, wrap
from lihil.websocket.origin import HostPolicy, OriginPolicy

logger = logging.getLogger("lihil.app")


class Lihil:
    """An app: routes, a lifespan, a graph of providers. An ASGI callable.

    `allowed_origins` says which pages may open a WebSocket besides those of the same host, `allowed_hosts` which names
    the app answers to; both take a list, or "*" for any. Nothing is global: two apps in one process share nothing that
    they are not both given. Raises ValueError for an origin or host that is none.
    """

    def __init__(
        self,
        *routes: RouteNode,
        lifespan: Lifespan | None = None,
        middlewares: Sequence[Middleware] | None = None,
        graph: Graph | None = None,
        allowed_origins: Sequence[str] | str | None = None,
        allowed_hosts: Sequence[str] | str | None = None,
    ) -> None:
        self.graph = Graph() if graph is None else graph
        self._root = RouteNode()
        self._lifespan = lifespan
        self._middlewares: list[Middleware] = list(middlewares or ())
        self._origins = OriginPolicy(allowed_origins)
        self._hosts = HostPolicy(allowed_hosts)
        self._started: ASGIApp | None = None
        self._starting = asyncio.Lock()
        self._scope: AsyncScope | None = None
        self.include(*routes)

    @property
    def routes(self) -> tuple[RouteNode, ...]:
        """The routes that were included, without those below them."""
        return tuple(self._root.children)

    def include(self, *routes: RouteNode) -> Self:
        """Add routes, with everything that hangs below them now or later, until the app starts."""
        for route in routes:
            if not isinstance(route, RouteNode):
                raise TypeError(f"include() takes Route and WebSocketRoute objects, not {route!r}")
        self._root.merge(*routes)
        return self

    include_routes = include

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap the whole app; the first one added is the outermost."""
        self._middlewares.append(middleware)

    def endpoints(self) -> list[Endpoint]:
        """Every handler, whether or not its set-up is sound: what descriptions of the app are made from.

        Raises SetupError when two handlers claim one place.
        """
        return RoutingTable.of(self._root, self.graph, {type(self): self, Graph: self.graph}).endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == LIFESPAN:
            await self._live(scope, receive, send)
            return
        scope["app"] = self
        app = self._started or await self._start()
        await app(scope, receive, send)

    async def _start(self) -> ASGIApp:
        """Make everything ready, once. A server without the lifespan protocol comes here with its first connection."""
        async with self._starting:
            if self._started is None:
                table = RoutingTable.of(self._root, self.graph, {type(self): self, Graph: self.graph})
                self._scope = await _open_singletons(table.providers)
                problems = table.prepare(self._scope.kept)
                if problems:
                    await self._stop()
                    raise SetupError(problems)
                self._started = wrap(Dispatcher(table, self._hosts, self._origins), self._middlewares)
        return self._started

    async def _stop(self) -> None:
        self._started = None
        scope, self._scope = self._scope, None
        left = await scope.aclose() if scope is not None else None
        if left is not None:
            raise left

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan protocol (ASGI, lifespan 2.0). What fails is reported to the server, which ends the process."""
        assert (await receive())["type"] == LIFESPAN_STARTUP  # noqa: S101 - the protocol's first message
        try:
            context = enter_lifespan(self._lifespan, self)
            self._set_state(scope, await context.__aenter__())
        except Exception as exc:
            await send({"type": LIFESPAN_STARTUP_FAILED, "message": _report(scope, exc)})
            return
        try:
            await self._start()
        except Exception as exc:
            await _leave(context, exc)
            await send({"type": LIFESPAN_STARTUP_FAILED, "message": _report(scope, exc)})
            return
        await send({"type": LIFESPAN_STARTUP_COMPLETE})
        await self._end(scope, receive, send, context)

    async def _end(
        self, scope: Scope, receive: Receive, send: Send, context: AbstractAsyncContextManager[State]
    ) -> None:
        assert (await receive())["type"] == LIFESPAN_SHUTDOWN  # noqa: S101 - the protocol's second message
        try:
            try:
                await self._stop()
            finally:
                await context.__aexit__(None, None, None)
        except Exception as exc:
            await send({"type": LIFESPAN_SHUTDOWN_FAILED, "message": _report(scope, exc)})
            return
        await send({"type": LIFESPAN_SHUTDOWN_COMPLETE})

    def _set_state(self, scope: Scope, state: State) -> None:
        if state is None:
            return
        if "state" not in scope:
            fix = "serve with uvicorn, or keep the values in app.graph.register_singleton(...)"
            raise SetupError([SetupProblem("the lifespan yields a state, and this server has no place for it", fix)])
        scope["state"].update(state)


async def _open_singletons(providers: Providers) -> AsyncScope:
    """The scope that lives as long as the app, with every singleton in it."""
    scope = AsyncScope(providers)
    problems: list[SetupProblem] = []
    try:
        for node in providers.singletons():
            try:
                await scope.aresolve(node.provides)
            except SetupError as exc:
                problems += exc.problems
        if problems:
            raise SetupError(problems)
    except BaseException as exc:
        await scope.aclose(exc)
        raise
    return scope


async def _leave(context: AbstractAsyncContextManager[Any], exc: Exception) -> None:
    """Run the user's clean-up after a failed start; what it raises in turn is logged, the first error is reported."""
    try:
        await context.__aexit__(type(exc), exc, exc.__traceback__)
    except Exception as raised:
        if raised is not exc:
            logger.error("the lifespan failed to clean up after a failed start", exc_info=raised)


def _report(scope: Scope, exc: Exception) -> str:
    """The text for the server: a set-up error explains itself, anything else needs its traceback."""
    hook: Callable[[Exception], None] | None = (scope.get("extensions") or {}).get(ERROR_HOOK)
    if hook is not None:
        hook(exc)
    if isinstance(exc, SetupError):
        return str(exc)
    return "".join(traceback.format_exception(exc))
