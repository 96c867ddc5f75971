"""Peers and apps that fall behind, in memory: who waits for whom, and for how long."""

import asyncio

import pytest

from lihil.asgi import WS_CLOSE, WS_SEND
from lihil.rfc6455.connection import Close, Pong
from lihil.server.inbound import HIGH_BYTES
from tests.lihil.server.memory import CLOSE, Script, direct, ended, opened
from tests.lihil.server.wire import frame, settle, text

# Flow control


def test_send_waits_while_the_peer_is_behind_and_close_does_not() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        transport.buffered = HIGH_BYTES
        protocol.pause_writing()
        first, second = (asyncio.ensure_future(script.send({"type": WS_SEND, "text": name})) for name in "ab")
        await settle()
        first.cancel()
        await settle()
        assert not second.done()
        assert transport.frames() == []
        transport.buffered = 0
        protocol.resume_writing()
        await second
        protocol.pause_writing()
        waiting = asyncio.ensure_future(script.send({"type": WS_SEND, "text": "c"}))
        await settle()
        await script.send({"type": WS_CLOSE})
        with pytest.raises(OSError, match="closed"):
            await waiting
        protocol.pause_writing()  # the transport may, with what is left
        with pytest.raises(OSError, match="closed"):
            await script.send({"type": WS_SEND, "text": "d"})
        assert transport.frames() == ["b", Close(1000, "")]
        await ended(transport)

    asyncio.run(talk())


def test_reading_stops_while_the_app_is_behind_and_goes_on() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        count = 0
        while transport.is_reading():
            protocol.data_received(text("x" * 1000))
            count += 1
        assert count < HIGH_BYTES / 1000
        for _ in range(count):
            assert (await script.next())["text"] == "x" * 1000
        waiting = asyncio.ensure_future(script.next())
        await settle()
        assert transport.is_reading()
        protocol.data_received(text("next"))
        assert (await waiting)["text"] == "next"

    asyncio.run(talk())


def test_pongs_obey_back_pressure() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(frame(0x89, b"one"))
        assert transport.frames() == [Pong(b"one")]
        transport.buffered = HIGH_BYTES
        protocol.pause_writing()
        protocol.data_received(frame(0x89, b"two"))
        assert not transport.is_reading()
        transport.buffered = 0
        protocol.resume_writing()
        assert transport.is_reading()

    asyncio.run(talk())


@pytest.mark.parametrize("closes", [False, True])
def test_pings_that_came_in_one_read_wait_for_a_peer_that_reads(closes: bool) -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        waiting = asyncio.ensure_future(script.next())
        await settle()
        protocol.pause_writing()
        protocol.data_received(frame(0x89, b"x" * 125) * 2000)
        answered = len(transport.frames())
        assert answered < 2000
        if closes:
            transport.abort()
            await settle()
            assert (await waiting)["code"] == 1006
        else:
            protocol.resume_writing()
            assert transport.frames() == [Pong(b"x" * 125)] * 2000
            waiting.cancel()

    asyncio.run(talk())


# The short way


def test_a_listener_gets_what_waits_and_what_comes() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(text("a") + frame(0x82, b"b"))
        heard: list[str | bytes] = []
        direct(script).listen(heard.append)
        protocol.data_received(text("c") + frame(0x82, b"d"))
        waiting = asyncio.ensure_future(script.next())
        await settle()
        protocol.data_received(text("e") + CLOSE)
        assert heard == ["a", b"b", "c", b"d", "e"]
        assert (await waiting)["code"] == 4000
        await ended(transport)

    asyncio.run(talk())


def test_a_listener_hears_no_more_while_its_peer_does_not_read() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        short = direct(script)

        def answer(message: str | bytes) -> None:
            short.send_now(message)
            transport.buffered += len(message)
            if transport.buffered == len(message):
                protocol.pause_writing()

        short.listen(answer)
        for _ in range(HIGH_BYTES // 1000):  # one message in each read, as a client sends that types
            assert transport.is_reading()
            protocol.data_received(text("x" * 1000))
        protocol.data_received(text("x" * 1000))
        assert not transport.is_reading()
        transport.buffered = 0
        protocol.resume_writing()
        assert transport.is_reading()
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_listener_hears_no_more_once_the_connection_is_closed() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        heard: list[str | bytes] = []

        def hear(message: str | bytes) -> None:
            heard.append(message)
            protocol.shutdown()

        direct(script).listen(hear)
        protocol.data_received(text("a") + text("b"))
        protocol.data_received(text("c"))
        direct(script).listen(hear)
        assert heard == ["a"]
        assert transport.frames() == [Close(1001, "the server is stopping")]
        await ended(transport)

    asyncio.run(talk())


def test_the_short_way_sends_and_says_when_the_peer_is_behind() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        short = direct(script)
        assert short.send_now("a")
        assert short.send_now(b"b")
        assert short.write_prepared(b"\x81\x01c")
        await short.drained()
        protocol.pause_writing()
        assert not short.send_now("d")
        assert not short.write_prepared(b"\x81\x01e")
        waiting = asyncio.ensure_future(short.drained())
        await settle()
        assert not waiting.done()
        protocol.resume_writing()
        await waiting
        assert transport.frames() == ["a", b"b", "c", "d"]
        transport.abort()
        await settle()
        with pytest.raises(OSError, match="closed"):
            short.send_now("x")
        with pytest.raises(OSError, match="closed"):
            short.write_prepared(b"\x81\x01x")
        await short.drained()

    asyncio.run(talk())
