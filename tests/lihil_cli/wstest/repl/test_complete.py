import pytest

from lihil_cli.wstest.place.message_types import Field, MessageType
from lihil_cli.wstest.place.schema import Route, Schema
from lihil_cli.wstest.repl.commands import USAGES
from lihil_cli.wstest.repl.complete import Words, complete

SAY = MessageType("Say", "type", "say", (Field("text", "str"), Field("loud", "bool", required=False)))
JOIN = MessageType("Join", "type", "join", (Field("room", "one of 'red', 'blue'"), Field("text", "str")))
POINT = MessageType("Point", "", "", (Field("x", "int"),))


def route(path: str, summary: str = "", messages: tuple[MessageType, ...] = ()) -> Route:
    return Route("websocket", path, "", "main:handler", summary, (), messages=messages)


WORDS = Words(
    Schema(
        "main:app", (route("/chat/{room}", "Talk.", (SAY, JOIN)), route("/echo"), route("/points", messages=(POINT,)))
    ),
    ("ws", "bob"),
    "ws://127.0.0.1:8000/chat/general",
    ("ws://127.0.0.1:8000/chat/general", "ws://127.0.0.1:8000/points"),
)


def offered(before: str, words: Words = WORDS) -> list[str]:
    """The whole texts that would stand there."""
    return [before[: len(before) - one.replaces] + one.text for one in complete(before, words)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/pi", ["/ping "]),
        ("/re", ["/repeat ", "/replay ", "/reconnect "]),
        ("/zzz", []),
        ("//pi", []),
        ("hello", []),
        ("@b", ["@bob "]),
        ("@", ["@ws ", "@bob "]),
        ("/help fr", ["/help fragment", "/help frames"]),
        ("/use b", ["/use bob"]),
        ("/close 101", ["/close 1010", "/close 1011", "/close 1012", "/close 1013", "/close 1014"]),
        ("/only i", ["/only in"]),
        ("/frames o", ["/frames on", "/frames off"]),
        ("/keys v", ["/keys vi"]),
        ("/connect /e", ["/connect /echo"]),
        ("/open eve /ch", ["/open eve /chat/{room}"]),
        ("/open eve", []),
        ("/new s", ["/new say"]),
        ("/new ", ["/new say", "/new join"]),
        ("/show 1", []),
        ("{", ['{"type":', '{"text":', '{"loud":', '{"room":']),
        ('{"t', ['{"type":', '{"text":']),
        ('{"type":', ['{"type":"say"', '{"type":"join"']),
        ('{"type":"j', ['{"type":"join"']),
        ('{"type": "say", ', ['{"type": "say", "text":', '{"type": "say", "loud":']),
        ('{"type":"say","text":"x",', ['{"type":"say","text":"x","loud":']),
        ('{"type":"say","loud":t', ['{"type":"say","loud":true']),
        ('{"type":"join","room":', ['{"type":"join","room":"red"', '{"type":"join","room":"blue"']),
        ('{"type":"unknown",', ['{"type":"unknown","text":', '{"type":"unknown","loud":', '{"type":"unknown","room":']),
        ('{"text":"free', []),
        ('{"type":"say"}', []),
        ('/json {"t', ['/json {"type":', '/json {"text":']),
        ('@ws {"t', ['@ws {"type":', '@ws {"text":']),
        ('@bob {', ['@bob {"x":']),
        ('@nobody {"t', ['@nobody {"type":', '@nobody {"text":']),
        ("@bob /pi", ["@bob /ping "]),
        ("@bob /connect /e", ["@bob /connect /echo"]),
        ("@bob ", []),
        ('{"type":"say","text":"hi, ', []),
        ('{"type":"say","text":"a \\"b\\", {', []),
        ("{'type':'say','text':'hi, ", []),
        ('{"type":"say","text":"hi, you",', ['{"type":"say","text":"hi, you","loud":']),
        ('{"type":"say","text":"x: y","loud":t', ['{"type":"say","text":"x: y","loud":true']),
        ('{"more":{', []),
        ('{"more":[1,', []),
        ('{"more":{"a":[1]},"te', ['{"more":{"a":[1]},"text":']),
        ('{"type"', ['{"type":']),
        ("hello {} ,", []),
        ("/json [", []),
    ],
)  # fmt: skip
def test_tab_offers_what_can_follow(before: str, after: list[str]) -> None:
    assert offered(before) == after


def test_every_command_is_offered() -> None:
    assert offered("/") == [f"/{usage.name} " for usage in USAGES]


def test_messages_without_a_tag_have_their_members_alone() -> None:
    assert offered("{", Words(WORDS.schema, target="/points")) == ['{"x":']


def test_where_nothing_is_known_nothing_is_offered() -> None:
    assert offered("{", Words(target="/points")) == []
    assert offered("{", Words(WORDS.schema, target="/echo")) == []


def test_what_is_offered_is_explained() -> None:
    assert [one.about for one in complete("/ping", WORDS)] == ["measure the time to the server and back, N times"]
    assert [one.about for one in complete("/connect /", WORDS)] == ["Talk.", "/echo", "/points"]
