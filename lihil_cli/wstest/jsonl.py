"""The events of a conversation as JSON, one a line: what `-o jsonl` prints and what `--record` keeps.

A message comes in pieces, so that a large one is never there twice.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from lihil_cli.console import UNSAFE
from lihil_cli.wstest.closing import LOST, Closed
from lihil_cli.wstest.network.handshake import Refusal

_PIECE = 3 * 2**18  # characters or bytes; a multiple of 3, so that pieces of base64 fit together


def open_event(t: float, url: str, *, subprotocol: str | None, connect_s: float) -> bytes:
    """The handshake is done. Times are seconds since the beginning."""
    return encode(t, "open", url=url, status=101, subprotocol=subprotocol, connect_ms=round(connect_s * 1000, 2))


def send_event(t: float, payload: str | bytes) -> Iterator[bytes]:
    """One message went out."""
    return _message(encode(t, "send"), payload, "")


def recv_event(t: float, payload: str | bytes, number: int, *, with_json: bool = False) -> Iterator[bytes]:
    """One message came in, the `number`th; with its JSON value where it is one and that is asked for."""
    value = json_of(payload) if with_json else None
    return _message(encode(t, "recv", n=number), payload, "" if value is None else f',"json":{dump(value[0])}')


def pong_event(t: float, rtt_s: float) -> bytes:
    """The answer to our ping."""
    return encode(t, "pong", rtt_ms=round(rtt_s * 1000, 3))


def close_event(t: float, closed: Closed) -> bytes:
    """The connection is over; it ended cleanly when both sides said so (RFC 6455, section 7.1.4)."""
    clean = closed.code != LOST and closed.by != "nobody"
    return encode(t, "close", code=closed.code, reason=closed.reason, by=closed.by, clean=clean)


def refused_event(t: float, refusal: Refusal) -> bytes:
    """The handshake was answered with another status."""
    headers = [list(header) for header in refusal.headers]
    return encode(t, "refused", status=refusal.status, headers=headers, body=refusal.body.decode("utf-8", "replace"))


def encode(t: float, kind: str, **more: Any) -> bytes:
    """One event as a line."""
    return dump({"t": round(t, 4), "ev": kind, **more}).encode() + b"\n"


def dump(value: Any) -> str:
    """JSON as short as it gets, readable in every script; what a terminal would act on is escaped, as JSON allows."""
    return _escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def json_of(payload: str | bytes) -> tuple[Any] | None:
    """The JSON value in a message, in a tuple of one because it may be null; None where it is no JSON."""
    try:
        return (json.loads(payload),)
    except (ValueError, RecursionError):
        return None


def _message(head: bytes, payload: str | bytes, tail: str) -> Iterator[bytes]:
    yield head.removesuffix(b"}\n")
    if isinstance(payload, bytes):
        yield b',"kind":"binary","b64":"'
        for start in range(0, len(payload), _PIECE):
            yield b64encode(payload[start : start + _PIECE])
        yield f'","len":{len(payload)}{tail}}}\n'.encode()
        return
    yield b',"kind":"text","data":"'
    for start in range(0, len(payload), _PIECE):
        yield dump(payload[start : start + _PIECE])[1:-1].encode()
    yield f'"{tail}}}\n'.encode()


def _escaped(text: str) -> str:
    return UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
