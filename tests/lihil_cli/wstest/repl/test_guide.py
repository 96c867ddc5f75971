import pytest

from lihil_cli.wstest.place.message_types import Field, MessageType
from lihil_cli.wstest.place.schema import Param, Route, Schema
from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.events import About, Opened, Prefill, SetKeys
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench

SAY = MessageType("Say", "type", "say", (Field("text", "str"), Field("loud", "bool", required=False)))
JOIN = MessageType("Join", "type", "join", (Field("room", "one of 'a', 'b'"),))
USER = Param("user", "query", "str", required=True)
SCHEMA = Schema(
    "main:app",
    (
        Route("websocket", "/chat", "", "main:talk", "Talk.", (USER,), messages=(SAY, JOIN)),
        Route("websocket", "/echo", "", "main:echo", "", ()),
    ),
)


@pytest.fixture
def known(make_bench: MakeBench) -> Bench:
    bench = make_bench(Setup(URL, schema=SCHEMA))
    bench.open()
    bench.screen.clear()
    return bench


def test_help_is_shown(bench: Bench) -> None:
    bench.type("/help")
    assert any(row.startswith("  /ping [N]") for row in bench.shown)
    bench.type("/help use")
    assert bench.shown[0] == "  /use NAME"


@pytest.mark.parametrize("name", ["say", "Say"])
def test_a_new_message_is_put_into_the_prompt(known: Bench, name: str) -> None:
    assert known.type(f"/new {name}") == [Prefill('{"type":"say","text":""}')]


def test_the_types_of_messages_are_listed(known: Bench) -> None:
    known.type("/new")
    known.type("/new nope")
    listed = ["  say  text: str, loud: bool?", "  join  room: one of 'a', 'b'"]
    assert known.shown == [*listed, "✗ there is no message type nope", *listed]


def test_without_a_schema_there_are_neither_types_nor_routes(bench: Bench) -> None:
    bench.type("/new say")
    bench.type("/routes")
    assert bench.shown == [
        "✗ the schema knows no message types of this route (.lihil/schema.json)",
        "✗ no routes are known: `lihil run --reload` writes them to .lihil/schema.json",
    ]


def test_the_routes_are_listed(known: Bench) -> None:
    known.type("/routes")
    assert known.shown == ["  /chat?user:str  Talk.", "  /echo"]


def test_the_editor_is_opened_on_a_draft_or_on_the_last_message(bench: Bench) -> None:
    bench.type("hello")
    assert bench.type("/edit") == [Prefill("hello", edit=True)]
    assert bench.type("/edit draft") == [Prefill("draft", edit=True)]


def test_the_keys_can_be_those_of_vi(bench: Bench) -> None:
    assert bench.type("/keys vi") == [SetKeys("vi")]
    assert bench.shown == ["  the keys are those of vi"]


def test_the_status_tells_what_went_over_each_connection(bench: Bench) -> None:
    bench.type("hi")
    bench.pong(0.00026, asked=False)
    bench.shown.clear()
    bench.screen.clear()
    bench.now = 12.0
    bench.type("/status")
    assert bench.shown == [f"  ws {URL} · open · for 12s · no subprotocol · 0 in, 1 out · rtt 0.26 ms"]
    bench.type("/open bob")
    bench.type("/status")
    assert bench.shown == [
        f"   ws {URL} · open · for 12s · no subprotocol · 0 in, 1 out · rtt 0.26 ms",
        f"  *bob {URL} · connecting · 0 in, 0 out",
    ]


def test_the_status_tells_what_was_negotiated(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.do(Opened("ws", About(URL, "v2", "deflate", (("server", "x"),), 0.0, 14)))
    bench.screen.clear()
    bench.type("/status")
    bench.type("/headers")
    assert bench.shown == [
        f"  ws {URL} · open · for 0.0s · subprotocol v2 · deflate · generation 14 · 0 in, 0 out",
        "  server: x",
    ]


def test_what_is_not_known_is_told(make_bench: MakeBench) -> None:
    bench = make_bench()
    bench.screen.clear()
    bench.type("/headers")
    bench.type("/trace")
    assert bench.shown == ["✗ there has been no handshake yet", "✗ no handler has failed, as far as is known"]
