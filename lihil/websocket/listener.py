"""Listeners: one call of a function for each message, its result the reply."""

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import Any, Union, cast

from starlette.exceptions import HTTPException

from lihil.asgi import DirectTransport
from lihil.binding.listening import MessageCall, compile_listener
from lihil.binding.plan import Plan
from lihil.binding.signature import MessageTypes, Signature, bind
from lihil.di.compile import Outers
from lihil.di.node import problem_at, return_hint
from lihil.errors import SetupError, SetupProblem, WebSocketDisconnect
from lihil.params.decode import type_words
from lihil.params.kinds import options_of
from lihil.params.spec import ParamSpec
from lihil.websocket.connection import WebSocket
from lihil.websocket.endpoint import WebSocketEndpoint, message_types, problem_of
from lihil.websocket.interruption import Interruption
from lihil.websocket.link import CONNECTING, OPEN
from lihil.websocket.messages import INVALID, Codec, Codecs, Payload, make_codecs


class ListenerEndpoint(WebSocketEndpoint):
    """One listener made ready for one app.

    There are two ways to it. Where the server offers its short way and the listener needs no `await`, the server calls
    it with each message as it is read: no queue, and no switch to another task. Anywhere else a loop in the
    connection's task receives, calls and sends.
    """

    _takes_message = True
    _call: MessageCall

    def _typed(self, signature: Signature) -> Signature:
        if signature.message is None:
            return signature
        receives = signature.message.type
        problems: list[SetupProblem] = list(signature.problems)
        sends: list[Any] = []
        try:
            hint = return_hint(self.handler)
            sends += [Any] if hint is None else options_of(hint)
        except SetupError as exc:
            problems += exc.problems
        for messages, parameter, function in message_types(signature):
            sends.append(messages.sends)
            if messages.receives is not Any and messages.receives != receives:
                what = f"the message is {type_words(receives)}, and {type_words(messages.receives)} here"
                problems.append(problem_at(function, what, "write the same type in both", parameter=parameter.name))
        return replace(signature, problems=tuple(problems), messages=MessageTypes(receives, _joined(sends)))

    def _make_plan(self) -> Plan:
        signature = self._typed(bind(self.handler, self._target, self._providers, self._built))
        plan, self._call = compile_listener(signature, self._target, self._providers, self._built, self._listen)
        self._codecs = self._codecs_of(signature)
        return plan

    def _codecs_of(self, signature: Signature) -> Codecs:
        message, messages = cast(ParamSpec, signature.message), cast(MessageTypes, signature.messages)
        return make_codecs(message, messages.sends, self._format)

    async def _listen(self, ws: WebSocket, outers: Outers) -> None:
        """Accept, and answer messages until the peer goes; the connection's dependencies are there by now."""
        if ws.phase is CONNECTING:
            await ws.accept()
        if ws.phase is not OPEN or ws.codec is None:
            return
        answer = Answer(ws.codec, self._call.call, outers, ws.scope["path"])
        direct = ws.direct
        if direct is not None and self._call.is_immediate:
            await _be_called(ws, direct, answer)
        else:
            await self._run_handler(ws, _ask(ws, answer, is_immediate=self._call.is_immediate))


class Answer:
    """From a message to its reply, for one connection. A reply is None where the listener gives none."""

    __slots__ = ("_call", "_codec", "_decode", "_encode", "_outers", "_path")

    def __init__(self, codec: Codec, call: Callable[[Outers], Any], outers: Outers, path: str) -> None:
        self._codec = codec
        self._decode = codec.decode
        self._encode = codec.encode
        self._call = call
        self._outers = outers
        self._path = path

    def at_once(self, payload: Payload) -> Payload | None:
        """The reply of a listener that never waits. Raises what it raises, but for a refusal."""
        try:
            message = self._decode(payload)
        except INVALID as exc:
            return self._codec.refusal(exc)
        try:
            value = self._call([*self._outers, message])
        except HTTPException as exc:
            return self._refused(exc)
        return None if value is None else self._encode(value)

    async def in_time(self, payload: Payload) -> Payload | None:
        """The reply of any other listener."""
        try:
            message = self._decode(payload)
        except INVALID as exc:
            return self._codec.refusal(exc)
        try:
            value = await self._call([*self._outers, message])
        except HTTPException as exc:
            return self._refused(exc)
        return None if value is None else self._encode(value)

    def _refused(self, exc: HTTPException) -> Payload:
        problem = problem_of(exc, self._path)
        if problem is None:
            raise exc
        return self._codec.problem(problem)


async def _ask(ws: WebSocket, answer: Answer, *, is_immediate: bool) -> None:
    """Receive, call, send, until the peer goes or the listener has closed."""
    while ws.phase is OPEN:
        try:
            payload = await ws.payload()
        except WebSocketDisconnect:
            return
        reply = answer.at_once(payload) if is_immediate else await answer.in_time(payload)
        if reply is not None and ws.phase is OPEN:
            with suppress(WebSocketDisconnect):
                await ws.send_payload(reply)


async def _be_called(ws: WebSocket, direct: DirectTransport, answer: Answer) -> None:
    """Let the server call, and wait for the peer to go. What a listener raises is raised here."""
    with Interruption() as interruption:
        answer_at_once, send_now = answer.at_once, direct.send_now

        def on_message(payload: Payload) -> None:
            if interruption.exc is not None:
                return
            try:
                reply = answer_at_once(payload)
            except Exception as exc:
                interruption.interrupt(exc)
                return
            if reply is None:
                return
            try:
                send_now(reply)
            except OSError:
                return  # the peer has gone, and `receive` tells so next
            except Exception as exc:  # a reply that cannot be sent
                interruption.interrupt(exc)

        # Middlewares and dependencies may have set context variables: a listener sees them on either way.
        context = copy_context()
        direct.listen(partial(context.run, on_message))  # type: ignore[call-arg]  # typeshed: ParamSpec
        if interruption.exc is not None:
            raise interruption.exc
        await ws.receive()  # nothing but the disconnect comes here any more


def _joined(sends: list[Any]) -> Any:
    """The types that go out as one, without None, which stands for no reply; None when nothing goes out."""
    kinds = tuple(kind for kind in sends if kind is not None and kind is not type(None))
    return Union[kinds] if kinds else None  # noqa: UP007 - built at run time
