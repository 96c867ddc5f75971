import json

import pytest

from lihil_cli.wstest.repl.events import Copy, InputEnded, Tick, WriteFile
from tests.lihil_cli.wstest.repl.conftest import Bench


def test_a_message_is_shown_whole_again(bench: Bench) -> None:
    bench.receive("\n".join(map(str, range(30))))
    bench.shown.clear()
    bench.type("/show 1")
    assert bench.shown[-1] == "  29"
    bench.type("/last --hex")
    rows = bench.shown
    assert rows[0] == "#1 00:00:00.000 ‹ binary, 79 bytes"
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/show", "there is no message #1: none has arrived yet"),
        ("/copy 3", "there is no message #3: none has arrived yet"),
        ("/diff 1 2", "there is no message #1: none has arrived yet"),
    ],
)
def test_a_message_that_never_came_is_told(bench: Bench, line: str, why: str) -> None:
    assert bench.type(line) == []
    assert bench.shown == [f"✗ {why}"]


def test_a_message_that_is_not_kept_any_longer_is_told(bench: Bench) -> None:
    bench.receive("a")
    bench.shown.clear()
    bench.screen.clear()
    bench.type("/show 2")
    bench.log.close()
    bench.type("/show 1")
    bench.desk.log._steps.clear()
    bench.type("/show 1")
    assert bench.shown == [
        *("✗ there is no message #2: the last one is #1", "✗ #1 is not kept any longer", "✗ #1 is not kept any longer")
    ]


def test_a_message_is_copied(bench: Bench) -> None:
    bench.receive("text")
    bench.receive(b"\x00\xff")
    assert bench.type("/copy 1") == [Copy("text")]
    assert bench.type("/copy") == [Copy("00ff")]


def test_what_differs_between_two_messages_is_shown_by_lines(bench: Bench) -> None:
    bench.receive('{"a":1,"b":2}')
    bench.receive('{"a":1,"b":3}')
    bench.receive('{"a":1,"b":3}')
    bench.shown.clear()
    bench.screen.clear()
    bench.type("/diff 1 2")
    assert bench.shown == [
        *("  ×2 · #2 to #3 are the same", "  --- #1", "  +++ #2", "  @@ -1,4 +1,4 @@", "   {"),
        *('     "a": 1,', '  -  "b": 2', '  +  "b": 3', "   }"),
    ]
    bench.type("/diff 2 3")
    bench.type("/diff 2 9")
    assert bench.shown == ["  they are the same", "✗ there is no message #9: the last one is #3"]


def test_a_filter_shows_what_matches_and_keeps_the_rest(bench: Bench) -> None:
    bench.type('/filter {"type":"said"}')
    bench.receive('{"type":"left"}')
    bench.receive('{"type":"said","text":"hi"}')
    bench.type("/filter off")
    bench.type("/filter {")
    rows = bench.shown
    assert rows[:3] == [
        '  only what matches {"type":"said"} is shown; everything is kept',
        '#2 00:00:00.000 +0.0s ‹ {"type":"said","text":"hi"}',
        "  everything is shown",
    ]
    assert rows[3].startswith("✗ '{' is no pattern: ")
    bench.type("/show 1")
    assert bench.shown == ['#1 00:00:00.000 ‹ {"type":"left"}']


def test_one_direction_can_be_hidden(bench: Bench) -> None:
    bench.type("/only in")
    bench.type("hello")
    bench.type("/only out")
    bench.type("hello")
    bench.receive("hi")
    bench.type("/only all")
    assert bench.shown == [
        "  what arrives is shown",
        "  what is sent is shown",
        "› hello",
        "  both directions are shown",
    ]


def test_a_pause_hides_what_arrives(bench: Bench) -> None:
    bench.type("/pause")
    bench.receive("a")
    assert bench.repl.live == "paused · 1 more"
    bench.type("/pause")
    assert bench.shown == [
        "  paused: what arrives is kept and not shown; /pause again goes on",
        "  going on; 1 arrived meanwhile: /show 1 and so on shows them",
    ]


def test_what_is_expected_and_comes_is_told(bench: Bench) -> None:
    bench.type('/expect {"type": "said", "from": <int>, ...}')
    bench.receive("other")
    bench.receive('{"type":"said","from":2,"text":"hi"}')
    assert bench.shown[-1] == "✓ #2 is as expected"
    bench.type("/quit")
    bench.close(1000)
    assert bench.code == 0


def test_what_is_expected_and_does_not_come_is_told_and_makes_the_exit_code_1(bench: Bench) -> None:
    bench.type("/expect /^hi/ within 1s")
    bench.receive("HI 1")
    bench.shown.clear()
    bench.screen.clear()
    assert bench.repl.wake_at == pytest.approx(0.25)
    bench.do(Tick(), 1.0)
    (told,) = bench.shown
    assert told.startswith("✗ nothing came that matches /^hi/; the last message: ")
    bench.type("/expect /^ho/ within 1s")
    bench.do(Tick(), 1.0)
    assert "✗ nothing came that matches /^ho/" in bench.shown[0]
    bench.type("/quit")
    bench.close(1000)
    assert bench.code == 1


def test_what_is_still_expected_when_the_connection_ends_has_not_come(bench: Bench) -> None:
    bench.type("/expect /^hi/")
    bench.receive("HI 1")
    bench.shown.clear()
    bench.do(InputEnded())
    bench.close(1000)
    assert bench.shown[-1].startswith("✗ nothing came that matches /^hi/ before the end; the last message: ")
    assert bench.code == 1


def test_what_is_expected_of_a_connection_that_is_not_opened_again_has_not_come(bench: Bench) -> None:
    bench.type("/drop")
    bench.lose()
    bench.type("/expect hi")
    assert bench.code is None
    bench.type("/quit")
    assert bench.shown[-1] == "✗ nothing came that matches hi before the end"
    assert bench.code == 1


def test_what_is_expected_of_one_of_several_is_missed_when_that_one_ends(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    bench.type("/expect hi")
    bench.type("@ws /expect ho")
    bench.close(1012, "reload", peer="bob")  # it may still come, once bob is back
    bench.open("bob")
    bench.shown.clear()
    bench.close(1000, peer="bob")
    assert bench.shown[-1] == "✗ nothing came that matches hi before the end"
    bench.receive("ho", peer="ws")
    assert bench.shown == ["#1 00:00:00.000 ws ‹ ho", "✓ #1 is as expected"]
    bench.close(1000)
    assert bench.code == 1


def test_an_expectation_belongs_to_its_connection(bench: Bench) -> None:
    bench.type("/open bob")
    bench.open("bob")
    bench.type("/expect hi")
    bench.shown.clear()
    bench.screen.clear()
    bench.receive("hi", peer="ws")
    bench.receive("hi", peer="bob")
    assert bench.shown[-1] == "✓ #2 is as expected"


def test_a_pattern_that_is_none_is_told(bench: Bench) -> None:
    assert bench.type("/expect {") == []
    assert bench.shown[0].startswith("✗ '{' is no pattern: ")


def test_a_record_is_saved_with_everything_that_happened(bench: Bench) -> None:
    bench.type("hi")
    bench.receive("hi", after=0.5)
    bench.receive(b"\x00\x01\x02", after=0.5)
    bench.type("/ping")
    bench.pong(0.00031)
    (action,) = bench.type("/save out/x.jsonl")
    assert isinstance(action, WriteFile)
    assert (action.path, action.done) == ("out/x.jsonl", "saved 3 steps")
    assert [json.loads(line) for line in action.text.splitlines()] == [
        {
            "t": 0.0,
            "ev": "open",
            "url": "ws://127.0.0.1:8000/chat",
            "status": 101,
            "subprotocol": None,
            "connect_ms": 3.8,
        },
        {"t": 0.0, "ev": "send", "kind": "text", "data": "hi"},
        {"t": 0.5, "ev": "recv", "n": 1, "kind": "text", "data": "hi"},
        {"t": 1.0, "ev": "recv", "n": 2, "kind": "binary", "b64": "AAEC", "len": 3},
        {"t": 1.0, "ev": "pong", "rtt_ms": 0.31},
    ]
