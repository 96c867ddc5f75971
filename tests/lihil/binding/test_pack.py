"""Parameter packs: a structured type whose fields are read one by one."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any, Generic, NotRequired, Required, TypedDict, TypeVar

import msgspec
import pydantic
import pytest

from lihil import Param
from lihil.binding.pack import pack_fields
from lihil.errors import ParameterIssue, ParametersError

Bind = Callable[..., Any]
T = TypeVar("T")


class Filter(msgspec.Struct):
    limit: int
    tags: list[str] = []
    since: Annotated[str | None, Param(alias="from")] = None


@dataclasses.dataclass
class Span:
    limit: Annotated[int, msgspec.Meta(ge=1)]
    tags: list[str] = dataclasses.field(default_factory=list)
    since: Annotated[str | None, Param(alias="from")] = None
    seen: bool = dataclasses.field(default=False, init=False)


class Options(TypedDict):
    limit: Required[int]
    tags: NotRequired[list[str]]


class Model(pydantic.BaseModel):
    limit: int = pydantic.Field(ge=1)
    tags: list[str] = []
    since: str | None = pydantic.Field(default=None, alias="from")


class Renamed(msgspec.Struct, rename="camel"):
    user_agent: str
    api_key: Annotated[str, Param(alias="Token")] = ""


class Range(msgspec.Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")


class Url(pydantic.BaseModel):
    site: pydantic.HttpUrl
    token: str = ""

    @pydantic.field_validator("token")
    @classmethod
    def check(cls, token: str) -> str:
        if token.startswith("bad"):
            raise ValueError(f"no such token: {token}")
        return token

    @pydantic.model_validator(mode="after")
    def check_all(self) -> "Url":
        if self.token == "whole":
            raise ValueError("the whole is wrong")
        return self


class Box(msgspec.Struct, Generic[T]):
    held: T


class Mixed(msgspec.Struct):
    a: Annotated[int, Param("header")]


class Nested(msgspec.Struct):
    inner: Filter


class Choices(pydantic.BaseModel):
    name: str = pydantic.Field(validation_alias=pydantic.AliasChoices(pydantic.AliasPath("x", 0), "title"))


class OnlyPath(pydantic.BaseModel):
    name: str = pydantic.Field(validation_alias=pydantic.AliasPath("x", 0))


class AttrsField:
    """One of attrs' field records, as its classes carry them."""

    def __init__(self, name: str, alias: str, init: bool) -> None:
        self.name, self.alias, self.init = name, alias, init


def handler_of(kind: Any, *, default: object = dataclasses.MISSING, source: Any = "query") -> Callable[..., Any]:
    async def handler(pack: Any) -> Any:
        return pack

    handler.__annotations__["pack"] = Annotated[kind, Param(source)]
    if default is not dataclasses.MISSING:
        handler.__defaults__ = (default,)
    return handler


@pytest.mark.parametrize("kind", [Filter, Span])
def test_each_field_is_read_under_its_name_or_alias(bound: Bind, kind: Callable[..., object]) -> None:
    made = bound(handler_of(kind))
    assert made("limit=5&tags=a&tags=b&from=now") == kind(5, ["a", "b"], "now")
    assert made("limit=5") == kind(5, [], None)


def test_a_typed_dict_leaves_out_what_did_not_come(bound: Bind) -> None:
    made = bound(handler_of(Options))
    assert made("limit=5&tags=a") == {"limit": 5, "tags": ["a"]}
    assert made("limit=5") == {"limit": 5}


def test_a_pydantic_model_reads_its_own_types_under_its_own_aliases(bound: Bind) -> None:
    assert bound(handler_of(Model))("limit=5&tags=a&from=now") == Model(limit=5, tags=["a"], **{"from": "now"})
    assert str(bound(handler_of(Url))("site=http://a.b/").site) == "http://a.b/"
    assert bound(handler_of(Choices))("title=x").name == "x"


def test_two_connections_never_share_a_default_list(bound: Bind) -> None:
    made = bound(handler_of(Span))
    made("limit=1").tags.append("mine")
    assert made("limit=1").tags == []


@pytest.mark.parametrize(
    ("kind", "query", "issues"),
    [
        (
            Filter,
            "limit=x&from=a",
            [ParameterIssue("InvalidDataType", "query", "limit", "expected int, got 'x'")],
        ),
        (Filter, "", [ParameterIssue("MissingRequestParam", "query", "limit", "missing, expected int")]),
        (Span, "limit=0", [ParameterIssue("InvalidDataType", "query", "limit", "expected int >= 1, got '0'")]),
        (
            Range,
            "low=a",
            [
                ParameterIssue("InvalidDataType", "query", "low", "expected int, got 'a'"),
                ParameterIssue("MissingRequestParam", "query", "high", "missing, expected int"),
            ],
        ),
        (Range, "low=2&high=1", [ParameterIssue("InvalidDataType", "query", "pack", "low 2 is above high 1")]),
        (Model, "", [ParameterIssue("MissingRequestParam", "query", "limit", "missing, expected int")]),
        (
            Model,
            "limit=0",
            [ParameterIssue("InvalidDataType", "query", "limit", "Input should be greater than or equal to 1")],
        ),
        (
            Url,
            "site=http://a.b&token=bad1",
            [ParameterIssue("InvalidDataType", "query", "token", "Value error, no such token: bad1")],
        ),
        (
            Url,
            "site=http://a.b&token=whole",
            [ParameterIssue("InvalidDataType", "query", "pack", "Value error, the whole is wrong")],
        ),
    ],
)
def test_each_bad_field_is_told(bound: Bind, kind: Any, query: str, issues: list[ParameterIssue]) -> None:
    with pytest.raises(ParametersError) as caught:
        bound(handler_of(kind))(query)
    assert list(caught.value.issues) == issues


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(Range, [(b"low", b"31337"), (b"high", b"1")]), (Url, [(b"site", b"http://a.b"), (b"token", b"bad-31337")])],
)
@pytest.mark.parametrize("source", ["header", "cookie"])
def test_a_packs_own_check_tells_no_header_and_no_cookie(
    bound: Bind, source: str, kind: Any, fields: list[tuple[bytes, bytes]]
) -> None:
    headers = [*fields, (b"cookie", b"; ".join(name + b"=" + value for name, value in fields))]
    with pytest.raises(ParametersError) as caught:
        bound(handler_of(kind, source=source))(headers=headers)
    assert "31337" not in str(caught.value)
    assert caught.value.issues[0].message.startswith("not accepted, expected ")


def test_header_fields_are_found_whatever_their_case(bound: Bind) -> None:
    made = bound(handler_of(Renamed, source="header"))
    assert made(headers=[(b"UserAgent", b"curl"), (b"TOKEN", b"t")]) == Renamed("curl", "t")
    assert bound(handler_of(Renamed))("userAgent=curl&Token=t") == Renamed("curl", "t")


@pytest.mark.parametrize("kind", [Filter, Model])
def test_a_pack_with_a_default_may_be_absent_as_a_whole(bound: Bind, kind: Callable[..., object]) -> None:
    default = kind(limit=1)
    made = bound(handler_of(kind, default=default))
    assert made() == default
    assert made() is not default
    with pytest.raises(ParametersError, match="limit"):
        made("from=now")


def test_a_pack_may_be_optional(bound: Bind) -> None:
    made = bound(handler_of(Filter | None, default=None))
    assert made() is None
    assert made("limit=1") == Filter(1)


def test_a_class_of_attrs_is_called_by_its_aliases() -> None:
    class Account(msgspec.Struct):
        """Carries the records that attrs leaves on its classes."""

        _id: int
        note: str = "set by itself"

        __attrs_attrs__ = (AttrsField("note", "note", False), AttrsField("_id", "id", True))

    assert [(spec.name, spec.key) for spec in pack_fields(Account, "query")] == [("id", "id")]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Box[int], "the fields of Box[int]: a generic type has no fields of its own"),
        (Mixed, "the fields of Mixed: a is marked header, and the whole is read from the query"),
        (Nested, "it cannot be read from the query: text cannot become Filter"),
        (OnlyPath, "the fields of OnlyPath: name has no alias that is a plain name"),
        (dict[str, int], "it cannot be read from the query: text cannot become dict[str, int]"),
        (Filter | Range, "it cannot be read from the query: "),
    ],
)
def test_a_type_whose_fields_cannot_be_read_is_refused(bound: Bind, kind: Any, words: str) -> None:
    (problem,) = bound(handler_of(kind)).problems
    assert problem.what.startswith(words)
    assert (problem.function, problem.parameter) == ("handler", "pack")


def test_a_field_whose_annotation_is_not_defined_is_refused(bound: Bind) -> None:
    class Broken:
        limit: "Nowhere"  # type: ignore[name-defined]  # noqa: F821

    broken = dataclasses.dataclass(Broken)
    (problem,) = bound(handler_of(broken)).problems
    assert problem.what == "the fields of Broken: name 'Nowhere' is not defined"


def test_a_decoder_of_ones_own_reads_the_whole(bound: Bind) -> None:
    def parse(text: str) -> Range:
        low, _, high = text.partition("-")
        return Range(int(low), int(high))

    async def handler(span: Annotated[Range, Param("query", decoder=parse)]) -> Range:
        return span

    assert bound(handler)("span=1-5") == Range(1, 5)
