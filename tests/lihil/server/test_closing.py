"""How a WebSocket ends, in memory: at moments that a real socket leaves to chance."""

import asyncio

import pytest

from lihil.asgi import WS_ACCEPT, WS_CLOSE, WS_DENIAL_BODY, WS_DENIAL_START, WS_SEND
from lihil.rfc6455.connection import Close
from lihil.server.inbound import HIGH_BYTES
from tests.lihil.server.memory import CLOSE, UNMASKED, Hasty, Script, connect, ended, opened
from tests.lihil.server.wire import echo, frame, handshake, settle, text

# The end


def test_the_peers_close_comes_with_its_code_behind_its_messages() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(text("a") + text("b") + CLOSE)
        assert [(await script.next())["text"] for _ in range(2)] == ["a", "b"]
        await script.send({"type": WS_SEND, "text": "answered"})
        assert await script.next() == {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}
        assert transport.frames() == ["answered", Close(4000, "")]
        with pytest.raises(OSError, match="closed"):
            await script.send({"type": WS_SEND, "text": "too late"})
        await ended(transport)

    asyncio.run(talk())


def test_a_bad_frame_behind_a_message_waits_until_that_is_answered() -> None:
    async def talk() -> None:
        _, transport = connect(echo, Hasty)
        await settle()
        assert transport.protocol is not None
        transport.protocol.data_received(text("good") + UNMASKED)
        await ended(transport)
        assert transport.frames() == ["good", Close(1002, "an unmasked frame")]

    asyncio.run(talk())


def test_an_app_that_does_not_receive_hears_of_the_end_all_the_same() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(text("unread") + CLOSE)
        await script.send({"type": WS_SEND, "text": "still"})
        await ended(transport)
        assert transport.frames() == ["still", Close(4000, "")]
        assert [(await script.next()).get("text") for _ in range(2)] == ["unread", None]

    asyncio.run(talk())


def test_a_connection_lost_behind_a_close_ends_with_the_closes_code() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(text("a") + CLOSE)
        transport.abort()
        await settle()
        assert (await script.next())["text"] == "a"
        assert (await script.next())["code"] == 4000
        with pytest.raises(OSError, match="closed"):
            await script.send({"type": WS_SEND, "text": "too late"})

    asyncio.run(talk())


def test_a_connection_lost_behind_much_gives_all_of_it_first() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(frame(0x82, bytes(100_000)) * 6 + frame(0x89))
        transport.abort()
        await settle()
        assert [len((await script.next())["bytes"]) for _ in range(6)] == [100_000] * 6
        assert (await script.next())["code"] == 1006

    asyncio.run(talk())


def test_a_connection_lost_before_the_answer_is_told() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        await script.begun.wait()
        transport.abort()
        await settle()
        assert [(await script.next())["type"] for _ in range(2)] == ["websocket.connect", "websocket.disconnect"]
        with pytest.raises(OSError, match="closed"):
            await script.send({"type": WS_ACCEPT})

    asyncio.run(talk())


def test_a_handler_that_ends_with_the_peer_gone_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = await opened(script)
        transport.abort()
        await settle()
        with pytest.raises(OSError, match="closed") as gone:
            await script.send({"type": WS_SEND, "text": "a"})
        script.end(gone.value)
        await settle()

    asyncio.run(talk())
    assert not caplog.records


def test_that_another_peer_has_gone_is_an_error_of_the_app(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        script, other = Script(), Script()
        _, transport = await opened(script)
        _, gone_transport = await opened(other)
        gone_transport.abort()
        await settle()
        with pytest.raises(OSError, match="closed") as gone:
            await other.send({"type": WS_SEND, "text": "a"})
        script.end(gone.value)
        await ended(transport)
        assert transport.frames() == [Close(1011, "")]
        other.end()

    asyncio.run(talk())
    assert len(caplog.records) == 1


def test_our_close_waits_for_the_peers_and_reads_what_comes_before_it() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        for _ in range(3):
            protocol.data_received(frame(0x82, bytes(HIGH_BYTES)))
        assert not transport.is_reading()
        await script.send({"type": WS_CLOSE, "code": 4001, "reason": "enough"})
        assert transport.is_reading()
        assert not transport.is_closing()
        protocol.data_received(frame(0x82, bytes(HIGH_BYTES)) * 3 + CLOSE)
        await ended(transport)
        messages = [await script.next() for _ in range(2)]
        assert len(messages[0]["bytes"]) == HIGH_BYTES
        assert messages[1] == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}

    asyncio.run(talk())


def test_our_close_finds_the_peers_that_was_held_back() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.data_received(text("a") + CLOSE)
        await script.send({"type": WS_CLOSE})
        assert transport.is_closing()
        await ended(transport)

    asyncio.run(talk())


@pytest.mark.parametrize("end", [CLOSE, UNMASKED, b""])
def test_a_peer_that_does_not_read_is_cut_off_at_the_end(end: bytes) -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        transport.buffered = HIGH_BYTES
        protocol.pause_writing()
        protocol.data_received(end)
        await script.send({"type": WS_CLOSE}) if not end else None
        await ended(transport)

    asyncio.run(talk())


# A stop


@pytest.mark.parametrize("answers", [False, True])
def test_a_stop_is_told_and_the_answer_waited_for_within_a_bound(answers: bool) -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        protocol.shutdown()
        assert transport.frames() == [Close(1001, "the server is stopping")]
        assert not transport.is_closing()
        if answers:
            protocol.data_received(CLOSE)
            assert transport.is_closing()
        await ended(transport)
        assert (await script.next())["code"] == 1001

    asyncio.run(talk())


def test_a_stop_refuses_handshakes() -> None:
    async def talk() -> None:
        for request in (handshake(), handshake()[:-2]):
            protocol, transport = connect(Script(), request=request)
            await settle()
            protocol.shutdown()
            await ended(transport)
            assert transport.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")

    asyncio.run(talk())


def test_a_stop_lets_a_denial_end_within_its_bound() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = connect(script, Hasty)
        await script.begun.wait()
        await script.send({"type": WS_DENIAL_START, "status": 403})
        await script.send({"type": WS_DENIAL_BODY, "body": b"a", "more_body": True})
        protocol.shutdown()
        await script.send({"type": WS_DENIAL_BODY, "body": b"b", "more_body": True})
        await ended(transport)
        assert transport.written.endswith(b"ab")

    asyncio.run(talk())
