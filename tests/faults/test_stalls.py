"""Peers and apps that fall behind, in memory: who waits for whom, and for how long."""

import asyncio

import pytest

from lihil.asgi import WS_CLOSE, WS_SEND
from lihil.rfc6455.connection import Close, Ping, Pong
from lihil.server.inbound import HIGH_BYTES
from tests.lihil.server.memory import Script, ended, opened
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


# Keep-alive


def test_a_peer_that_answers_pings_stays() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script, ws_ping_interval=0.01, ws_ping_timeout=5)
        for count in range(1, 4):
            while len(transport.frames()) < count:
                await asyncio.sleep(0.005)
            protocol.data_received(frame(0x8A))
        assert transport.frames()[:3] == [Ping(b"")] * 3
        protocol.data_received(frame(0x8A) * 2)  # one more than was asked for
        assert not transport.is_closing()
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_peer_that_does_not_is_closed_with_1011() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = await opened(script, ws_ping_interval=0.01, ws_ping_timeout=0.01)
        await ended(transport)
        assert transport.frames() == [Ping(b""), Close(1011, "keepalive ping timeout")]
        assert (await script.next())["code"] == 1011

    asyncio.run(talk())


def test_without_a_timeout_pings_go_on_unanswered() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = await opened(script, ws_ping_interval=0.005, ws_ping_timeout=None)
        while len(transport.frames()) < 3:
            await asyncio.sleep(0.005)
        assert transport.frames()[:3] == [Ping(b"")] * 3
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_pong_behind_what_the_app_has_not_taken_may_be_late() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script, ws_ping_interval=0.01, ws_ping_timeout=0.01)
        protocol.data_received(frame(0x82, bytes(HIGH_BYTES)))
        while transport.frames().count(Ping(b"")) < 3:
            await asyncio.sleep(0.005)
        assert not transport.is_closing()
        protocol.pause_writing()  # but a peer that does not read either has gone
        transport.buffered = HIGH_BYTES
        await ended(transport)

    asyncio.run(talk())
