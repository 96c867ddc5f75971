"""Decides for each parameter of a handler, and of the factories it needs, where its value comes from.

The rules, in this order. A mark wins: `use(factory)`, `Param(source)`. Without one: (1) a name in the path pattern is a
path parameter; (2) a type the framework has at hand is injected; (3) a type that a graph provides is a dependency;
(4) a structured type is the body, which a WebSocket does not have; (5) anything else is a query parameter.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin

from lihil.binding.pack import pack_fields
from lihil.di.node import DependentNode, Parameter, bare_type, meta_of, name_of, parameters_of, problem_at
from lihil.di.recipe import Argument, Outer, RecipeBuilder, Source, Step
from lihil.di.registry import Constant, Providers
from lihil.errors import SetupError, SetupProblem
from lihil.markers import NodeMeta, Param
from lihil.params.codec import is_structured
from lihil.params.decode import Decoder, UnsupportedTypeError, is_union, make_decoder, type_words
from lihil.params.spec import BODY, MISSING, ParamSpec, wire_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What kind of route a handler is bound to.

    `given`: types the framework injects, with their place among the outer values. `constants`: types that stand for one
    value. `refused`: types of the other protocol, with what to write instead. `first_outer`: where the decoded
    parameters begin.
    """

    path_names: frozenset[str]
    given: Mapping[type, int]
    first_outer: int
    constants: Mapping[type, Any] = field(default_factory=dict)
    refused: Mapping[type, str] = field(default_factory=dict)
    takes_body: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A bound handler: its arguments, the factory calls before it, the parameters to decode, and what is wrong."""

    handler: Callable[..., Any]
    arguments: tuple[Argument, ...]
    steps: tuple[Step, ...]
    specs: tuple[ParamSpec, ...]
    decoders: tuple[Decoder, ...]
    outers_used: frozenset[int]
    problems: tuple[SetupProblem, ...]

    @property
    def needs_body(self) -> bool:
        return any(spec.source == BODY for spec in self.specs)


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
        self._builder = RecipeBuilder(providers, built)
        self._specs: list[ParamSpec] = []
        self._decoders: list[Decoder] = []
        self._used: set[int] = set()
        self._of_handler: dict[str, Source] = {}

    def bind(self) -> Signature:
        arguments = self._builder.arguments_of(self._handler, self._supply)
        return Signature(
            self._handler,
            arguments,
            tuple(self._builder.steps),
            tuple(self._specs),
            tuple(self._decoders),
            frozenset(self._used),
            tuple(dict.fromkeys(self._builder.problems)),
        )

    def _supply(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        if parameter.kind in {parameter.kind.VAR_POSITIONAL, parameter.kind.VAR_KEYWORD}:
            self._check_variadic(parameter, function)
            return None
        if parameter.annotation is None:
            fix = f"write {parameter.name}: str, or another type"
            raise self._error(parameter, function, "it has no annotation, so nobody knows what it is", fix)
        source = self._marked(parameter, function) or self._by_rule(parameter, function)
        if function is self._handler:
            self._of_handler[parameter.name] = source
        return source

    def _check_variadic(self, parameter: Parameter, function: Callable[..., Any]) -> None:
        if function is not self._handler:
            return
        stars = "*" if parameter.kind is parameter.kind.VAR_POSITIONAL else "**"
        fix = "name each parameter; a handler gets exactly what it names"
        raise self._error(parameter, function, f"{stars}{parameter.name} takes nothing in particular", fix)

    def _marked(self, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        meta = meta_of(parameter.annotation)
        if meta is not None and meta.factory is not None:
            return self._builder.need(self._builder.providers.marked(meta), self._supply)
        mark = _param_mark(parameter.annotation)
        if mark is not None and mark.source is not None:
            return self._wire(parameter, function, mark.source, mark)
        return None

    def _by_rule(self, parameter: Parameter, function: Callable[..., Any]) -> Source:
        kind = bare_type(parameter.annotation)
        mark = _param_mark(parameter.annotation)
        if parameter.name in self._target.path_names:
            return self._wire(parameter, function, "path", mark)
        at_hand = self._at_hand(kind, parameter, function)
        if at_hand is not None:
            return at_hand
        meta = meta_of(parameter.annotation)
        dependency = self._ignored(parameter, meta, function) if meta else self._dependency(kind)
        if dependency is not None:
            return dependency
        if _holds_structure(kind):
            return self._wire(parameter, function, BODY, mark)
        return self._wire(parameter, function, "query", mark)

    def _at_hand(self, kind: Any, parameter: Parameter, function: Callable[..., Any]) -> Source | None:
        wanted = get_origin(kind) or kind
        if not isinstance(wanted, type):
            return None
        for constant, value in self._target.constants.items():
            if issubclass(wanted, constant):
                return Constant(value)
        for given, place in self._target.given.items():
            if issubclass(wanted, given):
                self._used.add(place)
                return Outer(place)
        for refused, fix in self._target.refused.items():
            if issubclass(wanted, refused):
                raise self._error(parameter, function, f"there is no {wanted.__name__} on this kind of route", fix)
        return None

    def _dependency(self, kind: Any) -> Source | None:
        node = self._builder.providers.find(kind)
        return None if node is None else self._builder.need(node, self._supply)

    def _ignored(self, parameter: Parameter, meta: NodeMeta, function: Callable[..., Any]) -> Source | None:
        """`Ignore[T]` in a factory: the value of the handler's parameter of that name, when it has one."""
        if function is self._handler or not meta.ignore:
            return None
        if parameter.name in self._of_handler:
            return self._of_handler[parameter.name]
        for candidate in parameters_of(self._handler):
            if candidate.name == parameter.name and meta_of(candidate.annotation) is None:
                return self._supply(candidate, self._handler)
        return None

    def _wire(self, parameter: Parameter, function: Callable[..., Any], source: str, mark: Param | None) -> Source:
        spec = self._spec(parameter, function, source, mark)
        if source == BODY:
            self._check_body(parameter, function, spec)
        for place, known in enumerate(self._specs):
            if known == spec:
                return Outer(self._target.first_outer + place)
        try:
            decoder = make_decoder(spec)
        except UnsupportedTypeError:
            if function is not self._handler and parameter.has_default:
                return Constant(parameter.default)
            raise self._builder.missing(parameter, function, type_words(spec.type)) from None
        except (ValueError, TypeError) as exc:
            fix = "take the limits that its type knows: gt, ge, lt, le for numbers, pattern and lengths for text"
            raise self._error(parameter, function, str(exc), fix) from None
        self._specs.append(spec)
        self._decoders.append(decoder)
        return Outer(self._target.first_outer + len(self._specs) - 1)

    def _spec(self, parameter: Parameter, function: Callable[..., Any], source: str, mark: Param | None) -> ParamSpec:
        if source == "path":
            self._check_path(parameter, function, mark)
        kind = _without_marks(parameter.annotation)
        fields: tuple[ParamSpec, ...] = ()
        if source != BODY and is_structured(bare_type(kind)):
            fields = pack_fields(bare_type(kind), source)
        return ParamSpec(
            name=parameter.name,
            key=wire_key(parameter.name, source, mark),
            source=source,
            type=kind,
            default=parameter.default if parameter.has_default else MISSING,
            constraints=mark.constraints if mark else Param().constraints,
            decoder=mark.decoder if mark else None,
            fields=fields,
            description=(mark.description if mark else None) or "",
        )

    def _check_path(self, parameter: Parameter, function: Callable[..., Any], mark: Param | None) -> None:
        key = wire_key(parameter.name, "path", mark)
        if key not in self._target.path_names and not is_structured(bare_type(parameter.annotation)):
            names = ", ".join(sorted(self._target.path_names)) or "none"
            fix = f"put {{{key}}} into the route's path; it has: {names}"
            raise self._error(parameter, function, f"the path has no {{{key}}}", fix)
        if parameter.has_default:
            fix = "drop the default: without this part of the path the route does not match at all"
            raise self._error(parameter, function, "a path parameter cannot have a default", fix)

    def _check_body(self, parameter: Parameter, function: Callable[..., Any], spec: ParamSpec) -> None:
        words = type_words(spec.type)
        if not self._target.takes_body:
            what = f"a WebSocket handshake has no body, and {parameter.name}: {words} would be one"
            fix = (
                f'read it from the query with Annotated[{words}, Param("query")], receive it as a message '
                f"(await ws.receive_json()), or provide it with use(...)"
            )
            raise self._error(parameter, function, what, fix)
        other = next((known for known in self._specs if known.source == BODY and known != spec), None)
        if other is not None:
            fix = f"put {other.name} and {parameter.name} as fields into one type"
            raise self._error(parameter, function, f"{other.name} is the body already; there is only one", fix)

    def _error(self, parameter: Parameter, function: Callable[..., Any], what: str, fix: str) -> SetupError:
        if function is not self._handler:
            what += f" (needed by {name_of(self._handler)})"
        return SetupError([problem_at(function, what, fix, parameter=parameter.name)])


def _param_mark(annotation: Any) -> Param | None:
    """The `Param` in `Annotated`; of several, each later one adds to the earlier."""
    marks = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Param)]
    return marks[0].merged_with(marks[1:]) if marks else None


def _without_marks(annotation: Any) -> Any:
    """The type with foreign metadata such as msgspec.Meta kept, and ours taken off."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *metadata = get_args(annotation)
    kept = [mark for mark in metadata if not isinstance(mark, Param) and meta_of(Annotated[kind, mark]) is None]
    return Annotated[(kind, *kept)] if kept else kind


def _holds_structure(kind: Any) -> bool:
    if is_union(kind):
        return any(_holds_structure(option) for option in get_args(kind) if option is not types.NoneType)
    if get_origin(kind) in {list, tuple, set, frozenset}:
        return any(_holds_structure(argument) for argument in get_args(kind))
    return is_structured(kind)
