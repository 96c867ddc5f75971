"""What a handler's return type says about its response, and the marks that say it."""

import inspect
import types
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Never, NoReturn, TypeAlias, TypeVar, get_args, get_origin

from starlette.responses import Response

from lihil.asgi import RawHeaders
from lihil.di.node import FactoryKind, bare_type, problem_at, return_hint
from lihil.errors import SetupError
from lihil.http.sse import SSE
from lihil.params.codec import encode_json
from lihil.params.decode import is_union, type_words
from lihil.problems import Problem

T = TypeVar("T")

# These have no content: RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5.
EMPTY_STATUSES: Final = frozenset({204, 205, 304})
DEFAULT_STATUS: Final = 200


@dataclass(frozen=True, slots=True)
class Format:
    """How a value becomes bytes, and the header fields that say so. A mark in a return type's `Annotated`."""

    name: str
    encode: Callable[[Any], bytes]
    headers: RawHeaders


def _encode_text(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"the response is text, and {type(value).__name__} is no str")


def _encode_bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"the response is bytes, and {type(value).__name__} is none")


def _encode_event(value: object) -> bytes:
    if isinstance(value, SSE):
        return value.encode()
    raise TypeError(f"an event stream takes SSE(...), and {type(value).__name__} is none")


def _encode_line(value: object) -> bytes:
    return encode_json(value) + b"\n"


def _typed(content_type: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", content_type.encode()),)


TEXT: Final = Format("Text", _encode_text, _typed("text/plain; charset=utf-8"))
PAGE: Final = Format("HTML", _encode_text, _typed("text/html; charset=utf-8"))
JSON: Final = Format("Json", encode_json, _typed("application/json"))
BYTES: Final = Format("bytes", _encode_bytes, _typed("application/octet-stream"))
JSON_LINES: Final = Format("JSON lines", _encode_line, _typed("application/x-ndjson"))
# Caches would keep a stream, and nginx would collect it; both are told not to.
EVENTS: Final = Format(
    "EventStream",
    _encode_event,
    (*_typed("text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")),
)

Text: TypeAlias = Annotated[str, TEXT]
"""Return type of a handler that answers with plain text."""

HTML: TypeAlias = Annotated[str, PAGE]
"""Return type of a handler that answers with a page."""

Json: TypeAlias = Annotated[T, JSON]
"""`Json[T]`: return type of a handler that answers with JSON, as one without a mark does."""

EventStream: TypeAlias = AsyncGenerator[SSE, None]
"""Return type of an async generator whose server-sent events are streamed.

The response begins with the first event, so that what is raised before it is still answered with its own status;
`yield SSE(comment="open")` begins it at once.
"""


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: RawHeaders
    body: bytes = b""


def answer_of_problem(problem: Problem) -> Answer:
    """The response that shows problem details, or their header fields alone where a status has no content."""
    body = problem.body()
    fields = problem.raw_headers(body)
    if problem.status in EMPTY_STATUSES:
        return Answer(problem.status, [(name, value) for name, value in fields if not name.startswith(b"content-")])
    return Answer(problem.status, fields, body)


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's return type, read once: the status, the format, whether the value is streamed."""

    status: int = DEFAULT_STATUS
    format: Format = JSON
    is_stream: bool = False

    def answer(self, value: object) -> Answer:
        """The response for a value. Raises TypeError or NotImplementedError for one that the format cannot hold."""
        if self.status not in EMPTY_STATUSES:
            body = self.format.encode(value)
            return Answer(self.status, [*self.format.headers, (b"content-length", b"%d" % len(body))], body)
        if value is not None:
            raise TypeError(f"a response of status {self.status} has no content, but the handler returned a value")
        return Answer(self.status, [(b"content-length", b"0")] if self.status == 205 else [])


def reply_of(handler: Callable[..., Any], kind: FactoryKind, status: int | None) -> Reply:
    """Read a handler's return type; `status` is the one given at registration. Raises SetupError."""
    return _Reader(handler, kind).read(status)


_STREAMS: Final = (AsyncGenerator, AsyncIterator, AsyncIterable, Generator, Iterator)


class _Reader:
    def __init__(self, handler: Callable[..., Any], kind: FactoryKind) -> None:
        self._handler = handler
        self._is_generator = kind.is_resource
        hint = return_hint(handler)
        self._is_annotated = hint is not None
        self._options = _options_of(hint)

    def read(self, given: int | None) -> Reply:
        status = self._status(given)
        streams = [option for option in self._options if self._streams(bare_type(option))]
        if self._is_generator and not streams:
            fix = "write `-> EventStream` for events, or `-> AsyncIterator[T]` (`Iterator[T]` for a plain generator)"
            raise self._error("it is a generator, and its return type does not say what it yields", fix)
        reply = Reply(status, self._stream_format(streams) if streams else self._value_format(), bool(streams))
        if status in EMPTY_STATUSES:
            self._check_empty(status, reply)
        return reply

    def _status(self, given: int | None) -> int:
        statuses = {mark for option in self._options for mark in _marks(option) if type(mark) is int}
        for status in statuses:
            if not 200 <= status <= 299:
                fix = "raise HTTPException for an error, return a Response for a redirect"
                raise self._error(f"a return type takes a status from 200 to 299, not {status}", fix)
        if given is not None:
            statuses.add(given)
        if len(statuses) > 1:
            what = f"its status cannot be {' and '.join(map(str, sorted(statuses)))} at once"
            raise self._error(what, "keep one, and return a Response for the others")
        return statuses.pop() if statuses else DEFAULT_STATUS

    def _streams(self, kind: Any) -> bool:
        origin = get_origin(kind) or kind
        return origin in _STREAMS or (self._is_generator and origin is Iterable)

    def _stream_format(self, streams: list[Any]) -> Format:
        elements = [element for stream in streams for element in get_args(bare_type(stream))[:1]]
        if len(elements) != 1:
            raise self._error("its return type does not say what it yields", "write for example AsyncIterator[str]")
        (element,) = elements
        marks = [mark for mark in _marks(element) if isinstance(mark, Format)]
        if marks:
            return marks[0]
        kind = bare_type(element)
        if isinstance(kind, type):
            for known, made in ((SSE, EVENTS), (str, TEXT), (bytes, BYTES)):
                if issubclass(kind, known):
                    return made
        return JSON_LINES

    def _value_format(self) -> Format:
        marks = [mark for option in self._options for mark in _marks(option) if isinstance(mark, Format)]
        names = dict.fromkeys(mark.name for mark in marks)
        if len(names) > 1:
            what = f"its return type says {' and '.join(names)}, and a value does not tell which of them it is"
            raise self._error(what, "keep one, and return a Response for the others")
        return marks[0] if marks else JSON

    def _check_empty(self, status: int, reply: Reply) -> None:
        kinds = [bare_type(option) for option in self._options]
        wrong = [kind for kind in kinds if not _can_be_empty(kind)]
        if reply.is_stream or (self._is_annotated and wrong):
            words = "a stream" if reply.is_stream else type_words(wrong[0])
            fix = "write `-> None`, or take a status that has content"
            raise self._error(f"a response of status {status} has no content, and it returns {words}", fix)

    def _error(self, what: str, fix: str) -> SetupError:
        return SetupError([problem_at(self._handler, what, fix)])


def _options_of(hint: Any) -> list[Any]:
    """The alternatives of a return type; marks around a union count for each of them."""
    kind = bare_type(hint)
    if not is_union(kind):
        return [hint]
    around = _marks(hint)
    return [Annotated[(option, *around)] if around else option for option in get_args(kind)]


def _marks(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _can_be_empty(kind: Any) -> bool:
    if kind in (None, types.NoneType, Any, NoReturn, Never):
        return True
    return inspect.isclass(kind) and issubclass(kind, Response)
