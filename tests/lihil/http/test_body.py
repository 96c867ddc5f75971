"""Bodies: every supported type, every way to be wrong, and no more bytes than allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pydantic
import pytest
from msgspec import Struct

from lihil import HTTPException, Json, Lihil, Param, Request, Route, Text
from lihil.http.body import MAX_BODY_BYTES, is_json
from lihil.vendors import TestClient


class Item(Struct):
    name: str
    price: float = 0.0


@dataclass
class Place:
    name: str
    floor: int = 0


class Row(TypedDict):
    name: str


class Model(pydantic.BaseModel):
    name: str
    price: float


def amount(text: str) -> int:
    number, _, unit = text.partition(" ")
    if unit != "EUR":
        raise ValueError("expected an amount in EUR")
    return int(number)


item, place, row, model = (Route(name) for name in ("item", "place", "row", "model"))
many, table, maybe, short = (Route(name) for name in ("many", "table", "maybe", "short"))
raw, raw_maybe, small, price, twice, both = (
    Route(name) for name in ("raw", "raw_maybe", "small", "price", "twice", "both/{number}")
)


@item.post
async def post_item(item: Item) -> Item:
    return item


@place.post
async def post_place(place: Place) -> tuple[str, int]:
    return place.name, place.floor


@row.post
async def post_row(row: Row) -> Row:
    return row


@model.post
async def post_model(model: Model) -> Model:
    return model


@many.post
async def post_many(items: list[Item]) -> list[str]:
    return [item.name for item in items]


@table.post
async def post_table(table: dict[str, int]) -> dict[str, int]:
    return table


@maybe.post
async def post_maybe(item: Item | None = None) -> Item | None:
    return item


@short.post
async def post_short(numbers: Annotated[list[int], Param("body", max_length=2)]) -> list[int]:
    return numbers


@raw.post
async def post_raw(data: Annotated[bytes, Param("body")]) -> Text:
    return data.hex()


@raw_maybe.post
async def post_raw_maybe(data: Annotated[bytes | None, Param("body")] = None) -> Text:
    return "nothing" if data is None else data.hex()


@small.post
async def post_small(data: Annotated[bytes, Param("body", max_length=2)]) -> Text:
    return data.hex()


@price.post
async def post_price(price: Annotated[int, Param("body", decoder=amount)]) -> int:
    return price


@twice.post
async def post_twice(item: Item, request: Request) -> Json[Any]:
    return [item.name, (await request.body()).decode(), await request.json()]


@both.post
async def post_both(number: int, item: Item, q: int, x_token: Annotated[str, Param("header")]) -> None: ...


ROUTES = (item, place, row, model, many, table, maybe, short, raw, raw_maybe, small, price, twice, both)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Lihil(*ROUTES)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/item", '{"name":"a","price":1}', {"name": "a", "price": 1.0}),
        ("/place", '{"name":"a"}', ["a", 0]),
        ("/row", '{"name":"a"}', {"name": "a"}),
        ("/model", '{"name":"a","price":"2.5"}', {"name": "a", "price": 2.5}),
        ("/many", '[{"name":"a"},{"name":"b"}]', ["a", "b"]),
        ("/table", '{"a":1}', {"a": 1}),
        ("/maybe", '{"name":"a"}', {"name": "a", "price": 0.0}),
        ("/maybe", "null", None),
        ("/maybe", "", None),
        ("/short", "[1,2]", [1, 2]),
        ("/price", "12 EUR", 12),
    ],
)
def test_a_body_becomes_a_typed_value(client: TestClient, path: str, body: str, expected: object) -> None:
    response = client.post(path, content=body)
    assert (response.status_code, response.json()) == (200, expected)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/raw", b"\x00\xff", "00ff"),
        ("/raw", b"", ""),
        ("/raw_maybe", b"\x01", "01"),
        ("/raw_maybe", b"", "nothing"),
        ("/small", b"\x01\x02", "0102"),
    ],
)
def test_a_raw_body_comes_as_it_is_whatever_its_content_type(
    client: TestClient, path: str, body: bytes, text: str
) -> None:
    response = client.post(path, content=body, headers={"content-type": "image/png"})
    assert (response.status_code, response.text) == (200, text)


@pytest.mark.parametrize(
    ("path", "body", "issue"),
    [
        ("/item", b'{"price":1}', ("InvalidDataType", "item", "object missing required field name")),
        ("/item", b'{"name":1}', ("InvalidDataType", "item.name", "expected str, got int")),
        ("/item", b"{", ("InvalidJsonReceived", "item", "not JSON: ")),
        ("/item", b'{"name":"\xff"}', ("InvalidJsonReceived", "item", "not UTF-8")),
        ("/item", b"", ("MissingRequestParam", "item", "missing, expected Item")),
        ("/many", b'[{"name":"a"},{}]', ("InvalidDataType", "items[1]", "object missing required field name")),
        ("/model", b'{"name":"a","price":"x"}', ("InvalidDataType", "model.price", "valid number")),
        ("/short", b"[1,2,3]", ("InvalidDataType", "numbers", "length <= 2")),
        ("/small", b"abc", ("InvalidDataType", "data", "length <= 2")),
        ("/price", b"12 USD", ("CustomDecodeErrorMessage", "price", "an amount in EUR")),
        ("/price", b"\xff", ("InvalidJsonReceived", "price", "not UTF-8")),
    ],
)
def test_a_wrong_body_is_a_422_that_says_where(
    client: TestClient, path: str, body: bytes, issue: tuple[str, str, str]
) -> None:
    response = client.post(path, content=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    (told,) = response.json()["errors"]
    kind, param, message = issue
    assert (told["type"], told["location"], told["param"]) == (kind, "body", param)
    assert message in told["message"]


def test_a_wrong_body_and_other_wrong_parameters_are_named_together(client: TestClient) -> None:
    response = client.post("/both/one?q=two", json={"name": 3})
    assert response.status_code == 422
    named = {(issue["location"], issue["param"]) for issue in response.json()["errors"]}
    assert named == {("path", "number"), ("query", "q"), ("header", "x-token"), ("body", "item.name")}


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/vnd.example+json", 200),
        (None, 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
    ],
)
def test_a_body_of_another_content_type_is_refused_with_what_is_accepted(
    client: TestClient, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = client.post("/item", content=b'{"name":"a"}', headers=headers)
    assert response.status_code == status
    if status == 415:
        assert response.headers["accept"] == "application/json"
        assert response.json()["detail"] == f"the body is read as application/json, not as {content_type}"


def test_no_body_has_no_wrong_content_type(client: TestClient) -> None:
    assert client.post("/maybe", headers={"content-type": "text/plain"}).status_code == 200


def test_whether_a_content_type_is_json() -> None:
    assert is_json(" application/problem+JSON ;x=1")
    assert not is_json("json")


def test_a_body_at_the_limit_is_read(client: TestClient) -> None:
    response = client.post("/raw", content=b"x" * MAX_BODY_BYTES)
    assert (response.status_code, len(response.text)) == (200, 2 * MAX_BODY_BYTES)


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 65_536


@pytest.mark.parametrize("body", [b"x" * (MAX_BODY_BYTES + 1), pieces(17)], ids=["announced", "in pieces"])
def test_a_body_above_the_limit_is_refused(client: TestClient, body: Any) -> None:
    response = client.post("/raw", content=body)
    assert response.status_code == 413
    assert response.json()["detail"] == f"the body has more than {MAX_BODY_BYTES} bytes"


def test_a_body_that_was_read_for_a_parameter_can_be_read_again(client: TestClient) -> None:
    response = client.post("/twice", content=b'{"name":"a"}')
    assert response.json() == ["a", '{"name":"a"}', {"name": "a"}]


def test_a_handler_that_reads_the_request_itself_has_no_limit() -> None:
    route = Route("x")

    @route.post
    async def size(request: Request) -> int:
        total = 0
        async for piece in request.stream():
            total += len(piece)
        return total

    with TestClient(Lihil(route)) as client:
        assert client.post("/x", content=pieces(20)).json() == 20 * 65_536


def test_a_body_is_not_read_for_a_handler_that_wants_none() -> None:
    route = Route("x")

    @route.post
    async def refuse() -> None:
        raise HTTPException(403, "not today")

    with TestClient(Lihil(route)) as client:
        response = client.post("/x", content=b"x" * (MAX_BODY_BYTES + 1), headers={"content-type": "image/png"})
    assert response.status_code == 403
