"""The parameters of one handler that come as text or as the body, its own and those of its factories."""

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from lihil.binding.pack import pack_fields, pack_type
from lihil.di.node import Parameter, bare_type, meta_of, name_of, problem_at
from lihil.di.registry import Constant
from lihil.errors import SetupError
from lihil.markers import Param
from lihil.params.decode import Decoder, UnknownTypeError, UnsupportedTypeError, check_message, make_decoder
from lihil.params.kinds import holds_structure, type_words
from lihil.params.spec import BODY, MISSING, ParamSpec, wire_key


class Wire:
    """Collects a spec and a decoder for each different parameter; two that are the same share one."""

    def __init__(self, handler: Callable[..., Any], path_names: frozenset[str], takes_body: bool) -> None:
        self.specs: list[ParamSpec] = []
        self.decoders: list[Decoder] = []
        self._handler = handler
        self._path_names = path_names
        self._takes_body = takes_body

    def source_by_type(self, parameter: Parameter) -> str:
        """Where an unmarked parameter is read from that nothing else supplies."""
        return BODY if holds_structure(parameter.annotation) else "query"

    def place_of(self, parameter: Parameter, function: Callable[..., Any], source: str) -> int | Constant | None:
        """The parameter's place among the decoded ones, or its default where a factory's cannot be read at all.

        None when it is of a type that nobody can read and nobody marked as readable: a provider is missing. Raises
        SetupError.
        """
        is_optional = function is not self._handler and parameter.has_default
        if is_optional and source == BODY and not self._takes_body and param_mark(parameter.annotation) is None:
            return Constant(parameter.default)
        spec = self._spec(parameter, function, source)
        if source == BODY:
            self._check_body(parameter, function, spec)
        if spec in self.specs:
            return self.specs.index(spec)
        try:
            decoder = make_decoder(spec)
        except UnsupportedTypeError as exc:
            mark = param_mark(parameter.annotation)
            is_marked = mark is not None and mark.source is not None
            if isinstance(exc, UnknownTypeError) and not is_marked:
                return Constant(parameter.default) if is_optional else None
            fix = f'take another type, or say how to read it: Annotated[..., Param("{source}", decoder=read_it)]'
            raise self.error(parameter, function, f"it cannot be read from the {source}: {exc}", fix) from None
        except (ValueError, TypeError) as exc:
            fix = "take the limits that its type knows: gt, ge, lt, le for numbers, pattern and lengths for text"
            raise self.error(parameter, function, f"its limits do not fit its type: {exc}", fix) from None
        self.specs.append(spec)
        self.decoders.append(decoder)
        return len(self.specs) - 1

    def message_spec(self, parameter: Parameter, function: Callable[..., Any]) -> ParamSpec:
        """The spec of a listener's message. Raises SetupError where no message can become it."""
        spec = self._spec(parameter, function, BODY)
        try:
            check_message(spec)
        except (ValueError, TypeError) as exc:
            fix = 'take another type, or say how to read it: Annotated[..., Param("body", decoder=read_it)]'
            raise self.error(parameter, function, f"it cannot be read from a message: {exc}", fix) from None
        return spec

    def error(self, parameter: Parameter, function: Callable[..., Any], what: str, fix: str) -> SetupError:
        """A set-up error that points at a parameter, of the handler or of a factory it needs."""
        if function is not self._handler:
            what += f" (needed by {name_of(self._handler)})"
        return SetupError([problem_at(function, what, fix, parameter=parameter.name)])

    def _spec(self, parameter: Parameter, function: Callable[..., Any], source: str) -> ParamSpec:
        mark = param_mark(parameter.annotation)
        kind = _without_marks(parameter.annotation)
        pack = None if source == BODY or (mark is not None and mark.decoder is not None) else pack_type(kind)
        fields: tuple[ParamSpec, ...] = ()
        if pack is not None:
            fields = self._pack(parameter, function, pack, source)
        elif source == "path":
            self._check_in_path(parameter, function, wire_key(parameter.name, source, mark))
        default = parameter.default if parameter.has_default else MISSING
        if source == "path" and function is self._handler and default is not MISSING:
            fix = "drop the default: without this part of the path the route does not match at all"
            raise self.error(parameter, function, "a path parameter cannot have a default", fix)
        return ParamSpec(
            name=parameter.name,
            key=wire_key(parameter.name, source, mark),
            source=source,
            type=kind if pack is None else pack,
            default=MISSING if source == "path" else default,
            constraints=mark.constraints if mark else Param().constraints,
            decoder=mark.decoder if mark else None,
            fields=fields,
            description=(mark.description if mark else None) or "",
        )

    def _pack(
        self, parameter: Parameter, function: Callable[..., Any], pack: Any, source: str
    ) -> tuple[ParamSpec, ...]:
        try:
            fields = pack_fields(pack, source)
        except (TypeError, NameError) as exc:
            fix = "give each field a type that text can become, defined at the top of its module"
            raise self.error(parameter, function, f"the fields of {type_words(pack)}: {exc}", fix) from None
        if source == "path":
            for item in fields:
                self._check_in_path(parameter, function, item.key)
        return fields

    def _check_in_path(self, parameter: Parameter, function: Callable[..., Any], key: str) -> None:
        if key not in self._path_names:
            names = ", ".join(sorted(self._path_names)) or "none"
            fix = f"put {{{key}}} into the route's path; it has: {names}"
            raise self.error(parameter, function, f"the path has no {{{key}}}", fix)

    def _check_body(self, parameter: Parameter, function: Callable[..., Any], spec: ParamSpec) -> None:
        words = type_words(spec.type)
        if not self._takes_body:
            what = f"a WebSocket handshake has no body, and {parameter.name}: {words} would be one"
            fix = (
                f'read it from the query with Annotated[{words}, Param("query")], receive it as a message '
                f"(await ws.receive_json()), or provide it with use(...)"
            )
            raise self.error(parameter, function, what, fix)
        other = next((known for known in self.specs if known.source == BODY and known != spec), None)
        if other is not None:
            fix = f"put {other.name} and {parameter.name} as fields into one type"
            raise self.error(parameter, function, f"{other.name} is the body already; there is only one", fix)


def param_mark(annotation: Any) -> Param | None:
    """The `Param` in `Annotated`; of several, each later one adds to the earlier."""
    marks = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Param)]
    return marks[0].merged_with(marks[1:]) if marks else None


def _without_marks(annotation: Any) -> Any:
    """The type with foreign metadata such as msgspec.Meta kept, and ours taken off."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *metadata = get_args(annotation)
    kept = [mark for mark in metadata if not isinstance(mark, Param) and meta_of(Annotated[kind, mark]) is None]
    return Annotated[(kind, *kept)] if kept else bare_type(annotation)
