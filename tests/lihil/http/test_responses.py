"""What a return type makes of a value, and which return types are refused."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypedDict

import pydantic
import pytest
from msgspec import Struct
from starlette import status
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from lihil.di.node import kind_of
from lihil.errors import SetupError
from lihil.http.responses import (
    BYTES,
    EVENTS,
    HTML,
    JSON,
    JSON_LINES,
    PAGE,
    TEXT,
    EventStream,
    Format,
    Json,
    Reply,
    Text,
    answer_of_problem,
    reply_of,
)
from lihil.http.sse import SSE
from lihil.problems import Problem


class Item(Struct):
    name: str


@dataclass
class Place:
    name: str


class Row(TypedDict):
    name: str


class Model(pydantic.BaseModel):
    name: str


CSV = Format("CSV", lambda rows: "\n".join(rows).encode(), ((b"content-type", b"text/csv"),))


async def page() -> HTML:
    return "<h1>ü</h1>"


async def text() -> Text:
    return "ü"


async def marked_json() -> Json[list[int]]:
    return [1, 2]


async def table() -> Annotated[list[str], CSV]:
    return ["a", "b"]


def reply(handler: Callable[..., Any], status: int | None = None) -> Reply:
    return reply_of(handler, kind_of(handler), status)


def returning(hint: Any) -> Callable[[], Any]:
    """A handler with that return type."""

    async def handler() -> Any: ...

    handler.__annotations__["return"] = hint
    return handler


def yielding(hint: Any) -> Callable[[], Any]:
    """An async generator with that return type."""

    async def handler() -> Any:
        yield

    handler.__annotations__["return"] = hint
    return handler


@pytest.mark.parametrize(
    ("hint", "value", "content_type", "body"),
    [
        (HTML, "<h1>ü</h1>", "text/html; charset=utf-8", "<h1>ü</h1>"),
        (Text, "ü", "text/plain; charset=utf-8", "ü"),
        (Json[list[int]], [1, 2], "application/json", "[1,2]"),
        (Json, {"a": None}, "application/json", '{"a":null}'),
        (Annotated[list[str], CSV], ["a", "b"], "text/csv", "a\nb"),
        (Item, Item("x"), "application/json", '{"name":"x"}'),
        (Place, Place("x"), "application/json", '{"name":"x"}'),
        (Row, Row(name="x"), "application/json", '{"name":"x"}'),
        (Model, Model(name="x"), "application/json", '{"name":"x"}'),
        (list[Model], [Model(name="x")], "application/json", '[{"name":"x"}]'),
        (str, "x", "application/json", '"x"'),
        (None, None, "application/json", "null"),
        (HTML | Response, "<p>", "text/html; charset=utf-8", "<p>"),
        (Text | RedirectResponse, "x", "text/plain; charset=utf-8", "x"),
    ],
)
def test_the_return_type_gives_the_form_and_its_content_type(
    hint: Any, value: object, content_type: str, body: str
) -> None:
    answer = reply(returning(hint)).answer(value)
    assert answer.status == 200
    assert dict(answer.headers) == {
        b"content-type": content_type.encode(),
        b"content-length": str(len(body.encode())).encode(),
    }
    assert answer.body.decode() == body


@pytest.mark.parametrize("handler", [page, text, marked_json, table])
def test_the_marks_are_types_of_the_plain_value(handler: Callable[[], Any]) -> None:
    """The type checker of this file says the same: these handlers return a str or a list, and nothing special."""
    assert not reply(handler).is_stream


def test_a_handler_without_a_return_type_answers_with_json() -> None:
    async def handler():  # type: ignore[no-untyped-def]
        return [1]

    assert reply(handler) == Reply(200, JSON, False)


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (Text, None, "NoneType is no str"),
        (HTML, b"<h1>", "bytes is no str"),
        (Item, object(), "object"),
    ],
)
def test_a_value_of_another_type_is_an_error_that_names_it(hint: Any, value: object, said: str) -> None:
    with pytest.raises((TypeError, NotImplementedError), match=said):
        reply(returning(hint)).answer(value)


@pytest.mark.parametrize(
    ("hint", "format_"),
    [
        (EventStream, EVENTS),
        (AsyncIterator[SSE], EVENTS),
        (AsyncGenerator[str, None], TEXT),
        (AsyncIterable[bytes], BYTES),
        (AsyncIterator[HTML], PAGE),
        (AsyncIterator[Item], JSON_LINES),
        (AsyncIterator[Item | None], JSON_LINES),
        (Annotated[AsyncIterator[dict[str, int]], 202], JSON_LINES),
    ],
)
def test_what_a_generator_yields_gives_the_form_of_the_stream(hint: Any, format_: Format) -> None:
    read = reply(yielding(hint))
    assert (read.is_stream, read.format) == (True, format_)


@pytest.mark.parametrize("hint", [Iterator[str], Generator[str, None, None], Iterable[str]])
def test_a_sync_generator_is_a_stream_as_well(hint: Any) -> None:
    def handler() -> Any:
        yield "x"

    handler.__annotations__["return"] = hint
    assert reply(handler) == Reply(200, TEXT, True)


def test_an_iterable_that_no_generator_makes_is_json() -> None:
    assert reply(returning(Iterable[int])) == Reply(200, JSON, False)


def test_a_function_that_returns_a_generator_is_a_stream() -> None:
    assert reply(returning(EventStream)) == Reply(200, EVENTS, True)


@pytest.mark.parametrize(
    ("format_", "item", "piece"),
    [
        (TEXT, "ü", "ü".encode()),
        (BYTES, memoryview(b"ab"), b"ab"),
        (JSON_LINES, {"a": 1}, b'{"a":1}\n'),
        (EVENTS, SSE(data=1), b"data: 1\n\n"),
    ],
)
def test_each_item_of_a_stream_is_one_piece(format_: Format, item: object, piece: bytes) -> None:
    assert format_.encode(item) == piece


@pytest.mark.parametrize(("format_", "said"), [(BYTES, "str is none"), (EVENTS, r"takes SSE\(...\), and str")])
def test_an_item_of_another_type_is_refused(format_: Format, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        format_.encode("x")


@pytest.mark.parametrize(
    ("hint", "given", "expected"),
    [
        (Annotated[Item, status.HTTP_201_CREATED], None, 201),
        (Annotated[Item, 201], 201, 201),
        (Item, 202, 202),
        (Annotated[Text, 203], None, 203),
        (Annotated[Item, 201] | Response, None, 201),
        (Annotated[Item | None, 201], None, 201),
        (Annotated[None, 204], None, 204),
        (Item, None, 200),
    ],
)
def test_the_status_stands_in_the_return_type_or_at_the_registration(
    hint: Any, given: int | None, expected: int
) -> None:
    assert reply(returning(hint), given).status == expected


@pytest.mark.parametrize(
    ("status_", "headers"), [(204, []), (205, [(b"content-length", b"0")]), (304, [])], ids=["204", "205", "304"]
)
def test_a_status_without_content_has_none(status_: int, headers: list[tuple[bytes, bytes]]) -> None:
    answer = reply(returning(None), status_).answer(None)
    assert (answer.status, list(answer.headers), answer.body) == (status_, headers, b"")


@pytest.mark.parametrize("hint", [None, Any, NoReturn, Response, PlainTextResponse | None])
def test_a_status_without_content_fits_a_handler_that_may_return_nothing(hint: Any) -> None:
    assert reply(returning(hint), 204).status == 204


def test_a_value_for_a_status_without_content_is_an_error() -> None:
    with pytest.raises(TypeError, match="status 204 has no content"):
        reply(returning(Any), 204).answer("x")


@pytest.mark.parametrize(
    ("handler", "given", "said", "fix"),
    [
        (returning(Item), 204, "status 204 has no content, and it returns Item", "-> None"),
        (returning(Annotated[Text, 205]), None, "status 205 has no content, and it returns str", "-> None"),
        (returning(Item | None), 304, "status 304 has no content, and it returns Item", "-> None"),
        (yielding(EventStream), 204, "status 204 has no content, and it returns a stream", "-> None"),
        (returning(Annotated[Item, 404]), None, "from 200 to 299, not 404", "raise HTTPException"),
        (returning(Annotated[Item, 201]), 202, "cannot be 201 and 202 at once", "keep one"),
        (returning(Annotated[Item, 201] | Annotated[Row, 202]), None, "201 and 202", "return a Response"),
        (returning(Text | HTML), None, "says Text and HTML", "return a Response"),
        (yielding(None), None, "it is a generator", "-> EventStream"),
        (yielding(Item), None, "it is a generator", "-> EventStream"),
        (yielding(AsyncIterator), None, "does not say what it yields", r"AsyncIterator\[str\]"),
        (returning(AsyncIterator[str] | EventStream), None, "does not say what it yields", r"AsyncIterator\[str\]"),
    ],
)
def test_a_return_type_that_cannot_be_kept_is_refused_with_the_remedy(
    handler: Callable[..., Any], given: int | None, said: str, fix: str
) -> None:
    with pytest.raises(SetupError, match=f"(?s)handler: .*{said}.*fix: .*{fix}"):
        reply(handler, given)


def test_a_generator_without_a_return_type_is_told_to_have_one() -> None:
    async def handler():  # type: ignore[no-untyped-def]
        yield 1

    with pytest.raises(SetupError, match="it is a generator, and its return type does not say what it yields"):
        reply(handler)


def test_problem_details_are_the_answer_with_their_headers() -> None:
    answer = answer_of_problem(Problem(status=429, detail="slow down", headers=(("Retry-After", "3"),)))
    assert answer.status == 429
    assert dict(answer.headers)[b"content-type"] == b"application/problem+json"
    assert dict(answer.headers)[b"retry-after"] == b"3"
    assert b'"detail":"slow down"' in answer.body


def test_a_refusal_whose_status_has_no_content_keeps_its_other_headers() -> None:
    answer = answer_of_problem(Problem(status=304, headers=(("ETag", '"1"'),)))
    assert (answer.headers, answer.body) == ([(b"etag", b'"1"')], b"")
