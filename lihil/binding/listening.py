"""A listener, compiled: one call for the connection, and inside it one call for each message.

What a listener's parameters need is built on one of two levels. Decoded parameters, `reuse` dependencies and what these
are made of belong to the connection; everything else to the message. In the generated calls the outer values are

    connection:  [WebSocket, scope, decoded parameters ...]
    message:     [WebSocket, scope, decoded parameters ..., the connection's dependencies ..., message]
"""

import dis
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lihil.binding.plan import SCOPE, Plan
from lihil.binding.signature import MESSAGE, Signature, Target
from lihil.di.annotations import definition_of
from lihil.di.compile import Call, Outers, Runner, compile_call, compile_run
from lihil.di.node import DependentNode, FactoryKind, kind_of, name_of, problem_at
from lihil.di.recipe import Argument, Outer, Slot, Source, Step
from lihil.di.registry import Providers, is_hashable
from lihil.errors import SetupError, SetupProblem


@dataclass(frozen=True, slots=True)
class MessageCall:
    """What is called for each message, with the outer values; `is_immediate`: its result need not be awaited."""

    call: Call
    is_immediate: bool


def compile_listener(
    signature: Signature,
    target: Target,
    providers: Providers,
    built: Mapping[DependentNode, Any],
    runner: Runner,
) -> tuple[Plan, MessageCall]:
    """The connection's plan, which hands `runner` the outer values of a message without the message, and its call.

    Raises SetupError with every problem of the listener and of the factories behind it.
    """
    levels = _Levels(signature, target)
    problems = signature.problems or tuple(levels.problems())
    if problems:
        raise SetupError(problems)
    run = compile_run(
        _listed,
        levels.outers(),
        levels.connection_steps(),
        runner=runner,
        scope_at=SCOPE if _asks_for_scope(levels.connection_steps()) else None,
        providers=providers,
        built=built,
        given=target.sources,
    )
    plan = Plan(signature, signature.decoders, run, providers.version)
    return plan, _message_call(levels, target, providers, built)


def _message_call(
    levels: "_Levels", target: Target, providers: Providers, built: Mapping[DependentNode, Any]
) -> MessageCall:
    listener, steps, arguments = levels.signature.handler, levels.message_steps(), levels.message_arguments()
    needs_scope = _asks_for_scope([*steps, arguments])
    is_coroutine = kind_of(listener) is FactoryKind.COROUTINE
    if (
        not needs_scope
        and all(step.node.kind is FactoryKind.PLAIN for step in steps)
        and (not is_coroutine or never_waits(listener))
    ):
        return MessageCall(compile_call(listener, arguments, steps, is_coroutine=is_coroutine), is_immediate=True)
    run = compile_run(
        listener,
        arguments,
        steps,
        runner=None if is_coroutine else _as_it_is,
        scope_at=SCOPE if needs_scope else None,
        providers=providers,
        built=built,
        given={**target.sources, **levels.shared()},
    )
    return MessageCall(run, is_immediate=False)


class _Levels:
    """Which of a listener's factory calls are made once for the connection, and which for each message."""

    def __init__(self, signature: Signature, target: Target) -> None:
        self.signature = signature
        self._first_shared = target.first_outer + len(signature.specs)
        self._of_connection: list[int] = sorted(_needed_by_reused(signature.steps))
        self._of_message = [number for number in range(len(signature.steps)) if number not in self._of_connection]
        self._shared = [number for number in self._of_connection if signature.steps[number].node.reuse]

    def problems(self) -> Iterable[SetupProblem]:
        """The dependencies that outlive the message they ask for."""
        for number in self._of_connection:
            step = self.signature.steps[number]
            if any(source == Outer(MESSAGE) for _, source in step.arguments):
                what = (
                    f"it takes the message of {name_of(self.signature.handler)}, and is built once for the connection"
                )
                yield problem_at(step.node.factory, what, "drop `reuse=True` there, or take what the handshake gives")

    def outers(self) -> list[Argument]:
        """The outer values that all messages have in common, as the connection's plan knows them."""
        firsts: list[Argument] = [(None, Outer(place)) for place in range(self._first_shared)]
        return [*firsts, *((None, self._in_connection(Slot(number))) for number in self._shared)]

    def connection_steps(self) -> list[Step]:
        return [self._moved(self.signature.steps[number], self._in_connection) for number in self._of_connection]

    def message_steps(self) -> list[Step]:
        return [self._moved(self.signature.steps[number], self._in_message) for number in self._of_message]

    def message_arguments(self) -> list[Argument]:
        return [(name, self._in_message(source)) for name, source in self.signature.arguments]

    def shared(self) -> dict[Any, Source]:
        """The connection's dependencies by type and by factory, for a message's scope."""
        nodes = [(self.signature.steps[number].node, self._in_message(Slot(number))) for number in self._shared]
        keys = [(key, source) for node, source in nodes for key in (node.provides, node.factory)]
        return {key: source for key, source in keys if key is not None and is_hashable(key)}

    def _in_connection(self, source: Source) -> Source:
        return Slot(self._of_connection.index(source.index)) if isinstance(source, Slot) else source

    def _in_message(self, source: Source) -> Source:
        if not isinstance(source, Slot):
            return source
        if source.index in self._shared:
            return Outer(self._first_shared + self._shared.index(source.index))
        return Slot(self._of_message.index(source.index))

    def _moved(self, step: Step, place: Callable[[Source], Source]) -> Step:
        return Step(step.node, tuple((name, place(source)) for name, source in step.arguments))


def _needed_by_reused(steps: Sequence[Step]) -> set[int]:
    """The steps of `reuse` factories, and those that feed them: a step stands behind what it needs."""
    found: set[int] = set()
    for number in reversed(range(len(steps))):
        if steps[number].node.reuse or number in found:
            found |= {number, *(source.index for _, source in steps[number].arguments if isinstance(source, Slot))}
    return found


def _asks_for_scope(calls: Iterable[Step | Sequence[Argument]]) -> bool:
    arguments = (call.arguments if isinstance(call, Step) else call for call in calls)
    return any(source == Outer(SCOPE) for several in arguments for _, source in several)


def never_waits(function: Callable[..., Any]) -> bool:
    """Whether a coroutine function is known to run to its end without a pause: its code has nothing that waits."""
    code = getattr(definition_of(function), "__code__", None)
    if code is None or not code.co_flags & inspect.CO_COROUTINE:
        return False
    # `await`, `async for` and `async with` all hand a value on to what they wait for by SEND (CPython 3.11 to 3.14).
    return all(instruction.opname != "SEND" for instruction in dis.get_instructions(code))


def _listed(*values: Any) -> Outers:
    return list(values)


async def _as_it_is(connection: object, result: Any) -> Any:
    return result
