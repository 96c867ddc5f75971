import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.console import escape_terminal
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.jsonl import (
    close_event,
    dump,
    json_of,
    open_event,
    pong_event,
    recv_event,
    refused_event,
    send_event,
)
from lihil_cli.wstest.network.handshake import Refusal


def read(*pieces: bytes) -> Any:
    line = b"".join(pieces)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return json.loads(line)


def test_the_events_are_those_that_are_documented() -> None:
    assert read(open_event(0.00412, "ws://h/", subprotocol="chat", connect_s=0.0041)) == {
        "t": 0.0041,
        "ev": "open",
        "url": "ws://h/",
        "status": 101,
        "subprotocol": "chat",
        "connect_ms": 4.1,
    }
    assert read(*send_event(1, "hi")) == {"t": 1, "ev": "send", "kind": "text", "data": "hi"}
    assert read(*recv_event(1, '{"a":1}', 2)) == {"t": 1, "ev": "recv", "n": 2, "kind": "text", "data": '{"a":1}'}
    assert read(*recv_event(1, b"\x00\x01\x02", 2)) == {
        "t": 1,
        "ev": "recv",
        "n": 2,
        "kind": "binary",
        "b64": "AAEC",
        "len": 3,
    }
    assert read(pong_event(1.2, 0.00031)) == {"t": 1.2, "ev": "pong", "rtt_ms": 0.31}
    assert read(close_event(2, Closed(4001, "kicked"))) == {
        "t": 2,
        "ev": "close",
        "code": 4001,
        "reason": "kicked",
        "by": "server",
        "clean": True,
    }
    refusal = Refusal("ws://h/", 401, "Unauthorized", [("server", "x")], b'{"a":1}')
    assert read(refused_event(0.003, refusal)) == {
        "t": 0.003,
        "ev": "refused",
        "status": 401,
        "headers": [["server", "x"]],
        "body": '{"a":1}',
    }


def test_a_lost_connection_did_not_end_cleanly() -> None:
    assert read(close_event(2, Closed(1006, "", "nobody")))["clean"] is False


@pytest.mark.parametrize(("payload", "value"), [('{"a":1}', {"a": 1}), ("null", None), (b"[1]", [1])])
def test_the_json_value_of_a_message_can_be_had(payload: str | bytes, value: object) -> None:
    assert read(*recv_event(1, payload, 1, with_json=True))["json"] == value


def test_a_message_that_is_no_json_has_no_value() -> None:
    assert "json" not in read(*recv_event(1, "no", 1, with_json=True))
    assert json_of("[" * 100_000) is None


@given(st.text(st.characters(), max_size=50))
def test_every_text_survives_and_none_does_anything_to_a_terminal(text: str) -> None:
    line = b"".join(send_event(1, text))
    assert read(line)["data"] == text
    assert escape_terminal(line.decode()) == line.decode()
    assert json.loads(dump({text: text})) == {text: text}


@pytest.mark.parametrize("payload", ["é" * 2_000_000, bytes(range(256)) * 8000])
def test_a_large_message_comes_in_pieces(payload: str | bytes) -> None:
    pieces = list(send_event(1, payload))
    assert max(map(len, pieces)) < 2 * 2**20
    event = read(*pieces)
    assert (event["data"] if isinstance(payload, str) else b64decode(event["b64"])) == payload
