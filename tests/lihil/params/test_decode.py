"""From text to typed values: what each type takes, and what is said about the rest."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType
from urllib.parse import quote
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil import Param, SetupError
from lihil.errors import ParameterIssue, ParametersError

Read = Callable[..., Any]
UserId = NewType("UserId", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Rank(IntEnum):
    FIRST = 1


class Item(msgspec.Struct):
    name: str
    price: int = 0


class Model(pydantic.BaseModel):
    a: int
    b: str = "x"


@dataclasses.dataclass
class Page:
    size: int = 10


VALUES = [
    (int, "5", 5),
    (int, "-5", -5),
    (float, "1.5", 1.5),
    (bool, "true", True),
    (bool, "0", False),
    (str, "a b", "a b"),
    (str, "", ""),
    (str, "\x00", "\x00"),
    (bytes, "é", "é".encode()),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (Rank, "1", Rank.FIRST),
    (Literal["a", "b"], "b", "b"),
    (Literal[1, 2], "2", 2),
    (date, "2024-02-29", date(2024, 2, 29)),
    (datetime, "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (time, "12:30:00", time(12, 30)),
    (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
    (Decimal, "1.10", Decimal("1.10")),
    (timedelta, "PT90S", timedelta(seconds=90)),
    (UserId, "7", 7),
    (Any, "7", "7"),
    (int | None, "5", 5),
    (int | None, "null", None),
    (str | None, "null", "null"),
    (bytes | None, "x", b"x"),
    (int | str, "x", "x"),
    (int | float, "1.5", 1.5),
    (Annotated[int, "a note"], "5", 5),
    (Annotated[UserId, Param(ge=1)], "7", 7),
    (Annotated[int, msgspec.Meta(title="a title")] | None, "7", 7),
]


@pytest.mark.parametrize(("kind", "text", "value"), VALUES)
def test_text_becomes_a_value_of_its_type(read: Read, kind: Any, text: str, value: object) -> None:
    found = read(kind, f"x={quote(text)}")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("source", ["query", "header", "cookie"])
@pytest.mark.parametrize(("kind", "text", "value"), [(int, "5", 5), (Colour, "red", Colour.RED), (bytes, "b", b"b")])
def test_each_source_gives_the_same_values(read: Read, source: Any, kind: Any, text: str, value: object) -> None:
    annotation = Annotated[kind, Param(source)]
    headers = [(b"x", text.encode()), (b"cookie", f"y=0; x={text}".encode())]
    assert read(annotation, f"x={text}", headers=headers) == value


def test_a_path_segment_becomes_a_value_of_its_type(read: Read) -> None:
    assert read(int, path={"x": "5"}) == 5


@pytest.mark.parametrize(
    ("kind", "query", "value"),
    [
        (list[int], "x=1&x=2", [1, 2]),
        (list[str], "x=1,2", ["1,2"]),
        (list, "x=a&x=b", ["a", "b"]),
        (set[int], "x=1&x=1", {1}),
        (frozenset[str], "x=a", frozenset({"a"})),
        (tuple[int, ...], "x=1&x=2", (1, 2)),
        (tuple[int, str], "x=1&x=2", (1, "2")),
        (Sequence[int], "x=1&x=2", [1, 2]),
        (list[int] | None, "x=1", [1]),
        (list[int | None], "x=1&x=null", [1, None]),
        (list[bytes], "x=a&x=b", [b"a", b"b"]),
        (list[bytes] | None, "x=a", [b"a"]),
        (tuple[bytes, bytes], "x=a&x=b", (b"a", b"b")),
        (list[Colour], "x=red&x=blue", [Colour.RED, Colour.BLUE]),
        (list[Annotated[int, msgspec.Meta(ge=1)]], "x=1", [1]),
        (list[Annotated[int, msgspec.Meta(title="a title")]], "x=1", [1]),
        (Annotated[list[int], msgspec.Meta(max_length=2)], "x=1&x=2", [1, 2]),
        (Annotated[list[int] | None, Param(min_length=1)], "x=1", [1]),
    ],
)
def test_a_repeated_key_becomes_a_collection(read: Read, kind: Any, query: str, value: object) -> None:
    assert read(kind, query) == value


def test_the_last_of_a_repeated_key_counts_for_a_single_value(read: Read) -> None:
    assert read(int, "x=1&x=2") == 2


def test_a_list_in_a_header_is_split_at_commas_and_empty_elements_do_not_count(read: Read) -> None:
    headers = [(b"X", b"1, 2,"), (b"x", b", 3")]
    assert read(Annotated[list[int], Param("header")], headers=headers) == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        (int, 5),
        (int | None, None),
        (list[int], [1]),
        (list[int] | None, None),
        (str, ""),
        (Annotated[Page, Param("query")], Page(3)),
    ],
)
def test_an_absent_parameter_takes_its_default(read: Read, kind: Any, default: object) -> None:
    assert read(kind, default=default) == default


@pytest.mark.parametrize("default", [[1], {"a": [1]}, {1}, Page(3), Item("a"), bytearray(b"a")])
def test_a_mutable_default_is_copied(read: Read, default: object) -> None:
    found = read(Annotated[Any, Param("query")], default=default)
    assert found == default
    assert found is not default


def test_a_default_that_stands_for_itself_is_handed_on(read: Read) -> None:
    nothing = object()
    assert read(Annotated[Any, Param("query")], default=nothing) is nothing


ISSUES = [
    (int, "x=a", "InvalidDataType", "expected int, got 'a'"),
    (int, "x=", "InvalidDataType", "expected int, got ''"),
    (int, "x=" + "9" * 5000, "InvalidDataType", "expected int, got '" + "9" * 80 + "...'"),
    (bool, "x=yes", "InvalidDataType", "expected bool, got 'yes'"),
    (Colour, "x=green", "InvalidDataType", "expected one of 'red', 'blue', got 'green'"),
    (Literal["a", "b"], "x=c", "InvalidDataType", "expected one of 'a', 'b', got 'c'"),
    (UUID, "x=1", "InvalidDataType", "expected UUID, got '1'"),
    (date, "x=2023-02-29", "InvalidDataType", "expected date, got '2023-02-29'"),
    (list[int], "x=1&x=b", "InvalidDataType", "expected list[int], got '1,b'"),
    (tuple[int, str], "x=1", "InvalidDataType", "expected array of length 2, got '1'"),
    (int | None, "x=a", "InvalidDataType", "expected int | None, got 'a'"),
    (int, "", "MissingRequestParam", "missing, expected int"),
    (int | None, "", "MissingRequestParam", "missing, expected int | None"),
    (tuple[int, ...], "", "MissingRequestParam", "missing, expected tuple[int, ...]"),
]


@pytest.mark.parametrize(("kind", "query", "type_", "message"), ISSUES)
def test_a_bad_parameter_is_told_with_what_was_expected(
    read: Read, kind: Any, query: str, type_: str, message: str
) -> None:
    with pytest.raises(ParametersError) as caught:
        read(kind, query)
    assert caught.value.issues == (ParameterIssue(type_, "query", "x", message),)


LIMITS = [
    (int, {"gt": 1}, "2", "1", "int >= 2"),
    (int, {"ge": 1}, "1", "0", "int >= 1"),
    (float, {"lt": 1.5}, "1", "1.5", "float < 1.5"),
    (int, {"le": 1}, "1", "2", "int <= 1"),
    (int, {"multiple_of": 3}, "6", "7", "int that's a multiple of 3"),
    (str, {"pattern": "^[a-z]+$"}, "ab", "AB", "str matching regex '^[a-z]+$'"),
    (str, {"min_length": 2}, "ab", "a", "str of length >= 2"),
    (str, {"max_length": 2}, "ab", "abc", "str of length <= 2"),
    (bytes, {"min_length": 2}, "ab", "a", "bytes of length >= 2"),
    (bytes | None, {"max_length": 2}, "ab", "abc", "bytes of length <= 2"),
    (int | None, {"ge": 1}, "1", "0", "int >= 1"),
    (str | None, {"max_length": 1}, "a", "ab", "str of length <= 1"),
    (list[int], {"max_length": 2}, "1&x=2", "1&x=2&x=3", "array of length <= 2"),
    (list[bytes], {"min_length": 2}, "1&x=2", "1", "array of length >= 2"),
    (datetime, {"tz": True}, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "datetime with a timezone component"),
]


@pytest.mark.parametrize(("kind", "limits", "good", "bad", "words"), LIMITS)
@pytest.mark.parametrize("mark", [Param, msgspec.Meta])
def test_a_value_outside_its_limits_is_refused(
    read: Read, mark: Callable[..., object], kind: Any, limits: dict[str, Any], good: str, bad: str, words: str
) -> None:
    annotation = Annotated[kind, mark(**limits)]
    read(annotation, f"x={good}")
    with pytest.raises(ParametersError, match="x: expected") as caught:
        read(annotation, f"x={bad}")
    assert caught.value.issues[0].message.startswith(f"expected {words}, got ")


def test_several_marks_on_one_parameter_add_up(read: Read) -> None:
    annotation = Annotated[int, Param("query", ge=1), msgspec.Meta(multiple_of=2), Param(alias="limit", le=10)]
    assert read(annotation, "limit=4") == 4
    for bad in ("limit=0", "limit=3", "limit=12", "x=4"):
        with pytest.raises(ParametersError, match="query limit"):
            read(annotation, bad)


def parse_point(text: str) -> tuple[int, int]:
    x, y = map(int, text.split("x"))
    return x, y


def test_a_decoder_of_ones_own_makes_the_value_of_any_type(read: Read) -> None:
    class Point:
        def __init__(self, text: str) -> None:
            self.x, self.y = parse_point(text)

    found = read(Annotated[Point, Param("query", decoder=Point)], "x=3x4")
    assert (found.x, found.y) == (3, 4)
    assert read(Annotated[list[int], Param(decoder=lambda text: text.split("-"))], "x=1-2") == ["1", "2"]


def test_what_a_decoder_of_ones_own_says_is_told(read: Read) -> None:
    with pytest.raises(ParametersError) as caught:
        read(Annotated[tuple[int, int], Param(decoder=parse_point)], "x=1xy")
    message = "invalid literal for int() with base 10: 'y', got '1xy'"
    assert caught.value.issues == (ParameterIssue("CustomDecodeErrorMessage", "query", "x", message),)


def test_limits_hold_for_what_a_decoder_of_ones_own_gives(read: Read) -> None:
    annotation = Annotated[int, Param(decoder=lambda text: int(text, 16), le=255)]
    assert read(annotation, "x=ff") == 255
    with pytest.raises(ParametersError, match="expected int <= 255, got '100'"):
        read(annotation, "x=100")


@pytest.mark.parametrize("source", ["header", "cookie"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (int, {}),
        (Colour, {}),
        (list[int], {}),
        (int, {"decoder": int}),
        (str, {"pattern": "^$"}),
        (UUID, {}),
        (tuple[int, int], {}),
    ],
)
def test_the_value_of_a_header_or_a_cookie_is_never_told(
    read: Read, source: Any, kind: Any, options: dict[str, Any]
) -> None:
    secret = "hunter2hunter2"
    with pytest.raises(ParametersError) as caught:
        read(
            Annotated[kind, Param(source, **options)],
            headers=[(b"x", secret.encode()), (b"cookie", f"x={secret}".encode())],
        )
    assert secret not in str(caught.value)
    assert "expected" in str(caught.value)


UNREADABLE = [
    (dict[str, int], "query", "text cannot become dict[str, int]"),
    (list[Item], "path", "text cannot become list[Item]"),
    (list[Item], "query", "text cannot become list[Item]"),
    (list[list[int]], "query", "text cannot become list[list[int]]"),
    (bytearray, "query", "text cannot become bytearray"),
    (complex, "query", "text cannot become complex"),
    (UUID | str, "query", "more than one str-like type"),
    (tuple[int, bytes], "query", "bytes and other types do not go together"),
    (complex, "body", "JSON cannot become complex"),
    (list[complex], "body", "JSON cannot become complex"),
    (UUID | str, "body", "more than one str-like type"),
]


@pytest.mark.parametrize(("kind", "source", "words"), UNREADABLE)
def test_a_type_that_the_wire_cannot_give_is_refused_at_start(read: Read, kind: Any, source: Any, words: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(Annotated[kind, Param(source)], path={"x": ""} if source == "path" else None)
    assert words in str(caught.value)
    assert f'Param("{source}", decoder=read_it)' in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "limits", "words"),
    [
        (int, {"pattern": "a"}, "Can only set `pattern` on a str"),
        (str, {"ge": 1}, "Can only set `ge` on a numeric type"),
        (date, {"ge": 1}, "Can only set `ge` on a numeric type"),
        (int, {"gt": 1, "ge": 1}, "Cannot specify both"),
        (str, {"pattern": "("}, "the pattern '(' is no regular expression"),
        (str, {"min_length": -1}, "must be >= 0"),
        (int, {"decoder": int, "pattern": "a"}, "Can only set `pattern` on a str"),
        (Item, {"source": "body", "ge": 1}, "Can only set `ge` on a numeric type"),
    ],
)
def test_limits_that_a_type_cannot_have_are_refused_at_start(
    read: Read, kind: Any, limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(SetupError) as caught:
        read(Annotated[kind, Param(**limits)])
    assert words in str(caught.value)
    assert "fix: take the limits that its type knows" in str(caught.value)


BODIES = [
    (Item, b'{"name": "a"}', Item("a")),
    (list[Item], b'[{"name": "a"}]', [Item("a")]),
    (dict[str, int], b'{"a": 1}', {"a": 1}),
    (Page, b'{"size": 3}', Page(3)),
    (Model, b'{"a": 1}', Model(a=1)),
    (list[Model], b'[{"a": 1}]', [Model(a=1)]),
    (Item | None, b"null", None),
    (Annotated[bytes, Param("body")], b"\x00\xff", b"\x00\xff"),
    (Annotated[bytes, Param("body")], b"", b""),
    (Annotated[int, Param("body", ge=1)], b"5", 5),
    (Annotated[int, Param("body", decoder=int)], b"5", 5),
]


@pytest.mark.parametrize(("kind", "body", "value"), BODIES)
def test_a_body_becomes_a_value_of_its_type(read: Read, kind: Any, body: bytes, value: object) -> None:
    assert read(kind, body=body) == value


BAD_BODIES: list[tuple[Any, bytes, list[ParameterIssue]]] = [
    (Item, b"", [ParameterIssue("MissingRequestParam", "body", "x", "missing, expected Item")]),
    (Item, b"{", [ParameterIssue("InvalidJsonReceived", "body", "x", "not JSON: Input data was truncated")]),
    (Item, b'{"name": "\xff"}', [ParameterIssue("InvalidJsonReceived", "body", "x", "not UTF-8")]),
    (Item, b'{"name": 1}', [ParameterIssue("InvalidDataType", "body", "x.name", "expected str, got int")]),
    (Item, b"[]", [ParameterIssue("InvalidDataType", "body", "x", "expected object, got array")]),
    (list[Item], b"[{}]", [ParameterIssue("InvalidDataType", "body", "x[0]", "object missing required field name")]),
    (dict[str, Any], b'{"a":' * 100_000, [ParameterIssue("InvalidJsonReceived", "body", "x", "nested too deeply")]),
    (
        Annotated[int, Param("body", decoder=int)],
        b"a",
        [ParameterIssue("CustomDecodeErrorMessage", "body", "x", "invalid literal for int() with base 10: 'a'")],
    ),
    (
        Annotated[bytes, Param("body", max_length=1)],
        b"ab",
        [ParameterIssue("InvalidDataType", "body", "x", "expected bytes of length <= 1")],
    ),
]


@pytest.mark.parametrize(("kind", "body", "issues"), BAD_BODIES)
def test_a_bad_body_is_told_with_the_field(read: Read, kind: Any, body: bytes, issues: list[ParameterIssue]) -> None:
    with pytest.raises(ParametersError) as caught:
        read(kind, body=body)
    assert list(caught.value.issues) == issues


def test_each_bad_field_of_a_pydantic_body_is_told_and_no_value(read: Read) -> None:
    with pytest.raises(ParametersError) as caught:
        read(list[Model], body=b'[{"a": 1}, {"a": "hunter2", "b": 3}]')
    assert [(issue.param, issue.message) for issue in caught.value.issues] == [
        ("x[1].a", "Input should be a valid integer, unable to parse string as an integer"),
        ("x[1].b", "Input should be a valid string"),
    ]


KINDS: list[Any] = [
    int,
    float,
    bool,
    str,
    bytes,
    Colour,
    Level,
    Rank,
    Literal["a", 1],
    date,
    datetime,
    time,
    UUID,
    Decimal,
    timedelta,
    int | None,
    bytes | None,
    list[int],
    tuple[int, str],
    set[float],
    Annotated[str, Param(pattern="^a+$")],
    Annotated[list[int], Param(max_length=1)],
    Annotated[int, Param("header")],
    Annotated[list[int], Param("header")],
    Annotated[str, Param("cookie", max_length=1)],
    Annotated[Page, Param("query")],
    Annotated[Item, Param("header")],
    Annotated[Model, Param("query")],
]

TEXTS = st.one_of(
    st.text(),
    st.text(st.characters(categories=["Cs", "N", "Cc"])),
    st.integers().map(str),
    st.floats().map(str),
    st.integers(1, 6000).map("9".__mul__),
    st.datetimes().map(str),
    st.sampled_from(["nan", "-inf", "1e999", "0x1", "null", "\x00", "P1D", "9" * 30, "-" * 9, "٣"]),
)


def assert_value_or_issues(read: Read, kind: Any, *args: Any, **options: Any) -> None:
    issues: Sequence[ParameterIssue] = ()
    try:
        read(kind, *args, **options)
    except ParametersError as exc:
        issues = exc.issues or (ParameterIssue("", "", "", ""),)
    assert all(issue.message.isprintable() for issue in issues if issue.location != "body")
    assert all(issue.message for issue in issues)


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), texts=st.lists(TEXTS, max_size=4), key=st.sampled_from(["x", "size", "name", "a"]))
def test_any_text_gives_a_value_or_a_parameters_error(kind: Any, texts: list[str], key: str, read: Read) -> None:
    query = "&".join(f"{key}={quote(text, errors='surrogatepass')}" for text in texts)
    raw = [text.encode(errors="surrogatepass") for text in texts]
    headers = [(key.encode(), line) for line in raw] + [(b"cookie", key.encode() + b"=" + line) for line in raw]
    assert_value_or_issues(read, kind, query, headers=headers)


@settings(deadline=None)
@given(kind=st.sampled_from(KINDS[:22]), text=TEXTS)
def test_any_text_in_the_path_gives_a_value_or_a_parameters_error(kind: Any, text: str, read: Read) -> None:
    assert_value_or_issues(read, kind, path={"x": text})


@settings(deadline=None)
@given(query=st.binary())
def test_any_bytes_in_the_query_give_a_value_or_a_parameters_error(query: bytes, read: Read) -> None:
    value = read(list[str], b"x=" + query)
    assert all(isinstance(text, str) for text in value)


@settings(deadline=None)
@given(kind=st.sampled_from([Item, Model, list[Item], dict[str, int], Page, int | None]), body=st.binary(min_size=1))
def test_any_bytes_in_the_body_give_a_value_or_a_parameters_error(kind: Any, body: bytes, read: Read) -> None:
    assert_value_or_issues(read, Annotated[kind, Param("body")], body=body)


def test_ten_thousand_values_are_read(read: Read) -> None:
    assert read(list[int], "&".join(["x=1"] * 10_000)) == [1] * 10_000


def test_numbers_that_are_none_stay_floats(read: Read) -> None:
    assert math.isnan(read(float, "x=nan"))
