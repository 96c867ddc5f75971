import json

import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.jsonl import close_event, open_event, pong_event, recv_event, send_event
from lihil_cli.wstest.pattern import value_pattern
from lihil_cli.wstest.steps import Expect, Leave, Measure, Say, Sleep, Step, parse_speed, read_step, steps_of_record


@pytest.mark.parametrize(
    ("record", "framing", "is_binary", "step"),
    [
        (b"hi", "lines", False, Say("hi")),
        (b"{}", "lines", False, Say("{}")),
        ("мир".encode(), "nul", False, Say("мир")),
        (b"\xff", "lines", True, Say(b"\xff")),
        (b'{"text": "hi"}', "jsonl", False, Say("hi")),
        ('{"json": {"a": "мир"}}'.encode(), "jsonl", False, Say('{"a":"мир"}')),
        (b'{"json": null}', "jsonl", False, Say("null")),
        (b'{"b64": "AAEC"}', "jsonl", False, Say(b"\x00\x01\x02")),
        (b'{"ping": ""}', "jsonl", False, Measure()),
        (b'{"ping": "x"}', "jsonl", False, Measure(b"x")),
        (b'{"close": 4000, "reason": "bye"}', "jsonl", False, Leave(4000, "bye")),
        (b'{"close": null}', "jsonl", False, Leave()),
        (b'{"sleep": 0.5}', "jsonl", False, Sleep(0.5)),
        (b'{"expect": {"a": 1}}', "jsonl", False, Expect(value_pattern({"a": 1}))),
        (b'{"expect": "/x/", "within": 2}', "jsonl", False, Expect(value_pattern("/x/"), 2.0)),
    ],
)
def test_a_record_of_the_input_is_a_step(record: bytes, framing: str, is_binary: bool, step: Step) -> None:
    assert read_step(record, framing, is_binary=is_binary) == step


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"nonsense", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"{}", "one of the keys text, json, b64, ping, close, sleep, expect"),
        (b'{"text": "a", "json": 1}', "one of the keys"),
        (b'{"text": 1}', '"text" takes a text'),
        (b'{"b64": "?"}', "base64"),
        (b'{"b64": 1}', "base64"),
        (b'{"ping": "' + b"x" * 126 + b'"}', "at most 125 bytes"),
        (b'{"close": 1006}', "a code that may be sent"),
        (b'{"close": true}', "a code that may be sent"),
        (b'{"close": 1000, "reason": 1}', "at most 123 bytes"),
        (b'{"close": 1000, "reason": "' + b"x" * 124 + b'"}', "at most 123 bytes"),
        (b'{"sleep": -1}', "a number of seconds"),
        (b'{"sleep": true}', "a number of seconds"),
        (b'{"sleep": "1"}', "a number of seconds"),
        (b'{"expect": "/(/"}', "this regex is wrong"),
        (b'{"text": "\\ud800"}', "half of a character"),
        (b'{"json": ["\\ud800"]}', "half of a character"),
        (b'{"ping": "\\ud800"}', "half of a character"),
        (b'{"close": 1000, "reason": "\\ud800"}', "half of a character"),
        (b'{"json": NaN}', "no JSON"),
        (b'{"json": [1e999]}', "no JSON"),
        (b'{"json": ' + b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_step_is_told(record: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_step(record, "jsonl", is_binary=False)


def test_text_that_is_no_text_is_told() -> None:
    with pytest.raises(ValueError, match=r"not UTF-8.*--binary"):
        read_step(b"\xff", "lines", is_binary=False)


RECORD = [
    open_event(0.5, "ws://h/", subprotocol=None, connect_s=0.5),
    b"".join(send_event(1.0, "a")),
    b"".join(recv_event(1.1, "b", 1)),
    b"\n",
    b"".join(send_event(2.0, b"\x00")),
    pong_event(2.1, 0.1),
    close_event(3.0, Closed(4000, "bye", "client")),
]


def test_a_record_is_replayed_at_its_pace_or_another() -> None:
    done = [Say("a"), Say(b"\x00"), Leave(4000, "bye")]
    assert list(steps_of_record(RECORD, None)) == done
    pauses = [step for step in steps_of_record(RECORD, 2.0) if isinstance(step, Sleep)]
    assert pauses == [Sleep(0.25), Sleep(0.5), Sleep(0.5)]
    assert list(steps_of_record(RECORD, 2.0))[1::2] == done


def test_a_close_of_the_server_or_a_lost_connection_is_not_replayed() -> None:
    ends = [close_event(1.0, Closed(1000)), close_event(1.0, Closed(1006, "", "nobody"))]
    assert list(steps_of_record(ends, None)) == []


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "1",
        "{}",
        '{"ev": "send", "t": 1}',
        json.dumps({"ev": "send", "t": "x"}),
        '{"ev": "send", "t": 1e999, "kind": "text", "data": "a"}',
        "[" * 100_000,
        json.dumps({"ev": "send", "t": 1, "kind": "text", "data": "\ud800"}),
        json.dumps({"ev": "close", "t": 1, "by": "client", "code": 1000, "reason": "x" * 124}),
    ],
)
def test_what_is_no_record_is_told_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no event of a record"):
        list(steps_of_record(["", line], None))


def test_a_speed_is_a_factor_or_max() -> None:
    assert [parse_speed(text) for text in ("1x", "2", "0.5x", "max")] == [1.0, 2.0, 0.5, None]


@pytest.mark.parametrize("text", ["", "fast", "0x", "-1x", "infx", "nan"])
def test_what_is_no_speed_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no speed"):
        parse_speed(text)
