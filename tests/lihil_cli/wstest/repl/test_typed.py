import msgspec
import pytest

from lihil_cli.wstest.repl import commands
from lihil_cli.wstest.repl.commands import USAGES, Mistake, Plain
from lihil_cli.wstest.repl.events import Say
from lihil_cli.wstest.repl.typed import as_utf8, is_complete, parse_typed
from lihil_cli.wstest.request import Extras


def test_bytes_that_the_locale_could_not_read_are_utf8_where_they_can_be() -> None:
    assert as_utf8("hé 👍") == "hé 👍"
    assert as_utf8("é".encode().decode("ascii", "surrogateescape") + "!") == "é!"
    assert as_utf8("\udcff!") == "\ufffd!"


@pytest.mark.parametrize(
    "text", ["hello", "", " ", "é\u202e", '{"a": 1}', "hello /quit", "two\nlines", "@ bob", "@bob"]
)
def test_ordinary_text_is_sent_as_it_is(text: str) -> None:
    assert parse_typed(text) == Say(text, text)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("//x y", Say("/x y", "/x y")),
        ("///", Say("//", "//")),
        ("@bob hi there", commands.To("bob", "hi there", "@bob hi there")),
        ("@bob /close", commands.To("bob", "/close", "@bob /close")),
        ("/help", commands.Help()),
        ("/help close", commands.Help("close")),
        ("/ping", commands.Ping(1)),
        ("/ping 20", commands.Ping(20)),
        ("/pong", commands.Pong()),
        ("/pong é", commands.Pong("é".encode())),
        ("/close", commands.Close(1000, "")),
        ("/close 4001 going away ", commands.Close(4001, "going away")),
        ("/close 1000 " + "é" * 61, commands.Close(1000, "é" * 61)),
        ("/stall 10s", commands.Stall(10.0)),
        ("/stall 1.5", commands.Stall(1.5)),
        ("/stall 250ms", commands.Stall(0.25)),
        ("/stall 2m", commands.Stall(120.0)),
        ("/fragment 3 abc def", Say("abc def", "abc def", 3)),
        ("/raw 81 00", commands.RawBytes(b"\x81\x00")),
        ("/hex 0x01, 0xff 02", Say(b"\x01\xff\x02", "/hex 0x01, 0xff 02")),
        ("/b64 AAEC /w==", Say(b"\x00\x01\x02\xff", "/b64 AAEC /w==")),
        ("/file a b.json", commands.SayFile("a b.json", "text")),
        ("/file x.png", commands.SayFile("x.png", "bin")),
        ("/file x.png text", commands.SayFile("x.png", "text")),
        ("/file x y bin", commands.SayFile("x y", "bin")),
        ("/json {'a': True, 'b': None}", Say('{"a":true,"b":null}', '{"a":true,"b":null}')),
        ('/json {"é": 1.0}', Say('{"é":1.0}', '{"é":1.0}')),
        ("/msgpack [1, 2]", Say(msgspec.msgpack.encode([1, 2]), "/msgpack [1, 2]")),
        ("/repeat 5 hi there", commands.Repeat(5, 0.0, Say("hi there", "hi there"))),
        ("/repeat 5 /hex 00", commands.Repeat(5, 0.0, Say(b"\x00", "/hex 00"))),
        ("/repeat 5 //x", commands.Repeat(5, 0.0, Say("/x", "/x"))),
        ("/repeat 5 @bob hi", commands.Repeat(5, 0.0, Say("@bob hi", "@bob hi"))),
        ("/repeat 5 every 1s /fragment 3 /json {'a': 1}", commands.Repeat(5, 1.0, Say('{"a":1}', '{"a":1}', 3))),
        ("/fragment 3 /b64 AAEC", Say(b"\x00\x01\x02", "/b64 AAEC", 3)),
        ("/repeat 5 every 100ms hi", commands.Repeat(5, 0.1, Say("hi", "hi"))),
        ("/new", commands.New()),
        ("/new say", commands.New("say")),
        ("/edit", commands.Edit()),
        ("/edit draft", commands.Edit("draft")),
        ("/show", commands.Show()),
        ("/show 12", commands.Show(12)),
        ("/show #12 --hex", commands.Show(12, "hex")),
        ("/show --raw", commands.Show(None, "raw")),
        ("/last", commands.Show()),
        ("/last --raw", commands.Show(None, "raw")),
        ("/copy", commands.CopyMessage()),
        ("/copy 3", commands.CopyMessage(3)),
        ("/diff 3 #4", commands.Diff(3, 4)),
        ("/filter off", commands.Filter("")),
        ("/filter /a b/", commands.Filter("/a b/")),
        ("/only in", commands.Only("in")),
        ("/expect ok", commands.Expect("ok")),
        ("/expect ok within 500ms", commands.Expect("ok", 0.5)),
        ("/expect it is within reason", commands.Expect("it is within reason")),
        ("/save a b.wst", commands.Save("a b.wst")),
        ("/save x.jsonl", commands.Save("x.jsonl")),
        ("/replay x.jsonl", commands.Replay("x.jsonl")),
        ("/replay a b.wst max", commands.Replay("a b.wst", 0.0)),
        ("/replay x.jsonl 2x", commands.Replay("x.jsonl", 2.0)),
        ("/replay x.jsonl 0x", commands.Replay("x.jsonl 0x")),
        ("/open bob", commands.Open("bob")),
        ("/open bob /chat?user=bob", commands.Open("bob", "/chat?user=bob")),
        ("/use bob", commands.Use("bob")),
        (
            "/open bob talk room=='a b' Token:x",
            commands.Open("bob", "talk", Extras((("Token", "x"),), (("room", "a b"),))),
        ),
        ("/open bob user==bob", commands.Open("bob", "?", Extras(query=(("user", "bob"),)))),
        ("/connect /x?a==1", commands.ConnectTo("/x?a==1")),
        ("/connect", commands.ConnectTo()),
        ("/connect :9/x", commands.ConnectTo(":9/x")),
        ("/frames on", commands.Frames(on=True)),
        ("/frames off", commands.Frames(on=False)),
        ("/keys vi", commands.Keys("vi")),
        *((f"/{name}", Plain(name)) for name in ("drop", "reconnect", "routes", "pause", "status", "headers")),
        *((f"/{name}", Plain(name)) for name in ("clear", "trace", "quit")),
    ],
)
def test_a_command_is_read(line: str, command: commands.Command) -> None:
    assert parse_typed(line) == command


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/", "unknown command /: /help lists them, and // sends the line as it is"),
        ("/ status", "unknown command /: /help lists them, and // status sends the line as it is"),
        ("/nope", "unknown command /nope: /help lists them, and //nope sends the line as it is"),
        ("/Quit", "unknown command /Quit: "),
        ("/quit now", "/quit takes nothing after it; write /quit"),
        ("/ping x", "x is no number of pings up to 1000; write /ping [N]"),
        ("/ping 0", "0 is no number of pings"),
        ("/ping 1001", "1001 is no number of pings"),
        ("/pong " + "x" * 126, "a pong holds at most 125 bytes"),
        ("/close 1005", "1005 is no code that may be sent: 1000-1003, 1007-1014 or 3000-4999; write /close"),
        ("/close x", "x is no code that may be sent"),
        ("/close " + "9" * 50, "is no code that may be sent"),
        ("/close 1000 " + "é" * 62, "a close reason holds at most 123 bytes"),
        ("/stall", "nothing is no time such as 10s or 100ms; write /stall SECONDS"),
        ("/stall soon", "soon is no time"),
        ("/fragment 3", "the message is missing"),
        ("/fragment x abc", "x is no number of bytes"),
        ("/raw", "what to write is missing"),
        ("/hex 0", "these are not pairs of hexadecimal digits"),
        ("/hex", "what to send is missing"),
        ("/b64 *", "this is not base64"),
        ("/b64 é", "this is not base64"),
        ("/file", "the file is missing"),
        ("/json {", "this is not JSON: "),
        ("/json {1, 2}", "this has no form in JSON: "),
        ("/json NaN", "this has no form in JSON: "),
        ("/json", "what to send is missing"),
        ("/json 0x" + "f" * 5000, "this has no form in JSON: "),
        ('/json {"a":"\\ud800"}', "it holds half a character"),
        ('/msgpack {"a":"\\ud800"}', "this has no form in msgpack: "),
        ("/msgpack {", "this is not JSON: "),
        ("/msgpack 1j", "this has no form in msgpack: "),
        ("/repeat 5", "the message is missing"),
        ("/repeat 5 /ping 2", "/ping is no message; write /repeat N [every TIME] MSG"),
        ("/repeat 5 /nope", "unknown command /nope: "),
        ("/fragment 5 /hex 0", "these are not pairs of hexadecimal digits; write /hex HEX"),
        ("/repeat x hi", "x is no number up to 1000000"),
        ("/repeat 5 every x hi", "x is no time"),
        ("/show 1 2", "1 2 is more than one message"),
        ("/show x", "x is no message number"),
        ("/copy x", "x is no message number"),
        ("/diff 1", "two messages are needed"),
        ("/diff 1 x", "x is no message number"),
        ("/filter", "the pattern is missing"),
        ("/only up", "up is not one of in, out, all; write /only in|out|all"),
        ("/only", "nothing is not one of in, out, all"),
        ("/expect", "the pattern is missing"),
        ("/save x.txt", "x.txt is no file that ends in .wst or .jsonl"),
        ("/save", "nothing is no file that ends in"),
        ("/replay", "the file is missing"),
        ("/open", "nothing is no name of letters and digits"),
        ("/open bob talk room", "'room' is neither name==value nor Header:value"),
        ("/connect 'x", "a quotation mark is not closed"),
        ("/open 1x", "1x is no name of letters and digits"),
        ("/use", "the name is missing"),
        ("/frames", "nothing is not one of on, off"),
        ("/keys nano", "nano is not one of emacs, vi"),
    ],
)
def test_a_mistake_is_told_and_never_sent(line: str, why: str) -> None:
    command = parse_typed(line)
    assert isinstance(command, Mistake)
    assert why in command.message


def test_every_command_that_is_explained_can_be_typed() -> None:
    for usage in USAGES:
        command = parse_typed(f"/{usage.name}")
        assert not isinstance(command, Mistake) or "unknown" not in command.message
        for example in usage.details:
            assert not isinstance(parse_typed(example), Mistake)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello {",
        "{}",
        '{"a": "}"}',
        '{"a": "\\""}',
        "[1, {}]",
        "{]",  # no more text could mend it
        "}",
        "[]]",
        "//json {",
        "/show {",
        '/json {"a": 1}',
        "/expect {",
        "@bob hi",
        "/fragment {",
    ],
)
def test_enter_sends_what_is_complete(text: str) -> None:
    assert is_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a": "}',
        '{"a": "\\"}',
        "[1, {}",
        '{"a"\n:',
        "/json {",
        "/msgpack [",
        "@bob {",
        "@bob /json [",
        "/fragment 3 {",
        "/repeat 5 {",
        "/repeat 5 every 100ms {",
        "/repeat 5 /fragment 3 /json {",
    ],
)
def test_json_that_is_open_goes_on_in_the_next_line(text: str) -> None:
    assert not is_complete(text)
