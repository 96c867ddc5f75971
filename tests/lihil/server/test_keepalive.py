"""Pings, in memory: who stays, who is closed, and whose pong may be late."""

import asyncio

from lihil.rfc6455.connection import Close, Ping
from lihil.server.inbound import HIGH_BYTES
from tests.lihil.server.memory import Script, ended, opened
from tests.lihil.server.wire import frame, settle


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
