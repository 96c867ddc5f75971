import json

import pytest

from lihil_cli.wstest.repl.vocabulary import Field, MessageType, Route, Vocabulary, parse_schema

SCHEMA = {
    "title": "main:app",
    "version": "",
    "routes": [
        {"kind": "http", "path": "/chat/{room}", "params": []},
        {
            "kind": "websocket",
            "path": "/chat/{room}",
            "summary": "Talk.",
            "params": [
                {"name": "room", "location": "path", "type": "str"},
                {"name": "user", "location": "query", "type": "str"},
            ],
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
        },
        {"kind": "websocket", "path": "/old", "params": []},
    ],
}


def test_the_websocket_routes_are_read_with_what_they_receive() -> None:
    say = MessageType("Say", "type", "say", (Field("text", "str"),))
    assert parse_schema(json.dumps(SCHEMA).encode()) == Vocabulary(
        (Route("/chat/{room}", "Talk.", (("user", "str"),), (say,)), Route("/old"))
    )


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"{}", b"[]", b'{"routes":[5]}', b'{"routes":[{"kind":"websocket"}]}']
)
def test_what_is_no_schema_says_nothing(text: bytes) -> None:
    assert parse_schema(text) == Vocabulary()


@pytest.mark.parametrize(
    ("target", "known"),
    [("ws://h/chat/general?x=1", True), ("/chat/a%20b", True), ("/chat", False), ("/chat/a/b", False), ("", False)],
)
def test_the_messages_are_those_of_the_route(target: str, known: bool) -> None:
    assert bool(parse_schema(json.dumps(SCHEMA).encode()).messages_to(target)) is known


def test_a_route_is_listed_with_its_query() -> None:
    assert Route("/a", query=(("n", "int"), ("q", "str"))).words == "/a?n:int&q:str"
    assert Route("/a").words == "/a"


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
