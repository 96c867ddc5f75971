"""The life of one request, from its body to the last closed resource."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response

from lihil.asgi import ERROR_HOOK, HTTP, Middleware, Receive, Scope, Send
from lihil.binding.plan import CONNECTION, FIRST_PARAMETER, SCOPE, Plan, make_plan
from lihil.binding.signature import Signature, Target, bind
from lihil.di.compile import Swallowed
from lihil.di.node import DependentNode, FactoryKind, kind_of, name_of
from lihil.di.scope import Resolver
from lihil.errors import ParametersError, ResourceError, SetupError, SetupProblem, status_phrase
from lihil.http.body import read_body
from lihil.http.exchange import Exchange
from lihil.http.responses import Answer, Reply, answer_of_problem, reply_of
from lihil.http.stream import send_stream
from lihil.http.threads import in_thread
from lihil.params.sources import Sources
from lihil.params.spec import BODY, ParamSpec
from lihil.problems import Problem, problem_of_http_exception, problem_of_parameters
from lihil.routing.path import PathPattern
from lihil.routing.route import Surroundings

logger: logging.Logger = logging.getLogger("lihil.http")


class HTTPEndpoint:
    """One handler of one method made ready for one app: an ASGI callable for its requests."""

    kind = HTTP

    def __init__(
        self,
        method: str,
        handler: Callable[..., Any],
        around: Surroundings,
        *,
        status: int | None = None,
        middlewares: Sequence[Middleware] = (),
    ) -> None:
        self.method = method
        self.handler = handler
        self.pattern: PathPattern = around.pattern
        self.middlewares = middlewares
        self._status = status
        self._providers = around.providers
        self._handler_kind = kind_of(handler)
        self._is_generator: bool = self._handler_kind.is_resource
        self._target = Target(
            path_names=around.pattern.names,
            given={Request: CONNECTION, HTTPConnection: CONNECTION, Resolver: SCOPE},
            first_outer=FIRST_PARAMETER,
            constants=around.constants,
            # What is at hand is at hand under its very type; all else of this family is refused. Both WebSockets, ours
            # and starlette's, belong to it, so neither has to be known here.
            refused={HTTPConnection: "take `request: Request`, or serve a WebSocket by a WebSocketRoute"},
            takes_body=True,
        )
        self._built: dict[DependentNode, Any] = {}
        self._reply = Reply()
        self._plan: Plan | None = None
        self._body: ParamSpec | None = None

    def prepare(self, built: dict[DependentNode, Any]) -> None:
        """Compile the handler's plan and read its return type. Raises SetupError with all that is wrong with them."""
        self._built = built
        problems: list[SetupProblem] = []
        for step in (self._make_plan, self._read_reply):
            try:
                step()
            except SetupError as exc:
                problems += exc.problems
        if problems:
            raise SetupError(list(dict.fromkeys(problems)))

    def signature(self) -> Signature:
        """The handler's parameters, for descriptions of the app."""
        return bind(self.handler, self._target, self._providers)

    def _read_reply(self) -> None:
        self._reply = reply_of(self.handler, self._handler_kind, self._status)

    def _make_plan(self) -> Plan:
        # A plain function is not called where the plan runs but in a thread: the plan's call only puts it together.
        call = functools.partial(functools.partial, self.handler) if self._handler_kind is FactoryKind.PLAIN else None
        plan = make_plan(self.handler, self._target, self._providers, self._built, call=call, runner=self._run_handler)
        self._plan = plan
        self._body = next((spec for spec in plan.signature.specs if spec.source == BODY), None)
        return plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            plan = self._plan
            if plan is None or plan.version != self._providers.version:  # a test override came or went
                plan = self._make_plan()
            body = b"" if self._body is None else await read_body(exchange, self._body)
            await self._send(exchange, await plan(exchange, Sources(scope, body=body)))
        except Exception as exc:
            if not (exchange.is_gone and isinstance(_cause_of(exc), ClientDisconnect)):
                await self._fail(exchange, exc)

    def _send(self, exchange: Exchange, answer: Answer | Response | Swallowed | None) -> Awaitable[None]:
        """Send the whole response that a plan gives back; None says that it was sent while the resources were open."""
        if type(answer) is Answer:
            return exchange.respond(*answer)
        if answer is None:
            return _nothing()
        if isinstance(answer, Response):
            return answer(exchange.scope, exchange.receive, exchange.send)
        if exchange.is_gone:
            raise ClientDisconnect
        name = name_of(self.handler)
        raise ResourceError(f"a resource of {name} swallowed an exception, so {name} has no result to answer with")

    async def _run_handler(self, exchange: Exchange, called: Any) -> Answer | Response | None:
        """The handler's result as a response; what is not finished yet is sent here, where its resources are open.

        What is finished is sent after they are closed: a client is not told of a success before it is committed.
        """
        result = await (called if self._handler_kind is FactoryKind.COROUTINE else self._result_of(called))
        if isinstance(result, Response):
            if _is_finished(result):
                return result
            await result(exchange.scope, exchange.receive, exchange.send)
            return None
        if self._reply.is_stream:
            await send_stream(exchange, self._reply, result)
            return None
        return self._reply.answer(result)

    async def _result_of(self, called: Any) -> Any:
        if self._is_generator:
            return called
        result = await in_thread(called)
        return await result if inspect.isawaitable(result) else result

    async def _fail(self, exchange: Exchange, exc: Exception) -> None:
        """Answer with problem details: the log gets everything about an unexpected exception, the wire nothing.

        In the middle of a response nothing can be answered. Then `exc` is raised: the server logs it with its traceback
        and cuts the connection, which tells the client that something is missing.
        """
        where = f"{self.method} {self.pattern.path}"
        if exchange.has_started:
            exc.add_note(f"{name_of(self.handler)} failed on {where}, in the middle of its response")
            raise exc
        path = exchange.scope["path"]
        try:
            answer = _refusal_of(_cause_of(exc), path)
        except ValueError as unfit:  # a header that cannot be sent
            answer, exc = None, unfit
        if answer is None:
            logger.error("%s failed on %s", name_of(self.handler), where, exc_info=exc)
            hook = (exchange.scope.get("extensions") or {}).get(ERROR_HOOK)
            if hook is not None:
                hook(exc)
            answer = answer_of_problem(Problem(status=500, title=status_phrase(500), instance=path))
        with suppress(ClientDisconnect):
            await exchange.respond(*answer)


async def _nothing() -> None:
    pass


def _cause_of(exc: BaseException) -> BaseException:
    """What ended the handler: of a task group's exceptions the only one that says more than that a client has gone."""
    if not isinstance(exc, BaseExceptionGroup):
        return exc
    causes = [_cause_of(inner) for inner in exc.exceptions]
    telling = [cause for cause in causes if not isinstance(cause, ClientDisconnect)] or causes[:1]
    return telling[0] if len(telling) == 1 else exc


def _refusal_of(cause: BaseException, path: str) -> Answer | None:
    """What was raised on purpose, as problem details; None for anything else, and for a status that refuses nothing.

    Raises ValueError for a header field that is no text of Latin-1.
    """
    if isinstance(cause, ParametersError):
        return answer_of_problem(problem_of_parameters(cause, path))
    if isinstance(cause, HTTPException) and 300 <= cause.status_code <= 599:
        return answer_of_problem(problem_of_http_exception(cause, path))
    return None


def _is_finished(response: Response) -> bool:
    """Whether a response holds its whole content, and nothing is left to be done after it."""
    return type(response).__call__ is Response.__call__ and response.background is None
