"""What a program gets to read: payloads alone, or every event as JSON, written piece by piece."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from lihil_cli.wstest import jsonl
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.handshake import Refusal

Write = Callable[[bytes], object]

_PIECE = 2**20
_HEX_PIECE = 2**18


class Output(Protocol):
    """Somebody who is told what happens. Each may raise OSError, when the reader has gone or the disk is full."""

    def opened(self, t: float, url: str, subprotocol: str | None, connect_s: float) -> None: ...

    def sent(self, t: float, payload: str | bytes) -> None: ...

    def received(self, t: float, payload: str | bytes, number: int) -> None: ...

    def ponged(self, t: float, rtt_s: float) -> None: ...

    def closed(self, t: float, event: Closed) -> None: ...

    def refused(self, t: float, refusal: Refusal) -> None: ...


class EventOutput:
    """Every event as a line of JSON."""

    def __init__(self, write: Write, *, with_json: bool = False) -> None:
        self._write = write
        self._with_json = with_json

    def opened(self, t: float, url: str, subprotocol: str | None, connect_s: float) -> None:
        self._write(jsonl.open_event(t, url, subprotocol=subprotocol, connect_s=connect_s))

    def sent(self, t: float, payload: str | bytes) -> None:
        self._write_all(jsonl.send_event(t, payload))

    def received(self, t: float, payload: str | bytes, number: int) -> None:
        self._write_all(jsonl.recv_event(t, payload, number, with_json=self._with_json))

    def ponged(self, t: float, rtt_s: float) -> None:
        self._write(jsonl.pong_event(t, rtt_s))

    def closed(self, t: float, event: Closed) -> None:
        self._write(jsonl.close_event(t, event))

    def refused(self, t: float, refusal: Refusal) -> None:
        self._write(jsonl.refused_event(t, refusal))

    def _write_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._write(piece)


FORMS = ("plain", "json", "raw", "hex")


class PayloadOutput:
    """The payloads that arrive, and nothing else.

    `plain`: the text as it came, or a binary message as hexadecimal digits, and a newline. `json`: each message as one
    line of JSON, a text that is none as a JSON string. `raw`: the bytes alone. `hex`: digits for texts too.
    """

    def __init__(self, write: Write, form: str = "plain") -> None:
        self._write = write
        self._pieces = _FORMS[form]

    def received(self, t: float, payload: str | bytes, number: int) -> None:
        for piece in self._pieces(payload):
            self._write(piece)

    def opened(self, t: float, url: str, subprotocol: str | None, connect_s: float) -> None: ...

    def sent(self, t: float, payload: str | bytes) -> None: ...

    def ponged(self, t: float, rtt_s: float) -> None: ...

    def closed(self, t: float, event: Closed) -> None: ...

    def refused(self, t: float, refusal: Refusal) -> None: ...


def _raw(payload: str | bytes) -> Iterator[bytes]:
    if isinstance(payload, bytes):
        yield payload
    elif len(payload) <= _PIECE:
        yield payload.encode()
    else:
        for start in range(0, len(payload), _PIECE):
            yield payload[start : start + _PIECE].encode()


def _hex(payload: str | bytes) -> Iterator[bytes]:
    for piece in _raw(payload):
        for start in range(0, len(piece), _HEX_PIECE):
            yield piece[start : start + _HEX_PIECE].hex().encode()
    yield b"\n"


def _plain(payload: str | bytes) -> Iterator[bytes]:
    if isinstance(payload, bytes):
        yield from _hex(payload)
    else:
        yield from _raw(payload)
        yield b"\n"


def _json(payload: str | bytes) -> Iterator[bytes]:
    value = jsonl.json_of(payload)
    if value is not None:
        yield jsonl.dump(value[0]).encode()
    else:
        yield json.dumps(payload if isinstance(payload, str) else payload.hex()).encode()
    yield b"\n"


_FORMS: dict[str, Callable[[str | bytes], Iterator[bytes]]] = {
    "plain": _plain,
    "json": _json,
    "raw": _raw,
    "hex": _hex,
}
