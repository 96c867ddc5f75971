"""JSON and msgpack in and out of typed values: Structs, dataclasses, TypedDicts, attrs, pydantic models when in use.

pydantic is never imported here: its models are known by their methods.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from lihil.errors import ParameterIssue
from lihil.params.kinds import is_pydantic_model


def decode_hook(kind: type, value: Any) -> Any:
    """Builds what msgspec does not know: pydantic models.

    Raises ValueError or pydantic's ValidationError (a ValueError); msgspec turns them into its ValidationError.
    """
    if is_pydantic_model(kind):
        return kind.model_validate(value)  # type: ignore[attr-defined]
    if isinstance(value, kind):
        return value
    raise ValueError(f"Expected `{getattr(kind, '__name__', kind)}`, got `{type(value).__name__}`")


def encode_hook(value: Any) -> Any:
    """The plain data behind a value msgspec does not know; raises NotImplementedError for the rest (msgspec's rule)."""
    if is_pydantic_model(type(value)):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} cannot be written as JSON")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_hook)
_MSGPACK_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=encode_hook)


def encode_json(value: Any) -> bytes:
    """A value as JSON, UTF-8. Raises TypeError or NotImplementedError for a value JSON has no form for."""
    return _ENCODER.encode(value)


def encode_msgpack(value: Any) -> bytes:
    """A value as msgpack. Raises as encode_json does."""
    return _MSGPACK_ENCODER.encode(value)


def json_decoder(kind: Any) -> Callable[[bytes | str], Any]:
    """A function from JSON to `kind`; it raises msgspec.DecodeError, or its subclass ValidationError."""
    return msgspec.json.Decoder(kind, dec_hook=decode_hook).decode


def msgpack_decoder(kind: Any) -> Callable[[bytes], Any]:
    """A function from msgpack to `kind`; it raises as json_decoder's does."""
    return msgspec.msgpack.Decoder(kind, dec_hook=decode_hook).decode


def issues_of_decode(exc: Exception, location: str, param: str, *, form: str = "JSON") -> list[ParameterIssue]:
    """What a failed decoding means to the sender, a line for each bad field where the library tells them apart."""
    unreadable = f"Invalid{form.capitalize()}Received"
    if isinstance(exc, UnicodeDecodeError):
        return [ParameterIssue(unreadable, location, param, "not UTF-8")]
    if isinstance(exc, RecursionError):
        return [ParameterIssue(unreadable, location, param, "nested too deeply")]
    if not isinstance(exc, msgspec.ValidationError):
        return [ParameterIssue(unreadable, location, param, f"not {form}: {exc}")]
    message, marked, where = str(exc).rpartition(" - at `$")
    name = param + where.rstrip("`") if marked else param
    if exc.__cause__ is not None and hasattr(exc.__cause__, "errors"):
        return issues_of_model(exc.__cause__, location, name)
    return [ParameterIssue("InvalidDataType", location, name, _plain(message if marked else where))]


def issues_of_model(exc: Any, location: str, param: str) -> list[ParameterIssue]:
    """A line for each bad field of a pydantic model; the values themselves are left out."""
    return [
        ParameterIssue("InvalidDataType", location, ".".join(map(str, (param, *error["loc"]))), error["msg"])
        for error in exc.errors(include_url=False, include_context=False, include_input=False)
    ]


def _plain(message: str) -> str:
    text = message.replace("`", "")
    return text[:1].lower() + text[1:]
