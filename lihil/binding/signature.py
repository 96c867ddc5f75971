"""Decides for each parameter of a handler, and of the factories it needs, where its value comes from.

The rules, in this order. A mark wins: `use(factory)`, `Param(source)`. Without one: (1) a name in the path pattern is a
path parameter; (2) a type the framework has at hand is injected; (3) a type that a graph provides is a dependency;
(4) a structured type is the body, which a WebSocket does not have, or a listener's message, as is a parameter named
`message`; (5) anything else is a query parameter.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_origin

from lihil.binding.wire import Wire, param_mark
from lihil.di.node import DependentNode, Parameter, bare_type, meta_of, parameters_of, problem_at
from lihil.di.recipe import Argument, Outer, RecipeBuilder, Source, Step
from lihil.di.registry import Constant, Providers
from lihil.di.scope import AsyncScope, Resolver
from lihil.errors import SetupProblem
from lihil.markers import NodeMeta
from lihil.params.decode import Decoder
from lihil.params.spec import BODY, ParamSpec

MESSAGE: Final = -1
"""A listener's message among the outer values: the last of them."""


@dataclass(frozen=True, slots=True)
class MessageTypes:
    """What comes in over a typed WebSocket, and what goes out."""

    receives: Any
    sends: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What kind of route a handler is bound to.

    `given`: types the framework injects, with their place among the outer values. `constants`: types that stand for one
    value. `refused`: types of the other protocol, with what to write instead. `first_outer`: where the decoded
    parameters begin. `takes_message`: the handler is a listener, called for each message.
    """

    path_names: frozenset[str]
    given: Mapping[type, int]
    first_outer: int
    constants: Mapping[type, Any] = field(default_factory=dict)
    refused: Mapping[type, str] = field(default_factory=dict)
    takes_body: bool = False
    takes_message: bool = False

    @property
    def sources(self) -> dict[type, Source]:
        """Everything at hand, by type. What the class of a constant inherits from stands for it as well."""
        at_hand: dict[type, Source] = {}
        for value in self.constants.values():
            at_hand |= {kind: Constant(value) for kind in type(value).__mro__ if kind is not object}
        at_hand |= {kind: Constant(value) for kind, value in self.constants.items()}
        at_hand |= {kind: Outer(place) for kind, place in self.given.items()}
        if Resolver in self.given:
            at_hand[AsyncScope] = at_hand[Resolver]
        return at_hand


@dataclass(frozen=True, slots=True)
class Signature:
    """A bound handler: its arguments, the factory calls before it, the parameters to decode, and what is wrong.

    `message` is a listener's message parameter; `messages` are a typed WebSocket's types.
    """

    handler: Callable[..., Any]
    arguments: tuple[Argument, ...]
    steps: tuple[Step, ...]
    specs: tuple[ParamSpec, ...]
    decoders: tuple[Decoder, ...]
    outers_used: frozenset[int]
    problems: tuple[SetupProblem, ...]
    message: ParamSpec | None = None
    messages: MessageTypes | None = None


def bind(
    handler: Callable[..., Any],
    target: Target,
    providers: Providers,
    built: Mapping[DependentNode, Any] | None = None,
) -> Signature:
    """Work out where every argument of `handler` comes from. Problems are collected in the result, never raised."""
    return _Binder(handler, target, providers, built or {}).bind()


class _Binder:
    def __init__(
        self,
        handler: Callable[..., Any],
        target: Target,
        providers: Providers,
        built: Mapping[DependentNode, Any],
    ) -> None:
        self._handler = handler
        self._target = target
        self._at_hand = target.sources
        self._builder = RecipeBuilder(providers, built)
        self._wire = Wire(handler, target.path_names, target.takes_body)
        self._used: set[int] = set()
        self._of_handler: dict[str, Source] = {}
        self._message: ParamSpec | None = None
        self._message_is_taken = False  # by a parameter of the listener itself

    def bind(self) -> Signature:
        arguments = self._builder.arguments_of(self._handler, self._supply)
        if self._target.takes_message and self._message is None and not self._builder.problems:
            fix = "name a parameter `message`, or give it a structured type, such as a Struct"
            self._builder.problems.append(problem_at(self._handler, "a listener takes the message, and this none", fix))
        return Signature(
            self._handler,
            arguments,
            tuple(self._builder.steps),
            tuple(self._wire.specs),
            tuple(self._wire.decoders),
            frozenset(self._used),
            tuple(dict.fromkeys(self._builder.problems)),
            message=self._message,
        )

    def _supply(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        if function is not self._handler:
            return self._for_factory(parameter, function)
        if parameter.name in self._of_handler:  # a factory's Ignore has asked for it already
            return self._of_handler[parameter.name]
        if parameter.is_variadic:
            stars = "*" if parameter.kind is parameter.kind.VAR_POSITIONAL else "**"
            fix = "name each parameter; a handler gets exactly what it names"
            raise self._wire.error(parameter, function, f"{stars}{parameter.name} takes nothing in particular", fix)
        source = self._of_handler[parameter.name] = self._annotated(parameter, function)
        return source

    def _for_factory(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        """A factory may have parameters that are not ours to fill: those without an annotation keep their default."""
        if parameter.is_variadic or (parameter.annotation is None and parameter.has_default):
            return None
        return self._annotated(parameter, function)

    def _annotated(self, parameter: Parameter, function: Callable[..., Any]) -> Source:
        if parameter.annotation is None:
            fix = f"write {parameter.name}: str, or another type"
            raise self._wire.error(parameter, function, "it has no annotation, so nobody knows what it is", fix)
        return self._marked(parameter, function) or self._by_rule(parameter, function)

    def _marked(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        meta = meta_of(parameter.annotation)
        if meta is not None and meta.factory is not None:
            return self._builder.need(self._builder.providers.marked(meta), self._supply)
        mark = param_mark(parameter.annotation)
        if mark is not None and mark.source is not None:
            return self._from_wire(parameter, function, mark.source)
        return None

    def _by_rule(self, parameter: Parameter, function: Callable[..., Any]) -> Source:
        if parameter.name in self._target.path_names:
            return self._from_wire(parameter, function, "path")
        at_hand = self._found_at_hand(parameter, function)
        if at_hand is not None:
            return at_hand
        meta = meta_of(parameter.annotation)
        if meta is not None and meta.ignore:
            dependency = self._of_same_name(parameter, function)
        else:
            dependency = self._dependency(bare_type(parameter.annotation), meta)
        return dependency or self._from_wire(parameter, function, self._source_by_rule(parameter, function))

    def _source_by_rule(self, parameter: Parameter, function: Callable[..., Any]) -> str:
        if self._target.takes_message and function is self._handler and parameter.name == "message":
            return BODY
        return self._wire.source_by_type(parameter)

    def _found_at_hand(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        kind = bare_type(parameter.annotation)
        wanted = get_origin(kind) or kind
        if not isinstance(wanted, type):
            return None
        source = self._at_hand.get(wanted)
        if source is not None:
            if isinstance(source, Outer):
                self._used.add(source.index)
            return source
        for refused, fix in self._target.refused.items():
            if issubclass(wanted, refused):
                what = f"there is no {wanted.__name__} on this kind of route ({wanted.__module__}.{wanted.__name__})"
                raise self._wire.error(parameter, function, what, fix)
        return None

    def _dependency(self, kind: Any, meta: NodeMeta | None) -> Source | None:
        providers = self._builder.providers
        node = providers.find(kind)
        if node is not None and meta is not None and meta.reuse:
            node = providers.shared(node)
        return None if node is None else self._builder.need(node, self._supply)

    def _of_same_name(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        """`Ignore[T]` in a factory: the value of the handler's parameter of that name, when it has one."""
        if function is self._handler:
            return None
        for candidate in parameters_of(self._handler):
            if candidate.name == parameter.name and candidate.problem is None:
                return self._supply(candidate, self._handler)
        return None

    def _from_wire(self, parameter: Parameter, function: Callable[..., Any], source: str) -> Source:
        if source == BODY and self._target.takes_message:
            return self._the_message(parameter, function)
        place = self._wire.place_of(parameter, function, source)
        if isinstance(place, Constant):
            return place
        if place is None:
            raise self._builder.missing(parameter, function)
        return Outer(self._target.first_outer + place)

    def _the_message(self, parameter: Parameter, function: Callable[..., Any]) -> Source:
        """A listener's message; a factory that wants it takes the same type, or leaves it where it has a default."""
        spec, known = self._wire.message_spec(parameter, function), self._message
        is_own = function is self._handler
        if known is None or (known.type == spec.type and not (is_own and self._message_is_taken)):
            self._message = spec if is_own or known is None else known
            self._message_is_taken |= is_own
            return Outer(MESSAGE)
        if not is_own and parameter.has_default and param_mark(parameter.annotation) is None:
            return Constant(parameter.default)
        fix = f"put {known.name} and {parameter.name} as fields into one type, or join their types: A | B"
        what = f"{known.name} is the message already; there is only one"
        raise self._wire.error(parameter, function, what, fix)
