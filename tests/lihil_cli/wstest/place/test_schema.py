import json
from typing import Any

import pytest

from lihil_cli.wstest.place.schema import complaints, parse_schema, read_schema


def param(name: str, location: str, kind: str = "str", *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "location": location, "type": kind, "required": required, "default": None, "description": ""}


def route(path: str, *params: dict[str, Any], kind: str = "websocket", **more: str) -> dict[str, Any]:
    method = "" if kind == "websocket" else "GET"
    return {"kind": kind, "path": path, "method": method, "handler": "main:f", "params": list(params), **more}


CONTENT = {
    "title": "main:app",
    "routes": [
        route("/web_socket/{session_id}", param("session_id", "path"), param("max_users", "query", "int")),
        route("/rooms/{id}", param("id", "path", "int"), param("x-token", "header"), param("who", "cookie")),
        route("/typed", *(param(kind, "query", kind, required=False) for kind in ("float", "bool", "UUID", "Decimal"))),
        route(
            "/chosen",
            param("mode", "query", "one of 'fast', 'slow'"),
            param("n", "query", "int | None", required=False),
        ),
        route("/files/{path:path}"),
        route("/health", kind="http"),
        route("/odd//path"),
        route("/named/{who}", param("who", "path"), handler="chat:Room.talk"),
    ],
}
SCHEMA = parse_schema(CONTENT)
TOKEN = [("X-Token", "abc")]


def told(target: str, headers: list[tuple[str, str]] | None = None) -> list[str]:
    assert SCHEMA is not None
    return complaints(SCHEMA, target, headers or [])


@pytest.mark.parametrize(
    "target",
    [
        "/web_socket/a?max_users=5",
        "/web_socket/a?max_users=5&more=1",
        "/web_socket/a%20b?max_users=1e3",
        "/typed",
        "/typed?float=1.5&bool=TRUE&UUID=00000000-0000-0000-0000-000000000000&Decimal=anything",
        "/typed?float=-inf",
        "/chosen?mode=slow&n=null",
        "/files/a/b/c",
    ],
)
def test_what_the_app_takes_is_no_reason_to_complain(target: str) -> None:
    assert told(target) == []


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (
            "/websocket/session123",
            "no WebSocket route matches /websocket/session123; did you mean /web_socket/{session_id}?max_users:int ?",
        ),
        ("/tlak", "no WebSocket route matches /tlak; did you mean talk, which is /named/{who} ?"),
        ("/health", "/health is an HTTP route (GET), not a WebSocket"),
        ("/web_socket/a?max_users=abc", "query max_users: expected int, got 'abc'"),
        ("/web_socket/a?max_users=1.5", "query max_users: expected int, got '1.5'"),
        ("/web_socket/a", "query max_users is missing: int"),
        ("/web_socket/a?max_user=5", "query max_users is missing: int; is max_user a slip of it?"),
        ("/rooms/abc", "path id: expected int, got 'abc'"),
        ("/typed?float=x", "query float: expected float, got 'x'"),
        ("/typed?bool=maybe", "query bool: expected bool, got 'maybe'"),
        ("/typed?UUID=1", "query UUID: expected UUID, got '1'"),
        ("/chosen?mode=other", "query mode: expected one of 'fast', 'slow', got 'other'"),
    ],
)
def test_what_the_app_would_refuse_is_said_before(target: str, complaint: str) -> None:
    assert told(target, TOKEN) == [complaint]


def test_a_header_may_be_missing_too() -> None:
    assert told("/rooms/1") == ["header x-token is missing: str"]


def test_a_path_like_no_route_gets_the_list() -> None:
    [complaint] = told("/zzz")
    assert "there are /web_socket/{session_id}?max_users:int, /rooms/{id}" in complaint
    empty = parse_schema({"title": "x", "routes": []})
    assert empty is not None
    assert complaints(empty, "/x") == ["no WebSocket route matches /x: the app has no WebSocket route"]


def test_the_paths_of_a_route_are_one() -> None:
    assert SCHEMA is not None
    assert SCHEMA.path_of("ws://h:1/rooms/1?x=2") == SCHEMA.path_of("ws://h/rooms/2") == "/rooms/{id}"
    assert SCHEMA.path_of("ws://h/a%20b?x=2") == "/a%20b"


def test_what_is_no_address_has_no_messages() -> None:
    assert SCHEMA is not None
    assert SCHEMA.messages_to("http://[::1") == ()
    assert SCHEMA.path_of("http://[::1") == ""


def test_a_route_has_an_example_that_fits_it() -> None:
    assert SCHEMA is not None
    examples = [one.example for one in SCHEMA.websockets]
    assert examples[:2] == ["/web_socket/session_id max_users==1", "/rooms/id x-token:x-token"]
    assert examples[3] == "/chosen mode==fast"


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"title": "x", "routes": [1]}', '{"title": "x", "routes": 1}'])
def test_what_is_no_schema_is_none(text: str) -> None:
    assert read_schema(text) is None
    assert read_schema(json.dumps(CONTENT)) == SCHEMA
