"""The life of one connection, from the opening handshake to the last closed resource."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, get_args, get_origin

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketState

from lihil.asgi import ERROR_HOOK, WEBSOCKET, Middleware, Receive, Scope, Send
from lihil.binding.plan import CONNECTION, FIRST_PARAMETER, SCOPE, Plan, make_plan
from lihil.binding.signature import MessageTypes, Signature, Target, bind
from lihil.di.node import DependentNode, Parameter, bare_type, name_of, parameters_of, problem_at
from lihil.di.scope import Resolver
from lihil.errors import ParametersError, SetupError, SetupProblem, WebSocketDisconnect, status_phrase
from lihil.params.decode import type_words
from lihil.params.sources import Sources
from lihil.problems import Problem, problem_of_http_exception, problem_of_parameters
from lihil.routing.path import PathPattern
from lihil.routing.route import Surroundings
from lihil.websocket.connection import WebSocket
from lihil.websocket.interruption import Interruption
from lihil.websocket.limits import fitting_reason
from lihil.websocket.link import Phase
from lihil.websocket.messages import Codecs, FormatName, make_codecs, message_spec
from lihil.websocket.watch import DisconnectWatch

logger: logging.Logger = logging.getLogger("lihil.websocket")

INTERNAL_ERROR: Final = 1011
APPLICATION_CODES: Final = 4000  # private use (RFC 6455, section 7.4.2); HTTPException(403) closes with 4403


class WebSocketEndpoint:
    """One handler made ready for one app: an ASGI callable for its WebSocket connections."""

    kind = WEBSOCKET
    method = ""
    _takes_message = False

    def __init__(
        self,
        handler: Callable[..., Any],
        around: Surroundings,
        middlewares: Sequence[Middleware] = (),
        codec: FormatName | None = None,
    ) -> None:
        self.handler = handler
        self.pattern: PathPattern = around.pattern
        self._providers = around.providers
        self._target = Target(
            path_names=around.pattern.names,
            # An annotation with starlette's class gets ours as well: it has all the methods of the other.
            given={WebSocket: CONNECTION, StarletteWebSocket: CONNECTION, Resolver: SCOPE},
            first_outer=FIRST_PARAMETER,
            constants=around.constants,
            refused={
                Request: "take `ws: WebSocket`; it has url, headers, query_params and the rest",
                HTTPConnection: "take `ws: WebSocket`",
            },
            takes_message=self._takes_message,
        )
        self.middlewares = middlewares
        self._format = codec
        self._codecs: Codecs | None = None
        self._watch = DisconnectWatch()
        self._built: dict[DependentNode, Any] = {}
        self._plan: Plan | None = None

    def prepare(self, built: dict[DependentNode, Any]) -> None:
        """Compile the handler's plan. Raises SetupError with all that is wrong with it."""
        self._built = built
        self._plan = self._make_plan()

    def signature(self) -> Signature:
        """The handler's parameters, for descriptions of the app."""
        return self._typed(bind(self.handler, self._target, self._providers))

    def _typed(self, signature: Signature) -> Signature:
        """The signature with the message types, and what is wrong with them."""
        found = list(message_types(signature))
        problems = [*signature.problems, *_disagreements(found)]
        if not found and self._format is not None:
            what = f"codec={self._format!r} is for typed messages, and {name_of(self.handler)} has none"
            problems.append(problem_at(self.handler, what, "write ws: WebSocket[In, Out], or drop codec"))
        return replace(signature, problems=tuple(problems), messages=found[0][0] if found else None)

    def _make_plan(self) -> Plan:
        plan = make_plan(self.handler, self._target, self._providers, self._built, runner=self._run_handler)
        signature = self._typed(plan.signature)
        if signature.problems:
            raise SetupError(signature.problems)
        self._codecs = self._codecs_of(signature)
        return replace(plan, signature=signature)

    def _codecs_of(self, signature: Signature) -> Codecs | None:
        messages = signature.messages
        if messages is None:
            return None
        try:
            return make_codecs(message_spec(messages.receives), messages.sends, self._format)
        except (TypeError, ValueError) as exc:
            words = type_words(messages.receives)
            what = f"no message can be read as the {words} of WebSocket[{words}, ...]: {exc}"
            fix = "take a type that JSON can become, such as a Struct, or a tagged union of Structs"
            raise SetupError([problem_at(self.handler, what, fix)]) from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ws = WebSocket(scope, receive, send)
        try:
            plan = self._current_plan()
            ws.codecs = self._codecs
            await plan(ws, Sources(ws.scope))
            await self._finish(ws)
        except Exception as exc:
            await self._end(ws, exc)
        finally:
            ws.stop_reading()

    def _current_plan(self) -> Plan:
        plan = self._plan
        if plan is None or plan.version != self._providers.version:  # a test override came or went
            plan = self._plan = self._make_plan()
        return plan

    async def _end(self, ws: WebSocket, exc: Exception) -> None:
        """Answer what the handler or one of its dependencies raised."""
        cause = _cause_of(exc)
        if isinstance(cause, WebSocketDisconnect) and ws.client_state is WebSocketState.DISCONNECTED:
            return
        try:
            if isinstance(cause, WebSocketException):
                await ws.close(cause.code, cause.reason)
                return
            problem = problem_of(cause, ws.scope["path"])
            if problem is not None:
                await self._answer(ws, problem, APPLICATION_CODES + problem.status)
                return
        except (ValueError, TypeError) as unfit:  # a header or a close code that cannot be sent
            exc = unfit
        await self._fail(ws, exc)

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
            await ws.close(code, fitting_reason(problem.title))

    async def _fail(self, ws: WebSocket, exc: Exception) -> None:
        """An exception nobody caught: the log gets everything, the wire nothing of it."""
        logger.error("%s failed on %s", name_of(self.handler), self._label(ws), exc_info=exc)
        hook = (ws.scope.get("extensions") or {}).get(ERROR_HOOK)
        if hook is not None:
            hook(exc)
        await self._answer(ws, Problem(status=500, title=status_phrase(500), instance=ws.scope["path"]), INTERNAL_ERROR)

    def _label(self, ws: WebSocket) -> str:
        client = ws.client  # behind a proxy its host is a text from the network
        return f"{self.pattern.path} ({client.host!r}:{client.port})" if client else self.pattern.path

    async def _run_handler(self, ws: WebSocket, handler: Awaitable[Any]) -> Any:
        """Run the handler itself, watched: if the client goes while it does not receive, it is cancelled.

        Only the handler is: resources are opened before and closed after, undisturbed.
        """
        with Interruption() as interruption:
            stop_watching = self._watch.add(ws, lambda: interruption.interrupt(ws.gone()))
            try:
                return await handler
            finally:
                stop_watching()


def message_types(signature: Signature) -> Iterator[tuple[MessageTypes, Parameter, Callable[..., Any]]]:
    """Every `WebSocket[In, Out]` among the parameters of a handler and of the factories behind it."""
    for function in dict.fromkeys([signature.handler, *(step.node.call for step in signature.steps)]):
        for parameter in parameters_of(function):
            kind = bare_type(parameter.annotation)
            if get_origin(kind) is WebSocket:
                yield MessageTypes(*get_args(kind)), parameter, function


def _disagreements(found: Sequence[tuple[MessageTypes, Parameter, Callable[..., Any]]]) -> Iterator[SetupProblem]:
    for messages, parameter, function in found:
        first, _, first_function = found[0]
        if messages != first:
            what = (
                f"its messages are others than those of {name_of(first_function)}; a connection has one type each way"
            )
            yield problem_at(function, what, "write the same WebSocket[In, Out] in both", parameter=parameter.name)


def _cause_of(exc: BaseException) -> BaseException:
    """What ended the handler: of a task group's exceptions the only one that says more than that the peer has gone."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    causes = [_cause_of(inner) for inner in exc.exceptions]
    telling = [cause for cause in causes if not isinstance(cause, WebSocketDisconnect)] or causes[:1]
    return telling[0] if len(telling) == 1 else exc


def problem_of(cause: BaseException, path: str) -> Problem | None:
    """The answer to a refusal; None for every other exception, and for a status that refuses nothing."""
    if isinstance(cause, ParametersError):
        return problem_of_parameters(cause, path)
    if isinstance(cause, HTTPException) and 300 <= cause.status_code <= 599:
        return problem_of_http_exception(cause, path)
    return None
