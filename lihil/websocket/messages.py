"""From messages to typed values and back: JSON or msgpack on the wire, values of the route's types in the handler.

`str` and `bytes` are messages by themselves: a route that receives and sends nothing else speaks no format.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from lihil.errors import ParameterIssue
from lihil.params.codec import encode_json, encode_msgpack, issues_of_decode, json_decoder, msgpack_decoder
from lihil.params.decode import checked_decoder, message_type
from lihil.params.kinds import is_raw, options_of
from lihil.params.spec import BODY, ParamSpec
from lihil.problems import Problem, problem_of_message

FormatName: TypeAlias = Literal["json", "msgpack"]
Payload: TypeAlias = str | bytes

FORMATS: Final[tuple[FormatName, ...]] = get_args(FormatName)
MESSAGE: Final = "message"

INVALID: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What `Codec.decode` raises for a message that its type does not allow."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write the messages of one route. JSON goes out as text, msgpack as binary.

    `decode` takes a message as it came and raises INVALID; `encode` gives the message to send, and raises TypeError or
    NotImplementedError for a value that has no form.
    """

    format: FormatName
    decode: Callable[[Payload], Any]
    encode: Callable[[Any], Payload]

    def refusal(self, exc: Exception) -> Payload:
        """The message that tells a sender what was wrong with its own."""
        if isinstance(exc, _NotAcceptedError):
            issues = [ParameterIssue("CustomDecodeErrorMessage", MESSAGE, MESSAGE, str(exc))]
        else:
            issues = issues_of_decode(exc, MESSAGE, MESSAGE, form="JSON" if self.format == "json" else "msgpack")
        return self.problem(problem_of_message(issues))

    def problem(self, problem: Problem) -> Payload:
        """Problem details as a message."""
        document = problem.body()
        return document.decode() if self.format == "json" else encode_msgpack(msgspec.json.decode(document))


@dataclass(frozen=True, slots=True)
class Codecs:
    """The codecs of one route: the one it begins with, and those that a client may ask for by subprotocol."""

    default: Codec
    by_subprotocol: Mapping[str, Codec] = field(default_factory=dict)

    def agree(self, chosen: str | None, offered: Sequence[str]) -> tuple[str | None, Codec]:
        """The subprotocol to answer with, and the codec: `chosen` by the app, else the client's first that is known."""
        if chosen is None:
            chosen = next((name for name in offered if name in self.by_subprotocol), None)
        return chosen, self.by_subprotocol.get(chosen or "", self.default)


def make_codecs(spec: ParamSpec, sends: Any, wanted: FormatName | None) -> Codecs:
    """The codecs of a route that receives what `spec` says and sends `sends`.

    Without `wanted` it begins with JSON, and the subprotocols "json" and "msgpack" choose between the two. Raises
    UnsupportedTypeError (a TypeError) or ValueError for a type that no message can become.
    """
    codecs: dict[str, Codec] = {name: _codec(name, spec, sends) for name in ((wanted,) if wanted else FORMATS)}
    speaks_no_format = (spec.decoder is not None or is_raw(spec.type)) and (sends is None or is_raw(sends))
    return Codecs(next(iter(codecs.values())), {} if speaks_no_format else codecs)


def message_spec(kind: Any) -> ParamSpec:
    """The spec of messages of a type that no parameter stands for: `WebSocket[kind, ...]`."""
    return ParamSpec(name=MESSAGE, key=MESSAGE, source=BODY, type=kind)


class _NotAcceptedError(ValueError):
    """What a decoder of the app's own said."""


def _codec(name: FormatName, spec: ParamSpec, sends: Any) -> Codec:
    write = _WRITERS[name]
    encode = _by_value(write) if sends is Any or sends is None or is_raw(sends) else write
    if spec.decoder is not None:
        return Codec(name, _own_decoder(spec), encode)
    kind = message_type(spec)
    if is_raw(spec.type):
        return Codec(name, _raw_decoder(spec, kind), encode)
    return Codec(name, json_decoder(kind) if name == "json" else _msgpack_decoder(kind), encode)


def _own_decoder(spec: ParamSpec) -> Callable[[Payload], Any]:
    read = checked_decoder(spec)

    def decode(payload: Payload) -> Any:
        text = _text(payload)
        try:
            return read(text)
        except msgspec.ValidationError:  # a limit beside the decoder
            raise
        except ValueError as exc:
            raise _NotAcceptedError(str(exc)) from None

    return decode


def _raw_decoder(spec: ParamSpec, kind: Any) -> Callable[[Payload], Any]:
    options = options_of(spec.type)
    if len(options) > 1:
        return _same
    read: Callable[[Payload], Any] = _text if options == [str] else _binary
    return read if kind is spec.type else lambda payload: msgspec.convert(read(payload), kind)


def _msgpack_decoder(kind: Any) -> Callable[[Payload], Any]:
    read = msgpack_decoder(kind)

    def decode(payload: Payload) -> Any:
        if isinstance(payload, str):
            raise msgspec.DecodeError("it came as text")
        return read(payload)

    return decode


def _text(payload: Payload) -> str:
    return payload if isinstance(payload, str) else payload.decode()


def _binary(payload: Payload) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def _same(payload: Payload) -> Payload:
    return payload


def _json_text(value: Any) -> str:
    return encode_json(value).decode()


def _by_value(write: Callable[[Any], Payload]) -> Callable[[Any], Payload]:
    """Where nothing says that a `str` is a JSON string, it is a message by itself, and so are `bytes`."""

    def encode(value: Any) -> Payload:
        kind = type(value)
        return value if kind is str or kind is bytes else write(value)

    return encode


_WRITERS: Final[Mapping[FormatName, Callable[[Any], Payload]]] = {"json": _json_text, "msgpack": encode_msgpack}
