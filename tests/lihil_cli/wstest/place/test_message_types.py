from typing import Any

import pytest

from lihil_cli.wstest.place.message_types import Field, MessageType, read_message_types
from lihil_cli.wstest.place.schema import parse_schema

ROUTE: dict[str, Any] = {
    "kind": "websocket",
    "path": "/chat/{room}",
    "method": "",
    "handler": "main:talk",
    "params": [],
    "messages": [
        {
            "direction": "receives",
            "name": "Say",
            "tag_field": "type",
            "tag": "say",
            "fields": [{"name": "text", "type": "str", "required": True}],
        },
        {"direction": "sends", "name": "Said", "tag_field": "", "tag": "", "fields": []},
    ],
}


def test_the_messages_that_a_route_receives_are_read() -> None:
    say = MessageType("Say", "type", "say", (Field("text", "str"),))
    assert tuple(read_message_types(ROUTE["messages"])) == (say,)


@pytest.mark.parametrize(
    ("target", "known"),
    [("ws://h/chat/general?x=1", True), ("/chat/a%20b", True), ("/chat", False), ("/chat/a/b", False), ("/old", False)],
)
def test_the_messages_are_those_of_the_route(target: str, known: bool) -> None:
    schema = parse_schema({"title": "main:app", "routes": [ROUTE, {**ROUTE, "path": "/old", "messages": ()}]})
    assert schema is not None
    assert bool(schema.messages_to(target)) is known


@pytest.mark.parametrize(
    ("kind", "example", "choices"),
    [
        ("str", '""', ()),
        ("int", "0", ()),
        ("int | None", "0", ()),
        ("float", "0.0", ()),
        ("list[str]", "[]", ()),
        ("dict[str, int]", "{}", ()),
        ("None", "null", ()),
        ("datetime", "null", ()),
        ("bool", "true", ("true", "false")),
        ("one of 'a', 'b'", '"a"', ('"a"', '"b"')),
        ("one of 1, 2", "1", ("1", "2")),
    ],
)
def test_a_member_has_an_example_of_its_type(kind: str, example: str, choices: tuple[str, ...]) -> None:
    assert (Field("x", kind).example, Field("x", kind).choices) == (example, choices)


def test_a_template_has_what_is_required() -> None:
    fields = (Field("text", "str"), Field("n", "int"), Field("loud", "bool", required=False))
    assert MessageType("Say", "type", "say", fields).template() == '{"type":"say","text":"","n":0}'
    assert MessageType("Plain", "", "", ()).template() == "{}"
    assert MessageType("Say", "type", "say", fields).words == "say  text: str, n: int, loud: bool?"
    assert MessageType("Plain", "", "", ()).words == "Plain"
