import json

import pytest

from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.events import Closed, Reloaded, Tick, Traced, WriteFile
from lihil_cli.wstest.repl.transcript import parse_transcript
from lihil_cli.wstest.script.parse import parse_script
from tests.lihil_cli.wstest.repl.conftest import URL, Bench, MakeBench


def saved(bench: Bench, path: str) -> str:
    (action,) = bench.type(f"/save {path}")
    assert isinstance(action, WriteFile)
    return action.text


def test_a_session_becomes_a_script(bench: Bench) -> None:
    bench.type('{"type":"say","text":"hi"}')
    bench.type('/expect {"type":"said","from":<int>, ...}')
    bench.receive('{"type":"said","from":7,"text":"hi"}')
    bench.type("/hex 00 ff")
    bench.receive("plain")
    bench.type("/ping")
    bench.pong(0.001)
    bench.type("/connect /other")
    bench.do(Closed("ws", 1000, by="client"))
    bench.shown.clear()
    text = saved(bench, "say.wst")
    assert text.splitlines() == [
        *("@target /chat", '> {"type":"say","text":"hi"}', '< {"type":"said","from":<int>, ...}', "> hex: 00 ff"),
        *("< plain", "> close 1000", "< close 1000"),
    ]
    assert parse_script(text).clients == ("",)


def test_several_connections_have_their_names_in_the_script(make_bench: MakeBench) -> None:
    bench = make_bench(Setup(URL, headers=(("Authorization", "Bearer abc"),)))
    bench.open()
    bench.type("/open bob /chat Room:blue")
    bench.open("bob")
    bench.type("@bob hi")
    bench.receive("hi", peer="ws")
    bench.close(1003, "text only", peer="bob")
    bench.lose("ws")
    text = saved(bench, "say.wst")
    assert text.splitlines() == [
        "@client ws /chat [Authorization: ${AUTHORIZATION}]",
        "@client bob /chat [Authorization: ${AUTHORIZATION}] [Room: blue]",
        *("bob> hi", "ws< hi", 'bob< close 1003 "text only"'),
    ]
    assert parse_script(text).clients == ("ws", "bob")


def test_the_subprotocols_and_the_origin_are_in_the_script(make_bench: MakeBench) -> None:
    offers = (("Sec-WebSocket-Protocol", "a, b"), ("Origin", "https://h"))
    bench = make_bench(Setup(URL, headers=(("X", "1"),), offers=offers))
    bench.open()
    text = saved(bench, "say.wst")
    assert text == "@client main /chat [Sec-WebSocket-Protocol: a, b] [Origin: https://h] [X: 1]\n"
    parse_script(text)


def test_a_connection_that_is_opened_again_is_closed_before_in_the_script(bench: Bench) -> None:
    """As far as a script can: nobody drops, loses or reloads there, so it closes."""
    bench.type("/drop")
    bench.lose()
    bench.type("/reconnect")
    bench.open()
    bench.type("/reconnect")
    bench.do(Closed("ws", 1000, by="client"))
    bench.open()
    bench.lose()
    bench.do(Tick(), 1.0)
    bench.open()
    bench.close(1012, "reload")
    bench.do(Reloaded(2))
    bench.open()
    bench.close(1001)
    bench.do(Tick(), 1.0)
    bench.open()
    bench.close(1011)
    bench.do(Traced("ws"))
    bench.type("/reconnect")
    bench.open()
    bench.type("/open bob")
    bench.open("bob")
    bench.do(Closed("ws", 1009, "over 8 MiB", by="client"))  # not what anybody asked for
    text = saved(bench, "x.wst")
    assert text.splitlines() == [
        *("@client ws /chat", "ws> close 1000", "ws< close"),
        *("@connect ws /chat", "ws> close 1000", "ws< close 1000"),
        *("@connect ws /chat", "ws> close 1000", "ws< close") * 3,
        *("@connect ws /chat", "ws< close 1011", "@connect ws /chat", "@client bob /chat"),
        'ws< close 1009 "over 8 MiB"',
    ]
    bench.close(1012, "reload", peer="bob")  # and is not opened again
    assert saved(bench, "x.wst") == text
    assert parse_script(text).clients == ("ws", "bob")


def test_what_is_not_kept_any_longer_is_not_in_the_script(bench: Bench) -> None:
    bench.receive("a")
    bench.log.close()
    assert saved(bench, "x.wst") == "@client main /chat\n"


def test_a_record_names_the_connections_where_there_are_several(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    bench.type("hi")
    bench.do(Closed("bob", 4001, "kicked"))
    events = [json.loads(line) for line in saved(bench, "x.jsonl").splitlines()]
    assert [event["peer"] for event in events] == ["ws", "bob", "bob", "bob"]
    assert events[-1] == {
        "t": 0.0,
        "ev": "close",
        "code": 4001,
        "reason": "kicked",
        "by": "server",
        "clean": True,
        "peer": "bob",
    }


def test_an_empty_record_has_no_lines(make_bench: MakeBench) -> None:
    assert saved(make_bench(), "x.jsonl") == ""


def test_what_was_forgotten_is_told(bench: Bench) -> None:
    bench.log.forgotten = 7
    (action,) = bench.type("/save x.jsonl")
    assert isinstance(action, WriteFile)
    assert action.done == "saved 0 steps; 7 older ones are not kept any longer"


def test_the_messages_of_a_script_are_sent_again_one_after_the_other() -> None:
    script = '@target /chat\n> one\n< ...\n@repeat 2 {\n> hex: 00\n}\n> close 1000\n> {"a": 1}\n'
    assert parse_transcript(script, "x.wst") == [(0.0, "one"), (0.0, b"\x00"), (0.0, b"\x00"), (0.0, '{"a": 1}')]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@target /x\n>> nonsense\n@nope\n", "line 3: "),
        ("@target /x\n> {\n", "line 3: "),
        ("@target /x\n> hi ${name_that_nobody_knows}\n", "is known only while the script runs"),
    ],
)
def test_a_script_that_cannot_be_sent_again_is_told(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"line|known") as told:
        parse_transcript(text, "x.wst")
    assert why in str(told.value)


def test_a_record_that_is_none_is_told_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2 is no event of a record"):
        parse_transcript('{"t":0,"ev":"open"}\n5\n', "x.jsonl")


def test_in_a_record_what_is_not_kept_any_longer_is_empty(bench: Bench) -> None:
    bench.receive("a")
    bench.receive(b"b")
    bench.log.close()
    events = [json.loads(line) for line in saved(bench, "x.jsonl").splitlines()]
    assert [event.get("data", event.get("b64")) for event in events] == [None, "", ""]


def test_only_the_messages_of_a_record_are_sent_again() -> None:
    events = (
        {"t": 0.0, "ev": "open", "url": URL, "status": 101},
        {"t": 1.0, "ev": "send", "kind": "text", "data": "h\u2028i\u0085"},
        {"t": 2.0, "ev": "close", "code": 1000, "reason": "", "by": "client", "clean": True},
    )
    text = "\r\n".join(json.dumps(event, ensure_ascii=False) for event in events)
    assert parse_transcript(text, "x.jsonl") == [(1.0, "h\u2028i\u0085")]
