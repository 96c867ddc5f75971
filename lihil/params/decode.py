"""A decoder for each parameter, made once at start."""

import re
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec

from lihil.errors import ParameterIssue, ParametersError
from lihil.markers import Constraints
from lihil.params.codec import decode_hook, issues_of_decode, json_decoder
from lihil.params.kinds import (
    inner_types,
    is_pydantic_model,
    is_raw,
    is_sequence,
    is_text_type,
    is_union,
    plain_type,
    type_words,
)
from lihil.params.sources import Sources
from lihil.params.spec import BODY, OMITTED, ParamSpec

__all__ = [
    "Decoder",
    "UnknownTypeError",
    "UnsupportedTypeError",
    "check_message",
    "checked_decoder",
    "decode_all",
    "document_type",
    "is_union",
    "make_decoder",
    "message_type",
    "type_words",
]

Decoder: TypeAlias = Callable[[Sources], Any]

_SHOWN_CHARS: Final = 80
_BARE_TYPE = re.compile(r"Expected `[^`]*`")


class UnsupportedTypeError(TypeError):
    """A type that cannot be read from the wire; the text says why."""


class UnknownTypeError(UnsupportedTypeError):
    """A class of which nothing is known: no value of it can come over the wire."""


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

    Raises UnsupportedTypeError for a type that the wire cannot give, and ValueError or TypeError for limits that its
    type cannot have.
    """
    if spec.source == BODY:
        return _body_decoder(spec)
    if spec.fields:
        return _model_decoder(spec) if is_pydantic_model(spec.type) else _pack_decoder(spec)
    read, convert = _reader(spec), _converter(spec)
    if convert is _same:
        return _text_decoder(spec, read)

    def decode(sources: Sources) -> Any:
        text = read(sources)
        if text is None:
            return _absent(spec)
        try:
            return convert(text)
        except ValueError as exc:
            raise ParametersError([_issue(spec, exc, text)]) from None

    return decode


def _text_decoder(spec: ParamSpec, read: Callable[[Sources], Any]) -> Decoder:
    """Text stays as it is."""

    def decode(sources: Sources) -> Any:
        text = read(sources)
        return _absent(spec) if text is None else text

    return decode


def _reader(spec: ParamSpec) -> Callable[[Sources], Any]:
    """Takes a parameter's text out of the sources, or the list of its texts; None where there is none."""
    key, source = spec.key, spec.source

    def read_captured(sources: Sources) -> str | None:
        """A path has each of its parameters once."""
        return sources.captured.get(key)

    def read_last(sources: Sources) -> str | None:
        found: Sequence[str] = getattr(sources, source).get(key)
        return found[-1] if found else None

    def read_all(sources: Sources) -> list[str] | None:
        found: Sequence[str] = getattr(sources, source).get(key)
        return list(found) if found else None

    def read_header(sources: Sources) -> list[str] | None:
        """A list may be one field line with commas; empty elements do not count (RFC 9110, section 5.6.1)."""
        lines: Sequence[str] | None = sources.header.get(key)
        return None if lines is None else [part for line in lines for item in line.split(",") if (part := item.strip())]

    if spec.decoder is not None or not is_sequence(spec.type):
        return read_captured if source == "path" else read_last
    return read_header if source == "header" else read_all


def _pack_decoder(spec: ParamSpec) -> Decoder:
    decoders = [make_decoder(item) for item in spec.fields]
    names = [item.name for item in spec.fields]

    def decode(sources: Sources) -> Any:
        if _uses_default(spec, sources):
            return spec.make_default()
        values = decode_all(decoders, sources)
        given = {name: value for name, value in zip(names, values, strict=True) if value is not OMITTED}
        try:
            return spec.type(**given)
        except (ValueError, TypeError) as exc:  # the type's own checks: __post_init__, validators
            raise ParametersError(
                [ParameterIssue("InvalidDataType", spec.source, spec.name, _own(spec, exc))]
            ) from None

    return decode


def _model_decoder(spec: ParamSpec) -> Decoder:
    """A pydantic model gets the texts as they are: it knows its own types better."""
    readers = [(item, _reader(item)) for item in spec.fields]
    fields = {item.name: item for item in spec.fields}

    def decode(sources: Sources) -> Any:
        if _uses_default(spec, sources):
            return spec.make_default()
        given = {item.name: text for item, read in readers if (text := read(sources)) is not None}
        try:
            return spec.type.model_validate(given)
        except ValueError as exc:
            errors = exc.errors(include_url=False, include_context=False, include_input=False)  # type: ignore[attr-defined]
            raise ParametersError([_issue_of_model(spec, fields, error) for error in errors]) from None

    return decode


def _issue_of_model(spec: ParamSpec, fields: dict[str, ParamSpec], error: dict[str, Any]) -> ParameterIssue:
    item = fields.get(str(error["loc"][0])) if error["loc"] else None
    if item is not None and error["type"] == "missing":
        return _missing(item)
    # These two carry the text of the model's own validators.
    message = _own(spec, error["msg"]) if error["type"] in {"value_error", "assertion_error"} else error["msg"]
    return ParameterIssue("InvalidDataType", spec.source, spec.name if item is None else item.key, message)


def _uses_default(spec: ParamSpec, sources: Sources) -> bool:
    """Whether a pack with a default is absent: none of its fields came."""
    texts = getattr(sources, spec.source)
    return not spec.required and not any(item.key in texts for item in spec.fields)


def _body_decoder(spec: ParamSpec) -> Decoder:
    decode_bytes = _body_converter(spec)
    takes_nothing = spec.is_raw_body and spec.required  # no bytes are bytes as well

    def decode(sources: Sources) -> Any:
        if not sources.body and not takes_nothing:
            return _absent(spec)
        try:
            return decode_bytes(sources.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ParametersError(issues_of_decode(exc, BODY, spec.key)) from None
        except ValueError as exc:  # a decoder's own
            raise ParametersError([ParameterIssue("CustomDecodeErrorMessage", BODY, spec.key, str(exc))]) from None

    return decode


def _body_converter(spec: ParamSpec) -> Callable[[bytes], Any]:
    """From the body as it came to the value: JSON, or the bytes themselves, or what a decoder makes of the text."""
    if spec.decoder is not None:
        convert = checked_decoder(spec)
        return lambda body: convert(body.decode())
    kind = document_type(spec)
    decode_json = json_decoder(kind)
    return (lambda body: msgspec.convert(body, kind)) if spec.is_raw_body else decode_json


def document_type(spec: ParamSpec) -> Any:
    """The type that a whole document is decoded as, with the parameter's limits.

    Raises UnsupportedTypeError for a type that no document can become, ValueError for limits that cannot be read.
    """
    for leaf in inner_types(_type_info(spec)):
        if isinstance(leaf, msgspec.inspect.CustomType) and not is_pydantic_model(leaf.cls):
            raise UnknownTypeError(f"JSON cannot become {type_words(leaf.cls)}")
    return _limited(spec.type, spec.constraints)


def message_type(spec: ParamSpec) -> Any:
    """As document_type, for a WebSocket's message, which may be `str | bytes` as well: whichever comes."""
    return spec.type if spec.constraints == Constraints() and is_raw(spec.type) else document_type(spec)


def check_message(spec: ParamSpec) -> None:
    """Raises TypeError or ValueError where no message can become what `spec` says."""
    if spec.decoder is not None:
        checked_decoder(spec)
    elif not is_raw(spec.type) or spec.constraints != Constraints():
        json_decoder(document_type(spec))


def _absent(spec: ParamSpec) -> Any:
    if spec.required:
        raise ParametersError([_missing(spec)])
    return spec.make_default()


def _missing(spec: ParamSpec) -> ParameterIssue:
    return ParameterIssue("MissingRequestParam", spec.source, spec.key, f"missing, expected {type_words(spec.type)}")


def _converter(spec: ParamSpec) -> Callable[[Any], Any]:
    """From text, or a list of texts, to the value; raises ValueError (msgspec.ValidationError is one)."""
    if spec.decoder is not None:
        return checked_decoder(spec)
    info = _type_info(spec)
    leaves = inner_types(info)
    for leaf in leaves:
        if isinstance(leaf, msgspec.inspect.CustomType):
            raise UnknownTypeError(f"text cannot become {type_words(leaf.cls)}")
        if not is_text_type(leaf):
            raise UnsupportedTypeError(f"text cannot become {type_words(spec.type)}")
    kind = _limited(spec.type, spec.constraints)
    if kind is str:
        return _same
    msgspec.json.Decoder(kind, dec_hook=decode_hook)  # raises TypeError for limits that do not fit
    are_bytes = [isinstance(leaf, msgspec.inspect.BytesType) for leaf in leaves]
    if not any(are_bytes):
        return lambda text: msgspec.convert(text, kind, strict=False)
    if isinstance(info, msgspec.inspect.TupleType) and not all(are_bytes):
        raise UnsupportedTypeError("bytes and other types do not go together in one tuple")
    return lambda text: msgspec.convert(_utf8(text), kind, strict=False)


def _same(text: Any) -> Any:
    return text


def _utf8(text: Any) -> Any:
    """Text as bytes: msgspec alone would read base64, which nobody writes into a query."""
    return text.encode() if isinstance(text, str) else [item.encode() for item in text]


def checked_decoder(spec: ParamSpec) -> Callable[[Any], Any]:
    """The parameter's own decoder, with the limits put on what it gives."""
    assert spec.decoder is not None  # noqa: S101 - callers come here only with a decoder
    decode = spec.decoder
    if spec.constraints == Constraints():
        return decode
    kind = _limited(spec.type, spec.constraints)
    msgspec.json.Decoder(kind, dec_hook=decode_hook)  # raises TypeError for limits that do not fit
    return lambda text: msgspec.convert(decode(text), kind, dec_hook=decode_hook)


def _type_info(spec: ParamSpec) -> msgspec.inspect.Type:
    try:
        return msgspec.inspect.type_info(plain_type(spec.type))
    except (TypeError, NameError) as exc:
        raise UnsupportedTypeError(str(exc)) from None


def _limited(kind: Any, limits: Constraints) -> Any:
    chosen = {name: value for name in Constraints.__slots__ if (value := getattr(limits, name)) is not None}
    try:
        return _with_metas(kind, [msgspec.Meta(**chosen)] if chosen else [])
    except re.error as exc:
        raise ValueError(f"the pattern {limits.pattern!r} is no regular expression: {exc}") from None


def _with_metas(kind: Any, metas: list[msgspec.Meta]) -> Any:
    """The type with limits; those on `int | None` are limits on the int, which msgspec wants to be told."""
    if get_origin(kind) is Annotated:
        inner, *own = get_args(kind)
        return _with_metas(inner, [*(meta for meta in own if isinstance(meta, msgspec.Meta)), *metas])
    if is_union(kind) and metas:
        options = tuple(option if option is types.NoneType else _with_metas(option, metas) for option in get_args(kind))
        return Union[options]  # noqa: UP007 - built at run time
    return Annotated[(kind, *metas)] if metas else kind


def _issue(spec: ParamSpec, exc: ValueError, text: str | list[str]) -> ParameterIssue:
    is_own = spec.decoder is not None and not isinstance(exc, msgspec.ValidationError)
    message = _own(spec, exc) if is_own else _expectation(spec, exc)
    if not _is_secret(spec):
        whole = text if isinstance(text, str) else ",".join(text)
        shown = whole if len(whole) <= _SHOWN_CHARS else f"{whole[:_SHOWN_CHARS]}..."
        message = f"{message}, got {shown!r}"
    return ParameterIssue("CustomDecodeErrorMessage" if is_own else "InvalidDataType", spec.source, spec.key, message)


def _own(spec: ParamSpec, exc: object) -> str:
    """What the user's own check says, but for a header or a cookie: `int(token)` says the token."""
    return f"not accepted, expected {type_words(spec.type)}" if _is_secret(spec) else str(exc)


def _is_secret(spec: ParamSpec) -> bool:
    """A header or a cookie may hold a secret: its value is never sent back or logged."""
    return spec.source in {"header", "cookie"}


def _expectation(spec: ParamSpec, exc: ValueError) -> str:
    text = str(exc).partition(" - at `$")[0].partition(", got ")[0]
    if not text.startswith("Expected ") or _BARE_TYPE.fullmatch(text):
        return f"expected {type_words(spec.type)}"
    text = text.replace("`", "")
    return text[:1].lower() + text[1:]
