import asyncio
from collections.abc import Sequence

import pytest

from lihil_cli.wstest.network import answer
from lihil_cli.wstest.network.answer import MAX_BODY_BYTES, read_body, read_head
from lihil_cli.wstest.network.handshake import HungUpError
from lihil_cli.wstest.network.wire import Wire
from lihil_cli.wstest.protocol import HeadError


def read(*pieces: bytes, ends: bool = True) -> tuple[int, bytes]:
    """Status and body of an answer that comes in these pieces, each by itself."""

    async def run() -> tuple[int, bytes]:
        wire = Wire()

        async def feed() -> None:
            for piece in pieces:
                wire.data_received(piece)
                await asyncio.sleep(0)
            if ends:
                wire.eof_received()

        feeding = asyncio.ensure_future(feed())
        head = await read_head(wire)
        body = await read_body(wire, head)
        await feeding
        return head.status, body

    return asyncio.run(run())


def bytewise(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


CHUNKED = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (b"HTTP/1.1 403 No\r\n\r\nno entry", 403, b"no entry"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno entry", 403, b"no"),
        (b"HTTP/1.1 403 No\r\nContent-Length: x\r\n\r\nno entry", 403, b"no entry"),
        (b"HTTP/1.1 204 None\r\nContent-Length: 0\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 403 No\r\n\r\nno", 403, b"no"),
        (CHUNKED + b"2\r\nno\r\n6;x=1\r\n entry\r\n0\r\n\r\n", 403, b"no entry"),
        (CHUNKED + b"2\r\nno\r\nnonsense\r\n", 403, b"no"),
        (CHUNKED + b"20\r\nno", 403, b"no"),
        (CHUNKED + b"2\r\nno", 403, b"no"),
        (CHUNKED, 403, b""),
        (CHUNKED + b"-5\r\nno", 403, b""),
    ],
)
def test_an_answer_is_the_same_however_its_bytes_arrive(data: bytes, status: int, body: bytes) -> None:
    assert read(data) == (status, body)
    assert read(*bytewise(data)) == (status, body)


def test_a_body_is_taken_only_so_far() -> None:
    assert read(b"HTTP/1.1 403 No\r\n\r\n", b"x" * MAX_BODY_BYTES, b"y")[1] == b"x" * MAX_BODY_BYTES
    chunk = b"FFFF\r\n" + b"x" * 0xFFFF + b"\r\n"
    assert read(CHUNKED, chunk, chunk)[1] == b"x" * MAX_BODY_BYTES
    assert read(CHUNKED, b"1" * 5000)[1] == b""


def test_a_body_that_never_ends_is_shown_as_far_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "_BODY_WAIT_S", 0.05)
    assert read(b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nno", ends=False) == (403, b"no")


def test_a_head_without_end_is_given_up() -> None:
    with pytest.raises(HeadError, match="more than 65536 bytes"):
        read(b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 10_000 + b"\r\n"] * 8)


def test_a_peer_that_ends_before_its_answer_hung_up() -> None:
    with pytest.raises(HungUpError):
        read(b"HTTP/1.1 200")
