"""A decoder for each parameter, made once at start."""

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from lihil.errors import ParameterIssue, ParametersError
from lihil.markers import Constraints
from lihil.params.codec import TextBytes, decode_hook, issues_of_decode, json_decoder
from lihil.params.sources import Sources
from lihil.params.spec import BODY, OMITTED, ParamSpec

Decoder: TypeAlias = Callable[[Sources], Any]
Texts: TypeAlias = Mapping[str, Sequence[str]]

_SEQUENCES = (list, set, frozenset, tuple)
_SHOWN_CHARS = 80


class UnsupportedTypeError(TypeError):
    """A type that cannot be read from text; the text says which."""


def decode_all(decoders: Sequence[Decoder], sources: Sources) -> list[Any]:
    """Every parameter's value, in order. Raises ParametersError with all that is wrong, not just the first."""
    values: list[Any] = []
    issues: list[ParameterIssue] = []
    for decode in decoders:
        try:
            values.append(decode(sources))
        except ParametersError as exc:
            issues += exc.issues
    if issues:
        raise ParametersError(issues)
    return values


def make_decoder(spec: ParamSpec) -> Decoder:
    """The function that reads `spec` out of one request's sources.

    Raises UnsupportedTypeError for a type that text cannot become, and ValueError for limits its type cannot have.
    """
    if spec.source == BODY:
        return _body_decoder(spec)
    if spec.fields:
        return _pack_decoder(spec)
    return _many_decoder(spec) if is_sequence(spec.type) else _single_decoder(spec)


def is_sequence(kind: Any) -> bool:
    """Whether a type takes every value of a repeated key: list, set, frozenset or tuple, or one of these or None."""
    if kind in _SEQUENCES or get_origin(kind) in _SEQUENCES:
        return True
    return is_union(kind) and any(is_sequence(option) for option in get_args(kind))


def is_union(kind: Any) -> bool:
    """Whether a type is a union, in either spelling."""
    return get_origin(kind) in {Union, types.UnionType}


def _single_decoder(spec: ParamSpec) -> Decoder:
    convert = _converter(spec)
    key, source = spec.key, spec.source

    def decode(sources: Sources) -> Any:
        texts: Texts = getattr(sources, source)
        found = texts.get(key)
        if not found:
            return _absent(spec)
        try:
            return convert(found[-1])
        except ValueError as exc:
            raise ParametersError([_issue(spec, exc, found[-1])]) from None

    return decode


def _many_decoder(spec: ParamSpec) -> Decoder:
    convert = _converter(spec)
    key, source = spec.key, spec.source

    def decode(sources: Sources) -> Any:
        texts: Texts = getattr(sources, source)
        found = texts.get(key)
        if not found:
            return _absent(spec)
        if source == "header":  # a list-valued field may be one line with commas (RFC 9110, section 5.6.1)
            found = [part.strip() for line in found for part in line.split(",")]
        try:
            return convert(found)
        except ValueError as exc:
            raise ParametersError([_issue(spec, exc, ",".join(found))]) from None

    return decode


def _pack_decoder(spec: ParamSpec) -> Decoder:
    decoders = [make_decoder(item) for item in spec.fields]
    names = [item.name for item in spec.fields]

    def decode(sources: Sources) -> Any:
        values = decode_all(decoders, sources)
        given = {name: value for name, value in zip(names, values, strict=True) if value is not OMITTED}
        try:
            return spec.type(**given)
        except (ValueError, TypeError) as exc:  # the type's own checks: __post_init__, validators
            issue = ParameterIssue("InvalidDataType", spec.source, spec.name, str(exc))
            raise ParametersError([issue]) from None

    return decode


def _body_decoder(spec: ParamSpec) -> Decoder:
    kind = _limited(spec.type, spec.constraints)
    decode_bytes = _raw_decoder(kind, spec.decoder) if spec.is_raw_body else json_decoder(kind)
    takes_nothing = spec.is_raw_body and spec.required  # no bytes are bytes as well

    def decode(sources: Sources) -> Any:
        if not sources.body and not takes_nothing:
            return _absent(spec)
        try:
            return decode_bytes(sources.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ParametersError(issues_of_decode(exc, BODY, spec.key)) from None
        except ValueError as exc:  # a decoder's own
            raise ParametersError([ParameterIssue("CustomDecodeErrorMessage", BODY, spec.key, str(exc))]) from None

    return decode


def _raw_decoder(kind: Any, decoder: Callable[[str], Any] | None) -> Callable[[bytes], Any]:
    """From the body as it came to the value: the bytes themselves, or what `decoder` makes of the text."""
    if decoder is not None:
        return lambda body: decoder(body.decode())
    return lambda body: msgspec.convert(body, kind)


def _absent(spec: ParamSpec) -> Any:
    if spec.required:
        issue = ParameterIssue(
            "MissingRequestParam", spec.source, spec.key, f"missing, expected {type_words(spec.type)}"
        )
        raise ParametersError([issue])
    return spec.make_default()


def _converter(spec: ParamSpec) -> Callable[[Any], Any]:
    """From text, or a list of texts, to the value; raises ValueError (msgspec.ValidationError is one)."""
    if spec.decoder is not None:
        return spec.decoder
    kind = _limited(_with_text_bytes(spec.type), spec.constraints)
    if kind is str:
        return _same
    try:
        msgspec.json.Decoder(kind, dec_hook=decode_hook)
    except TypeError as exc:
        raise UnsupportedTypeError(str(exc)) from exc
    if _is_custom(spec.type):
        raise UnsupportedTypeError(f"text cannot become {type_words(spec.type)}")

    def convert(value: Any) -> Any:
        return msgspec.convert(value, kind, strict=False, dec_hook=decode_hook)

    return convert


def _same(value: Any) -> Any:
    return value


def _is_custom(kind: Any) -> bool:
    if get_origin(kind) is Annotated:
        return _is_custom(get_args(kind)[0])
    if is_union(kind):
        return any(_is_custom(option) for option in get_args(kind))
    if kind is Any or kind is bytes:
        return False
    return isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType)


def _limited(kind: Any, limits: Constraints) -> Any:
    chosen = {name: value for name in Constraints.__slots__ if (value := getattr(limits, name)) is not None}
    if not chosen:
        return kind
    if is_union(kind):  # a limit on `int | None` is a limit on the int
        options = tuple(o if o is types.NoneType else _limited(o, limits) for o in get_args(kind))
        return Union[options]  # noqa: UP007 - built at run time
    return Annotated[kind, msgspec.Meta(**chosen)]


def _with_text_bytes(kind: Any) -> Any:
    """The type with `bytes` read as text: in parameters nobody writes base64."""
    if kind is bytes:
        return TextBytes
    arguments = get_args(kind)
    if bytes not in arguments:
        return kind
    replaced = tuple(_with_text_bytes(argument) for argument in arguments)
    return Union[replaced] if is_union(kind) else get_origin(kind)[replaced]  # noqa: UP007 - built at run time


def _issue(spec: ParamSpec, exc: ValueError, text: str) -> ParameterIssue:
    kind = "CustomDecodeErrorMessage" if spec.decoder is not None else "InvalidDataType"
    message = str(exc) if spec.decoder is not None else _expectation(spec, exc)
    # A header or a cookie may hold a secret: its value is never sent back or logged.
    if spec.source in {"path", "query"}:
        shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
        message = f"{message}, got {shown!r}"
    return ParameterIssue(kind, spec.source, spec.key, message)


def _expectation(spec: ParamSpec, exc: ValueError) -> str:
    text = str(exc).partition(" - at ")[0]
    if not text.startswith("Expected ") or ", got `" in text:
        return f"expected {type_words(spec.type)}"
    text = text.replace("`", "")
    return text[:1].lower() + text[1:]


def type_words(kind: Any) -> str:
    """A type as a reader says it: `int`, `int | None`, `one of 'a', 'b'`, `list[int]`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return type_words(get_args(kind)[0])
    if is_union(kind):
        return " | ".join(type_words(option) for option in get_args(kind))
    if origin is Literal:
        return "one of " + ", ".join(repr(value) for value in get_args(kind))
    if kind is types.NoneType:
        return "None"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    if origin is not None:
        inner = ", ".join("..." if argument is ... else type_words(argument) for argument in get_args(kind))
        return f"{getattr(origin, '__name__', origin)}[{inner}]"
    return getattr(kind, "__name__", str(kind))
