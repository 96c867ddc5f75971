import pytest

from lihil_cli.errors import CliError
from lihil_cli.wstest.place.schema import Route, Schema, parse_schema
from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.events import (
    About,
    ClearScreen,
    Closed,
    Connect,
    Drop,
    Opened,
    Prefill,
    ReadFile,
    SchemaRead,
    Send,
    SendClose,
    SendPing,
    SendPong,
    SendRaw,
    Stall,
    Tick,
    TraceFrames,
)
from lihil_cli.wstest.repl.orders import MAX_PEERS
from tests.lihil_cli.wstest.place.test_schema import param, route
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench


@pytest.mark.parametrize(
    ("line", "action", "shown"),
    [
        ("hello", Send("ws", "hello"), "› hello"),
        ("//quit", Send("ws", "/quit"), "› /quit"),
        ("@bob hi", Send("ws", "@bob hi"), "› @bob hi"),
        ("@ws hi", Send("ws", "hi"), "› hi"),
        ("/hex 01 ff", Send("ws", b"\x01\xff"), "› /hex 01 ff"),
        ("/json {'a': 1}", Send("ws", '{"a":1}'), '› {"a":1}'),
        ("/fragment 2 hello", Send("ws", "hello", 2), "› hello"),
        ("/raw 81 00", SendRaw("ws", b"\x81\x00"), "  2 bytes written past the protocol"),
        ("/pong abc", SendPong("ws", b"abc"), "  pong sent"),
        ("/stall 10s", Stall("ws", 10.0), "  reading nothing for 10 s"),
        ("/frames on", TraceFrames(on=True), "  frames are shown"),
        ("/frames off", TraceFrames(on=False), "  frames are not shown"),
    ],
)
def test_a_line_is_done_and_shown(bench: Bench, line: str, action: object, shown: str) -> None:
    assert bench.type(line) == [action]
    assert bench.shown == [shown]


def test_with_binary_what_is_typed_goes_out_as_binary_messages(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, is_binary=True))
    bench.open()
    assert bench.type("hé") == [Send("ws", "hé".encode())]
    assert bench.type("/hex 00") == [Send("ws", b"\x00")]
    assert bench.type("/repeat 1 x") == [Send("ws", b"x")]
    assert bench.shown[-4:-2] == ["› hé", "› /hex 00"]


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("/close 4000 bye", SendClose("ws", 4000, "bye")),
        ("/ping 3", SendPing("ws")),
        ("/file x.png", ReadFile("x.png", "bin", "ws")),
        ("/replay x.jsonl 2x", ReadFile("x.jsonl", "replay", "ws", 2.0)),
        ("/drop", Drop("ws")),
        ("/clear", ClearScreen()),
    ],
)
def test_a_command_can_do_without_words(bench: Bench, line: str, action: object) -> None:
    assert bench.type(line) == [action]
    assert bench.shown == []


def test_a_mistake_is_told_and_nothing_is_sent(bench: Bench) -> None:
    assert bench.type("/nope") == []
    assert bench.shown == ["✗ unknown command /nope: /help lists them, and //nope sends the line as it is"]


class Broken(Schema):
    """What is known of an app, with a bug in it."""

    @property
    def websockets(self) -> tuple[Route, ...]:
        raise RuntimeError("boom")


def test_a_bug_costs_the_line_and_not_the_session(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, schema=Broken("", ())))
    bench.open()
    bench.shown.clear()
    assert bench.type("/routes") == [Prefill("/routes")]
    told = ["✗ RuntimeError: boom", "  This is a bug in lihil; please report it, with what /trace shows."]
    assert bench.shown[-2:] == told
    bench.type("/trace")
    assert bench.shown[-1] == "  RuntimeError: boom"
    assert bench.type("hi") == [Send("ws", "hi")]


def test_an_address_that_is_none_leaves_the_session_alone(make_bench: MakeBench) -> None:
    schema = parse_schema({"title": "x", "routes": [route("/chat")]})
    bench = make_bench(Setup(URL, schema=schema))
    bench.open()
    bench.type("/open bob")
    bench.open("bob")
    bench.type("/connect http://[::1")
    bench.do(Closed("bob", 1000, by="client"))
    bench.fail("'http://[::1' is no address", code=2, peer="bob")
    bench.type("/use bob")
    bench.type("/new")
    assert "the schema knows no message types" in bench.shown[-1]


def test_an_empty_line_means_nothing(bench: Bench) -> None:
    assert [bench.type(""), bench.type("  ")] == [[], []]
    assert bench.shown == []


@pytest.mark.parametrize(
    ("pasted", "action"),
    [
        ("pasted\n", Send("ws", "pasted")),
        ("two\nlines\n\n", Send("ws", "two\nlines\n")),
        ('/json\n{"a":\n1}\n', Send("ws", '{"a":1}')),
        ("/close\t4000\nbye\n", SendClose("ws", 4000, "bye")),
        ("/open\nbob\n/x\n", Connect("bob", "/x", "ws")),
        ("@ws hi\n", Send("ws", "hi")),
    ],
)
def test_what_is_pasted_means_what_it_would_mean_in_one_line(bench: Bench, pasted: str, action: object) -> None:
    assert bench.type(pasted) == [action]


def test_while_there_is_no_connection_the_line_stays_in_the_prompt(make_bench: MakeBench) -> None:
    bench = make_bench()
    assert bench.type("hello") == [Prefill("hello")]
    assert bench.shown[-1] == "✗ ws is still connecting; the line is kept"
    bench.open()
    bench.close(1012, "reload")
    assert bench.type("/ping") == [Prefill("/ping")]
    assert bench.shown[-1] == "✗ the server is reloading; the line is kept"
    bench.repl.desk.peer.wait(0.0)
    bench.type("hello")
    assert bench.shown[-1] == "✗ there is no server yet; the line is kept"


def test_a_dropped_connection_can_be_opened_again(bench: Bench) -> None:
    bench.type("/drop")
    bench.lose()
    assert bench.shown == ["⚑ dropped without a close: the server sees 1006; /reconnect connects again"]
    assert bench.type("hi") == [Prefill("hi")]
    assert bench.shown == ["✗ ws is not connected: /reconnect connects again; the line is kept"]
    assert bench.type("/reconnect")[-1] == Connect("ws")
    assert bench.type("/reconnect") == []
    assert bench.shown == ["✗ ws is still connecting"]
    bench.open()
    assert bench.shown == ["✓ open in 3.8 ms · no subprotocol"]
    bench.type("/quit")
    bench.close(1000)
    assert bench.code == 0


def test_another_target_is_connected_to_when_the_first_is_closed(bench: Bench) -> None:
    assert bench.type("/connect /other?x=1") == [SendClose("ws", 1000)]
    assert bench.close(1000)[-1] == Connect("ws", "/other?x=1")
    assert bench.shown == ["⚑ closed by server 1000 (normal closure) after 0.00 s · 0 in, 0 out"]


def test_items_go_to_the_route_that_is_named_and_its_headers_stay_with_the_connection(make_bench: MakeBench) -> None:
    schema = parse_schema({"title": "x", "routes": [route("/rooms/{name}", handler="m:talk")]})
    bench = make_bench(Setup(URL, headers=(("Token", "a"), ("X", "1")), schema=schema))
    assert bench.actions == [Connect("ws", headers=(("Token", "a"), ("X", "1")))]
    bench.open()
    own = (("X", "1"), ("token", "b"))
    opened = Connect("bob", "/rooms/blue?user=bob", "ws", own)
    assert bench.type("/open bob talk name==blue user==bob token:b") == [opened]
    bench.open("bob")
    assert bench.type("/reconnect") == [SendClose("bob", 1000)]
    assert bench.do(Closed("bob", 1000, by="client"))[-1] == Connect("bob", headers=own)
    bench.open("bob")
    bench.type("/connect")
    assert bench.do(Closed("bob", 1000, by="client"))[-1] == Connect("bob", headers=own)
    bench.open("bob")
    bench.type("/connect talk name==red")
    moved = Connect("bob", "/rooms/red", headers=(("Token", "a"), ("X", "1")))
    assert bench.do(Closed("bob", 1000, by="client"))[-1] == moved
    bench.open("bob")
    bench.shown.clear()
    assert bench.type("/connect talk") == []
    assert bench.type("/open eve talk") == []
    assert bench.shown[-2:] == ["✗ /rooms/{name} needs name==VALUE"] * 2
    bench.type("/close")
    bench.type("/connect talk name==red token:c")  # while it is being closed
    assert bench.shown[-1:] == ["✗ bob is being closed"]
    assert bench.desk.peer.headers == ()


@pytest.mark.parametrize("command", ["/connect", "/open bob"])
@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://[::1", "'http://[::1' is no address: Invalid IPv6 URL"),
        ("ftp://h/x", "'ftp' is no scheme of a WebSocket address"),
        ("/rooms", "no WebSocket route matches /rooms"),
        ("/room/blue", "no WebSocket route matches /room/blue; did you mean /rooms/{name}?age:int ?"),
        ("?age=x", "query age: expected int, got 'x'"),
        ("/rooms/blue age==1 x-n:a", "header x_n: expected int, got 'a'"),
    ],
)
def test_a_slip_in_a_target_costs_no_connection(make_bench: MakeBench, command: str, target: str, why: str) -> None:
    params = [param("age", "query", "int"), param("x_n", "header", "int", required=False)]
    schema = parse_schema({"title": "x", "routes": [route("/rooms/{name}", *params)]})
    address = "ws://127.0.0.1:8000/rooms/blue?age=1"
    bench = make_bench(Setup(address, schema=schema, is_checked=True))
    bench.do(Opened("ws", About(address)))
    bench.shown.clear()
    assert bench.type(f"{command} {target}") == []
    assert bench.shown[0].startswith(f"✗ {why}")
    assert bench.desk.peer.is_open
    assert bench.type(f"{command} ?age=2") != []


def test_what_the_schema_says_counts_for_its_server_alone_and_as_it_is_now(make_bench: MakeBench) -> None:
    schema = parse_schema({"title": "x", "routes": [route("/chat")]})
    bench = make_bench(Setup(URL, schema=schema, is_checked=True))
    bench.open()
    assert bench.type("/open bob ws://other/x") == [Connect("bob", "ws://other/x", "ws")]
    bench.open("bob")
    assert bench.type("/open eve /y") == [Connect("eve", "/y", "bob")]  # on the other server
    bench.open("eve")
    bench.type("/use ws")
    assert bench.type("/open ann /new") == []
    bench.do(SchemaRead(parse_schema({"title": "x", "routes": [route("/new")]})))
    assert bench.type("/open ann /new") == [Connect("ann", "/new", "ws")]
    bench.do(SchemaRead(None))
    bench.open("ann")
    assert bench.type("/connect /any") == [SendClose("ann", 1000)]


def test_a_header_that_asks_for_what_nobody_knows_costs_no_connection(make_bench: MakeBench) -> None:
    def check(headers: object) -> None:
        if headers == (("Token", "${NONE}"),):
            raise CliError("the header Token asks for NONE")

    bench = make_bench(Setup(URL, headers=(("X", "${X}"),), check_headers=check))
    bench.open()
    bench.shown.clear()
    assert bench.type("/connect /chat Token:${NONE}") == []
    assert bench.type("/open bob /chat Token:${NONE}") == []
    assert bench.shown[-2:] == ["✗ the header Token asks for NONE"] * 2
    own = (("X", "${X}"), ("Token", "${TOKEN}"))
    assert bench.type("/open bob /chat Token:${TOKEN}") == [Connect("bob", "/chat", "ws", own)]


def test_several_connections_have_names(bench: Bench) -> None:
    assert bench.type("/open bob /chat?user=bob") == [Connect("bob", "/chat?user=bob", "ws")]
    assert bench.repl.marker == "bob"
    bench.open("bob")
    assert bench.shown == ["✓ bob: open in 3.8 ms · no subprotocol"]
    assert bench.type("hi") == [Send("bob", "hi")]
    assert bench.type("@ws hello") == [Send("ws", "hello")]
    assert bench.type("@nobody hello") == [Prefill("@nobody hello")]
    bench.receive("yo", peer="ws")
    assert bench.shown == [
        *("bob› hi", "ws› hello", "✗ there is no connection nobody: ws, bob"),
        "#1 00:00:00.000 ws ‹ yo",
    ]
    bench.type("/use ws")
    assert bench.repl.marker == "ws"
    assert bench.type("hey") == [Send("ws", "hey")]
    bench.type("/use nobody")
    bench.type("/open bob")
    assert bench.shown == [
        *("  lines go to ws now", "ws› hey"),
        *("✗ there is no connection nobody: ws, bob", "✗ there is a connection bob already: /use bob"),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [("hi", "bob"), ("@ws hi", "ws"), ("@ws\thi", "ws"), ("@nobody hi", "bob"), ("@", "bob"), ("", "bob")],
)
def test_a_line_goes_to_the_connection_it_names_or_to_the_current_one(bench: Bench, line: str, name: str) -> None:
    bench.type("/open bob")
    assert bench.desk.peer_of(line).name == name


def test_a_command_to_one_of_several_changes_nothing_about_the_others(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    assert bench.type("@ws /close 4000") == [SendClose("ws", 4000)]
    assert bench.desk.current == "bob"
    bench.type("@bob /use ws")
    assert bench.desk.current == "ws"
    bench.type("@bob /use nobody")
    assert bench.desk.current == "ws"


def test_what_is_closed_can_be_opened_under_the_same_name(bench: Bench) -> None:
    bench.type("/open bob")
    bench.fail("refused", code=4, peer="bob")
    assert bench.desk.current == "ws"
    assert bench.type("/open bob") == [Connect("bob", "", "ws")]


def test_there_is_a_limit_to_connections(bench: Bench) -> None:
    for number in range(1, MAX_PEERS):
        bench.type(f"/open c{number}")
    bench.shown.clear()
    bench.screen.clear()
    assert bench.type("/open more") == []
    assert bench.shown == [f"✗ {MAX_PEERS} connections are open, which is the most"]


def test_a_message_is_repeated_at_once(bench: Bench) -> None:
    assert bench.type("/repeat 3 ping") == [Send("ws", "ping")] * 3
    assert bench.shown == ["  ping  ×3", "  repeat: 3 sent"]


def test_any_message_is_repeated_as_it_would_be_sent(bench: Bench) -> None:
    assert bench.type("/repeat 2 /fragment 1 /hex 00 ff") == [Send("ws", b"\x00\xff", 1)] * 2
    assert bench.shown == ["  /hex 00 ff  ×2", "  repeat: 2 sent"]
    assert bench.type("/edit") == [Prefill("/hex 00 ff", edit=True)]


def test_a_message_is_repeated_in_time(bench: Bench) -> None:
    assert bench.type("/repeat 3 every 100ms ping") == [Send("ws", "ping")]
    assert bench.do(Tick(), 0.05) == []
    assert bench.repl.wake_at == pytest.approx(0.1)
    assert bench.do(Tick(), 0.05) == [Send("ws", "ping")]
    assert bench.do(Tick(), 0.1) == [Send("ws", "ping")]
    assert bench.shown == ["  ping  ×3", "  repeat: 3 sent"]


def test_many_repeats_leave_room_for_what_else_happens(bench: Bench) -> None:
    first = bench.type("/repeat 1000 x")
    assert 0 < len(first) < 1000
    sent = len(first)
    while bench.desk.jobs:
        sent += len(bench.do(Tick()))
    assert sent == 1000


def test_a_repeat_ends_with_its_connection(bench: Bench) -> None:
    bench.type("/repeat 3 every 1s x")
    bench.lose()
    bench.shown.clear()
    bench.screen.clear()
    bench.do(Tick(), 1.0)
    assert bench.shown == ["✗ repeat stopped after 1: ws is not connected"]


def test_the_time_to_the_server_is_told_for_one_ping_and_for_many(bench: Bench) -> None:
    bench.type("/ping")
    assert bench.pong(0.00026) == []
    bench.type("/ping 5")
    for rtt_s in (0.0004, 0.00021, 0.0002, 0.0003):
        assert bench.pong(rtt_s) == [SendPing("ws")]
    bench.pong(0.0002)
    bench.type("/ping 10")
    for number in range(10):
        bench.pong(number / 1000)
    assert bench.shown == [
        *("  rtt 0.26 ms", "  rtt min 0.20  avg 0.26  max 0.40 ms"),
        "  rtt min 0.00  avg 4.50  p99 9.00  max 9.00 ms",
    ]


def test_pings_that_nobody_asked_for_are_in_the_toolbar_alone(bench: Bench) -> None:
    bench.pong(0.00026, asked=False)
    assert bench.shown == []
    assert bench.repl.toolbar == "ws /chat · #0 · rtt 0.26 ms · ^R history · ^D close"
    bench.pong(0.0005)
    assert bench.shown == []


def test_the_address_is_the_one_of_the_running_server(bench: Bench) -> None:
    assert bench.desk.peer.target == URL
