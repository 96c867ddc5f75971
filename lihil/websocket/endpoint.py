"""The life of one connection, from the opening handshake to the last closed resource."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import HTTPConnection, Request

from lihil.asgi import ERROR_HOOK, WEBSOCKET, Middleware, Receive, Scope, Send
from lihil.binding.plan import CONNECTION, FIRST_PARAMETER, SCOPE, Plan, make_plan
from lihil.binding.signature import Signature, Target, bind
from lihil.di.node import DependentNode, name_of
from lihil.di.scope import Resolver
from lihil.errors import ParametersError, WebSocketDisconnect, status_phrase
from lihil.params.sources import Sources
from lihil.problems import Problem, problem_of_http_exception, problem_of_parameters
from lihil.routing.route import Surroundings
from lihil.websocket.connection import Phase, WebSocket
from lihil.websocket.watch import DisconnectWatch

logger = logging.getLogger("lihil.websocket")

INTERNAL_ERROR: Final = 1011
APPLICATION_CODES: Final = 4000  # private use (RFC 6455, section 7.4.2); HTTPException(403) closes with 4403


class WebSocketEndpoint:
    """One handler made ready for one app: an ASGI callable for its WebSocket connections."""

    kind = WEBSOCKET
    method = ""

    def __init__(
        self, handler: Callable[..., Any], around: Surroundings, middlewares: Sequence[Middleware] = ()
    ) -> None:
        self.handler = handler
        self.pattern = around.pattern
        self._providers = around.providers
        self._target = Target(
            path_names=around.pattern.names,
            given={WebSocket: CONNECTION, Resolver: SCOPE},
            first_outer=FIRST_PARAMETER,
            constants=around.constants,
            refused={
                Request: "take `ws: WebSocket`; it has url, headers, query_params and the rest",
                HTTPConnection: "take `ws: WebSocket`",
            },
        )
        self.middlewares = middlewares
        self._watch = DisconnectWatch()
        self._built: dict[DependentNode, Any] = {}
        self._plan: Plan | None = None

    def prepare(self, built: dict[DependentNode, Any]) -> None:
        """Compile the handler's plan. Raises SetupError with all that is wrong with it."""
        self._built = built
        self._plan = self._make_plan()

    def signature(self) -> Signature:
        """The handler's parameters, for descriptions of the app."""
        return bind(self.handler, self._target, self._providers)

    def _make_plan(self) -> Plan:
        return make_plan(self.handler, self._target, self._providers, self._built, runner=self._run_handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ws = WebSocket(scope, receive, send)
        try:
            plan = self._plan
            if plan is None or plan.version != self._providers.version:  # a test override came or went
                plan = self._plan = self._make_plan()
            await plan(ws, Sources(scope))
            await self._finish(ws)
        except WebSocketDisconnect:
            return
        except ParametersError as exc:
            await ws.refuse(problem_of_parameters(exc, scope["path"]))
        except StarletteHTTPException as exc:
            await self._answer(ws, problem_of_http_exception(exc, scope["path"]), APPLICATION_CODES + exc.status_code)
        except Exception as exc:
            if not _is_disconnect(exc):
                await self._fail(ws, exc)
        finally:
            ws.stop_reading()

    async def _finish(self, ws: WebSocket) -> None:
        """The handler has returned: close what it left open, refuse what it never accepted."""
        if ws.phase is Phase.CONNECTING:
            name = name_of(self.handler)
            logger.warning("%s returned without accepting %s; call `await ws.accept()`", name, self._label(ws))
        await ws.close()

    async def _answer(self, ws: WebSocket, problem: Problem, code: int) -> None:
        """Tell the client: as a denial response before accept, by a close code after it."""
        if ws.phase is Phase.CONNECTING:
            await ws.refuse(problem)
        else:
            await ws.close(code, problem.title)

    async def _fail(self, ws: WebSocket, exc: Exception) -> None:
        """An exception nobody caught: the log gets everything, the wire nothing of it."""
        logger.error("%s failed on %s", name_of(self.handler), self._label(ws), exc_info=exc)
        hook = (ws.scope.get("extensions") or {}).get(ERROR_HOOK)
        if hook is not None:
            hook(exc)
        await self._answer(ws, Problem(status=500, title=status_phrase(500), instance=ws.scope["path"]), INTERNAL_ERROR)

    def _label(self, ws: WebSocket) -> str:
        client = ws.client
        return f"{self.pattern.path} ({client.host}:{client.port})" if client else self.pattern.path

    async def _run_handler(self, ws: WebSocket, handler: Awaitable[Any]) -> Any:
        """Run the handler itself, watched: if the client goes while it does not receive, it is cancelled.

        Only the handler is: resources are opened before and closed after, undisturbed.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - ASGI servers run every connection in a task
        gone = False

        def on_disconnect() -> None:
            nonlocal gone
            gone = True
            task.cancel()

        self._watch.add(ws, on_disconnect)
        try:
            return await handler
        except asyncio.CancelledError:
            if not gone or task.uncancel() > 0:
                raise
            raise ws.gone() from None
        finally:
            self._watch.discard(ws)


def _is_disconnect(exc: BaseException) -> bool:
    """Whether a task group failed for no other reason than that the peer has gone."""
    if isinstance(exc, BaseExceptionGroup):
        return all(_is_disconnect(inner) for inner in exc.exceptions)
    return isinstance(exc, WebSocketDisconnect)
