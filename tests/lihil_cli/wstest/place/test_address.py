import re

import pytest

from lihil_cli.wstest.place.address import address_of
from lihil_cli.wstest.place.schema import parse_schema
from tests.lihil_cli.wstest.place.test_schema import param, route

SCHEMA = parse_schema(
    {
        "title": "main:app",
        "routes": [
            route("/rooms/{name}", param("name", "path"), param("size", "query", "int"), handler="chat:talk"),
            route("/files/{path:path}/{part}", handler="files:Files.fetch"),
            route("/echo", handler="main:reply"),
            route("/reply", handler="main:other"),
            route("/a", handler="one:same"),
            route("/b", handler="two:same"),
            route("/health", kind="http", handler="main:health"),
        ],
    }
)


def address(text: str, **query: str) -> str:
    assert SCHEMA is not None
    return address_of(SCHEMA, text, list(query.items()))


@pytest.mark.parametrize("text", ["talk", "chat:talk", "/rooms/{name}", "rooms/{name}"])
def test_items_fill_the_path_of_a_named_route_first_and_then_the_query(text: str) -> None:
    assert address(text, size="5", name="a b/c") == "/rooms/a%20b%2Fc?size=5"
    assert address(f"{text}?size=5", name="a", more="1") == "/rooms/a?size=5&more=1"


def test_a_value_for_a_whole_path_keeps_its_slashes() -> None:
    for text in ("fetch", "files:Files.fetch"):
        assert address(text, path="a/b c", part="1") == "/files/a/b%20c/1"


def test_an_item_that_comes_twice_fills_the_path_once() -> None:
    assert SCHEMA is not None
    assert address_of(SCHEMA, "talk", [("name", "a"), ("name", "b")]) == "/rooms/a?name=b"


@pytest.mark.parametrize("text", ["/talk", "talk/x", "/rooms/x", "rooms/x", "/rooms/{other}", "health", "zzz", "", "/"])
def test_what_names_no_route_is_a_path(text: str) -> None:
    assert address(text, name="a") == f"{text}?name=a"


def test_a_path_of_the_app_goes_before_a_name() -> None:
    assert address("reply") == "reply"
    assert address("main:reply") == "/echo"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fetch", "/files/{path:path}/{part} needs path==VALUE part==VALUE"),
        ("same", "same is the name of several routes: one:same (/a), two:same (/b)"),
    ],
)
def test_what_leads_to_no_address_is_told_with_what_to_write(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        address(text)
