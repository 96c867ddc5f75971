import json

import pytest

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.handshake import Refusal
from lihil_cli.wstest.output import EventOutput, Output, PayloadOutput


def tell_everything(output: Output, payload: str | bytes = "hi") -> None:
    output.opened(0.1, "ws://h/", None, 0.1)
    output.sent(0.2, payload)
    output.received(0.3, payload, 1)
    output.ponged(0.4, 0.1)
    output.refused(0.5, Refusal("ws://h/", 403, "", [], b""))
    output.closed(0.6, Closed(1000))


@pytest.mark.parametrize(
    ("form", "payload", "written"),
    [
        ("plain", "hi", b"hi\n"),
        ("plain", "a\nb", b"a\nb\n"),
        ("plain", "\x1b[2Jü", b"\x1b[2J\xc3\xbc\n"),
        ("plain", b"\x00\xff", b"00ff\n"),
        ("plain", "", b"\n"),
        ("json", '{"a": 1,\n "b": "\\u043c"}', '{"a":1,"b":"м"}\n'.encode()),
        ("json", "no json", b'"no json"\n'),
        ("json", b"\x00\xff", b'"00ff"\n'),
        ("raw", "hi", b"hi"),
        ("raw", b"\x00\xff", b"\x00\xff"),
        ("hex", "hi", b"6869\n"),
        ("hex", b"\x00\xff", b"00ff\n"),
    ],
)
def test_a_program_gets_the_payloads_alone(form: str, payload: str | bytes, written: bytes) -> None:
    out = bytearray()
    tell_everything(PayloadOutput(out.extend, form), payload)
    assert bytes(out) == written


def test_a_large_message_is_written_in_pieces() -> None:
    pieces: list[bytes] = []
    PayloadOutput(pieces.append).received(0, "é" * 3 * 2**20, 1)
    assert max(map(len, pieces)) == 2**21
    assert b"".join(pieces) == ("é" * 3 * 2**20 + "\n").encode()


@pytest.mark.parametrize("with_json", [True, False])
def test_every_event_is_a_line(with_json: bool) -> None:
    out = bytearray()
    tell_everything(EventOutput(out.extend, with_json=with_json), "1")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["ev"] for event in events] == ["open", "send", "recv", "pong", "refused", "close"]
    assert [event.get("json") for event in events if event["ev"] == "recv"] == [1 if with_json else None]
