"""An HTTP answer read off the wire: its head, and as much of its body as is worth showing."""

import asyncio
from contextlib import suppress

from lihil_cli.wstest.network.handshake import HungUpError
from lihil_cli.wstest.network.wire import Wire
from lihil_cli.wstest.protocol import Head, find_head, parse_response

MAX_BODY_BYTES = 65_536
_BODY_WAIT_S = 2.0
_MAX_INTERIM = 8
_MAX_CHUNK_LINE_BYTES = 1024


async def read_head(wire: Wire) -> Head:
    """The final answer's head; what came behind it is left on the wire.

    Interim answers (1xx but 101) are passed over (RFC 9110, section 15.2), a few of them. Raises HeadError for bytes
    that are no head or too many, and HungUpError.
    """
    received = b""
    for _ in range(_MAX_INTERIM):
        while not (end := find_head(received)):
            data = await wire.read()
            if not data:
                raise HungUpError
            received += data
        head = parse_response(received[:end])
        received = received[end:]
        if head.status == 101 or head.status >= 200:
            break
    wire.unread(received)
    return head


async def read_body(wire: Wire, head: Head) -> bytes:
    """The body of a refusal: at most MAX_BODY_BYTES, and what has come within two seconds."""
    body = bytearray()
    with suppress(TimeoutError, ValueError):
        async with asyncio.timeout(_BODY_WAIT_S):
            if "chunked" in [token.lower() for token in head.tokens(b"transfer-encoding")]:
                await _read_chunks(wire, body)
            else:
                await _read_plain(wire, body, _length_of(head))
    return bytes(body[:MAX_BODY_BYTES])


def _length_of(head: Head) -> int:
    """The announced length, or all that is taken where none, or nonsense, is announced (RFC 9112, section 6.3)."""
    [first, *_] = [*head.all(b"content-length"), ""]
    return min(int(first), MAX_BODY_BYTES) if first.isascii() and first.isdigit() else MAX_BODY_BYTES


async def _read_plain(wire: Wire, body: bytearray, length: int) -> None:
    while len(body) < length and (data := await wire.read()):
        body += data
    del body[length:]


async def _read_chunks(wire: Wire, body: bytearray) -> None:
    """Raises ValueError for what is no chunk (RFC 9112, section 7.1); trailers are not read."""
    rest = b""
    while len(body) < MAX_BODY_BYTES:
        while b"\r\n" not in rest:
            data = await wire.read()
            if not data or len(rest) > _MAX_CHUNK_LINE_BYTES:
                return
            rest += data
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.partition(b";")[0].strip(), 16)
        if size <= 0:
            return
        missing = size - len(rest)
        body += rest[:size]
        rest = rest[size:]
        while missing > 0 and len(body) < MAX_BODY_BYTES:
            if not (data := await wire.read()):
                return
            body += data[:missing]
            rest, missing = data[max(missing, 0) :], missing - len(data)
        while len(rest) < 2:
            if not (data := await wire.read()):
                return
            rest += data
        rest = rest.removeprefix(b"\r\n")
