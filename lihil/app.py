"""`Lihil`: the ASGI entry."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from lihil.asgi import (
    ERROR_HOOK,
    LIFESPAN,
    LIFESPAN_SHUTDOWN_COMPLETE,
    LIFESPAN_SHUTDOWN_FAILED,
    LIFESPAN_STARTUP_COMPLETE,
    LIFESPAN_STARTUP_FAILED,
    ASGIApp,
    Message,
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
from lihil.lifespan import Lifespan, enter_lifespan
from lihil.routing.route import Endpoint, RouteNode, wrap
from lihil.websocket.origin import HostPolicy, OriginPolicy

logger: logging.Logger = logging.getLogger("lihil.app")


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
        self.graph: Graph = Graph() if graph is None else graph
        self._root = RouteNode()
        self._lifespan = lifespan
        self._middlewares: list[Middleware] = list(middlewares or ())
        self._origins = OriginPolicy(allowed_origins)
        self._hosts = HostPolicy(allowed_hosts)
        self._started: ASGIApp | None = None
        self._starting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: AsyncScope | None = None
        self.include(*routes)

    @property
    def routes(self) -> tuple[RouteNode, ...]:
        """The routes that were included, without those below them."""
        return tuple(self._root.children)

    def include(self, *routes: RouteNode) -> Self:
        """Add routes, with everything that hangs below them now or later, until the app starts.

        Raises TypeError for what is no route.
        """
        self._root.merge(*routes)
        return self

    include_routes = include

    def add_middleware(self, middleware: Middleware) -> None:
        """Wrap the whole app; the first one added is the outermost."""
        self._middlewares.append(middleware)

    def endpoints(self) -> list[Endpoint]:
        """Every handler, whether or not its set-up is sound: what descriptions of the app are made from."""
        return self._table().endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == LIFESPAN:
            await self._live(scope, receive, send)
            return
        scope["app"] = self
        app = self._running() or await self._start()
        await app(scope, receive, send)

    def _running(self) -> ASGIApp | None:
        """What is ready. What a loop left that has ended is not: a test client without a lifespan uses many loops."""
        return self._started if self._loop is not None and not self._loop.is_closed() else None

    def _table(self) -> RoutingTable:
        return RoutingTable.of(self._root, self.graph, {Lihil: self, Graph: self.graph})

    async def _start(self) -> ASGIApp:
        """Make everything ready, once. A server without the lifespan protocol comes here with its first connection.

        Raises SetupError with all that is wrong.
        """
        async with self._starting:
            running = self._running()
            if running is not None:
                return running
            await self._stop()
            table = self._table()
            scope = AsyncScope(table.providers, at_hand={Graph: self.graph, type(self): self})
            try:
                self._started = await self._make_ready(table, scope)
            except BaseException as exc:
                await _abandon(scope, exc)
                raise
            self._scope, self._loop = scope, asyncio.get_running_loop()
            return self._started

    async def _make_ready(self, table: RoutingTable, scope: AsyncScope) -> ASGIApp:
        problems = await _open_singletons(table.providers, scope)
        problems += table.prepare(scope.kept)
        try:
            app = wrap(Dispatcher(table, self._hosts, self._origins), self._middlewares)
        except SetupError as exc:
            problems += exc.problems
        if problems:
            raise SetupError(list(dict.fromkeys(problems)))
        return app

    async def _stop(self) -> None:
        """Close every singleton. Raises what one of them raised, once all are closed."""
        scope, self._scope, self._started = self._scope, None, None
        left = await scope.aclose() if scope is not None else None
        if left is not None:
            raise left

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan protocol (ASGI, lifespan 2.0). What fails is reported to the server, which ends the process."""
        await receive()
        phase = _Phase(scope)
        with phase.reporting():
            async with enter_lifespan(self._lifespan, self) as state:
                # What fails is kept inside: a lifespan without a `finally` then runs its second half as well.
                await self._serve(state, phase, receive, send)
        await send(phase.last_message())

    async def _serve(self, state: object, phase: "_Phase", receive: Receive, send: Send) -> None:
        try:
            with phase.reporting():
                _set_state(phase.scope, state)
                await self._restart()
                await send({"type": LIFESPAN_STARTUP_COMPLETE})
                phase.has_started = True
                await receive()
        finally:
            with phase.reporting():
                await self._stop()

    async def _restart(self) -> None:
        await self._stop()
        self._starting = asyncio.Lock()
        await self._start()


class _Phase:
    """How far one lifespan has come, and what went wrong in it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.has_started = False
        self._hook: Callable[[Exception], None] | None = (scope.get("extensions") or {}).get(ERROR_HOOK)
        self._failure: Exception | None = None

    @contextmanager
    def reporting(self) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            self._report(exc)

    def _report(self, exc: Exception) -> None:
        """Keep the first failure for the server; a later one, out of the clean-up, is logged."""
        if self._failure is not None:
            logger.error("the app failed to clean up after %r", self._failure, exc_info=exc)
            return
        self._failure = exc
        if self._hook is not None:
            self._hook(exc)

    def last_message(self) -> Message:
        """What the server is told at the end. A set-up error explains itself, anything else needs its traceback."""
        if self._failure is None:
            return {"type": LIFESPAN_SHUTDOWN_COMPLETE}
        is_plain = isinstance(self._failure, SetupError)
        text = str(self._failure) if is_plain else "".join(traceback.format_exception(self._failure))
        return {"type": LIFESPAN_SHUTDOWN_FAILED if self.has_started else LIFESPAN_STARTUP_FAILED, "message": text}


def _set_state(scope: Scope, state: object) -> None:
    """Put what the lifespan yields where every connection finds it: `ws.state`, `request.state`."""
    if state is None:
        return
    if not isinstance(state, Mapping):
        what = f"the lifespan yields {type(state).__name__}; a state is a mapping from names to values"
        raise SetupError([SetupProblem(what, "yield {'name': value}, or nothing at all")])
    if "state" not in scope:
        fix = "serve with uvicorn, or keep the values in app.graph.register_singleton(...)"
        raise SetupError([SetupProblem("the lifespan yields a state, and this server has no place for it", fix)])
    scope["state"].update(state)


async def _open_singletons(providers: Providers, scope: AsyncScope) -> list[SetupProblem]:
    """Open every singleton in the scope that lives as long as the app; gives back all that cannot be built."""
    problems: list[SetupProblem] = []
    for node in providers.singletons():
        try:
            await scope.aresolve(node.factory)
        except SetupError as exc:
            problems += exc.problems
    return problems


async def _abandon(scope: AsyncScope, exc: BaseException) -> None:
    """Close what a failed start has opened; the start's exception is the one that is shown."""
    left = await scope.aclose(exc)
    if left is not None and left is not exc:
        logger.error("a resource failed to clean up after a failed start", exc_info=left)
