"""JSON in and out of typed values: msgspec Structs, dataclasses, TypedDicts, attrs, and pydantic models when in use.

pydantic is never imported here: its models are known by their methods.
"""

from collections.abc import Callable
from typing import Any, Final, get_origin

import msgspec

from lihil.errors import ParameterIssue


class TextBytes(bytes):
    """`bytes` in a parameter: the text's UTF-8 bytes, where msgspec alone would expect base64."""


def is_pydantic_model(kind: Any) -> bool:
    """Whether a type is a pydantic model class."""
    return isinstance(kind, type) and hasattr(kind, "model_validate") and hasattr(kind, "model_fields")


def is_structured(kind: Any) -> bool:
    """Whether a type is an object with named fields or a mapping: what a JSON body holds."""
    if is_pydantic_model(kind) or kind is dict or get_origin(kind) is dict:
        return True
    if not isinstance(kind, type):
        return False
    if issubclass(kind, msgspec.Struct):
        return True
    return any(hasattr(kind, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "__total__"))


def decode_hook(kind: type, value: Any) -> Any:
    """Builds what msgspec does not know: pydantic models, and `bytes` from text.

    Raises ValueError or pydantic's ValidationError (a ValueError); msgspec turns them into its ValidationError.
    """
    if kind is TextBytes and isinstance(value, str):
        return TextBytes(value.encode())
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


def encode_json(value: Any) -> bytes:
    """A value as JSON, UTF-8. Raises TypeError or NotImplementedError for a value JSON has no form for."""
    return _ENCODER.encode(value)


def json_decoder(kind: Any) -> Callable[[bytes], Any]:
    """A function from JSON bytes to `kind`; it raises msgspec.DecodeError, or its subclass ValidationError."""
    return msgspec.json.Decoder(kind, dec_hook=decode_hook).decode


def issues_of_decode(exc: Exception, location: str, param: str) -> list[ParameterIssue]:
    """What a failed JSON decoding means to the sender, a line for each bad field where the library tells them apart."""
    if isinstance(exc, UnicodeDecodeError):
        return [ParameterIssue("InvalidJsonReceived", location, param, "not UTF-8")]
    if not isinstance(exc, msgspec.ValidationError):
        return [ParameterIssue("InvalidJsonReceived", location, param, f"not JSON: {exc}")]
    cause = exc.__cause__
    if cause is not None and hasattr(cause, "errors"):
        return [
            ParameterIssue("InvalidDataType", location, ".".join(map(str, (param, *error["loc"]))), error["msg"])
            for error in cause.errors(include_url=False, include_context=False, include_input=False)
        ]
    message, _, where = str(exc).partition(" - at `$")
    path = where.rstrip("`")
    return [ParameterIssue("InvalidDataType", location, param + path, _plain(message))]


def _plain(message: str) -> str:
    text = message.replace("`", "")
    return text[:1].lower() + text[1:]
