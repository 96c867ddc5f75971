"""What an app sends together with the answer to a handshake goes out in one piece."""

import asyncio

import pytest

from lihil.asgi import WS_ACCEPT, WS_CLOSE, WS_SEND, Receive, Scope, Send
from lihil.rfc6455.connection import Close
from lihil.server.corked import MAX_HELD_BYTES, CorkedTransport
from tests.lihil.server.memory import Pieces, connect
from tests.lihil.server.wire import settle


def corked() -> tuple[Pieces, CorkedTransport, list[str]]:
    transport, released = Pieces(), list[str]()
    transport.protocol = asyncio.Protocol()
    return transport, CorkedTransport(transport, asyncio.get_running_loop(), lambda _: released.append("now")), released


def test_answer_greeting_and_close_are_one_write() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": WS_ACCEPT})
        await send({"type": WS_SEND, "text": "hello"})
        await send({"type": WS_CLOSE, "code": 4000})

    async def talk() -> None:
        protocol, _ = connect(app)
        transport = Pieces()
        protocol._transport = transport
        transport.protocol = protocol
        await settle()
        assert len(transport.pieces) == 1
        assert transport.frames() == ["hello", Close(4000, "")]
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_what_is_held_goes_out_in_the_next_turn_and_what_follows_at_once() -> None:
    async def talk() -> None:
        transport, cork, released = corked()
        cork.write(b"a")
        cork.write(bytearray(b"b"))
        assert cork.get_write_buffer_size() == 2
        assert not transport.pieces
        await asyncio.sleep(0)
        assert transport.pieces == [b"ab"]
        assert released == ["now"]
        cork.write(b"c")
        assert transport.pieces == [b"ab", b"c"]
        transport.buffered = 7
        assert cork.get_write_buffer_size() == 7

    asyncio.run(talk())


def test_much_is_not_held() -> None:
    async def talk() -> None:
        transport, cork, released = corked()
        cork.write(b"a")
        cork.write(bytes(MAX_HELD_BYTES))
        assert transport.pieces == [b"a" + bytes(MAX_HELD_BYTES)]
        await asyncio.sleep(0)
        assert released == ["now"]

    asyncio.run(talk())


def test_a_close_comes_behind_what_is_held_and_an_abort_drops_it() -> None:
    async def talk() -> None:
        transport, cork, _ = corked()
        cork.write(b"a")
        cork.close()
        assert transport.pieces == [b"a"]
        assert cork.is_closing()
        transport, cork, _ = corked()
        cork.write(b"a")
        cork.abort()
        await asyncio.sleep(0)
        assert not transport.pieces

    asyncio.run(talk())


def test_nothing_is_written_to_a_connection_that_was_lost_meanwhile() -> None:
    async def talk() -> None:
        transport, cork, _ = corked()
        cork.write(b"a")
        transport.abort()
        await asyncio.sleep(0)
        assert not transport.pieces

    asyncio.run(talk())


@pytest.mark.parametrize("is_released", [False, True])
def test_reading_is_stopped_and_goes_on_below_it(is_released: bool) -> None:
    async def talk() -> None:
        transport, cork, _ = corked()
        if is_released:
            cork.release()
        cork.pause_reading()
        assert not transport.is_reading()
        cork.resume_reading()
        assert transport.is_reading()

    asyncio.run(talk())
