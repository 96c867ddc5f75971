"""The WebSocket side in memory: the handshake, its refusal, the app's part, and the short way past ASGI."""

import asyncio
import logging
from typing import Any

import pytest

from lihil.asgi import WS_ACCEPT, WS_CLOSE, WS_DENIAL_BODY, WS_DENIAL_START, WS_SEND, Message
from lihil.rfc6455.connection import Close
from lihil.server.inbound import HIGH_BYTES
from tests.lihil.server.memory import Hasty, Script, connect, ended, opened
from tests.lihil.server.wire import echo, frame, handshake, settle

# The handshake


def test_a_head_may_come_in_pieces() -> None:
    async def talk() -> None:
        protocol, transport = connect(echo, request=b"")
        for index in range(len(handshake())):
            protocol.data_received(handshake()[index : index + 1])
        await settle()
        assert transport.written.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", b"400"),
        (b"x" * 70_000, b"400"),
        (handshake(version="1.0"), b"400"),
        (handshake(without="sec-websocket-key"), b"400"),
        (handshake(Sec_WebSocket_Key="short"), b"400"),
        (handshake(Sec_WebSocket_Version="12"), b"426"),
    ],
)
def test_a_handshake_that_breaks_the_rules_never_reaches_the_app(request_head: bytes, status: bytes) -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = connect(script, request=request_head)
        protocol.data_received(b"more")
        await ended(transport)
        assert transport.written[9:12] == status
        assert (b"sec-websocket-version: 13\r\n" in transport.written) == (status == b"426")
        assert not script.begun.is_set()

    asyncio.run(talk())


def test_a_peer_that_sends_before_the_answer_feels_back_pressure() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = connect(script)
        await script.begun.wait()
        await script.receive()
        message = frame(0x82, bytes(2 * HIGH_BYTES))
        protocol.data_received(message[:HIGH_BYTES])
        assert not transport.is_reading()
        await script.send({"type": WS_ACCEPT})
        assert transport.is_reading()
        protocol.data_received(message[HIGH_BYTES:])
        assert len((await script.next())["bytes"]) == 2 * HIGH_BYTES

    asyncio.run(talk())


# Refusals


def test_a_denial_is_sent_as_it_comes() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        await script.begun.wait()
        await script.send({"type": WS_DENIAL_START, "status": 403, "headers": [(b"x", b"y")]})
        await script.send({"type": WS_DENIAL_BODY, "body": b"not ", "more_body": True})
        assert transport.written == b"HTTP/1.1 403 Forbidden\r\nx: y\r\nconnection: close\r\n\r\nnot "
        await script.send({"type": WS_DENIAL_BODY, "body": b"you"})
        assert transport.written.endswith(b"not you")
        await ended(transport)

    asyncio.run(talk())


@pytest.mark.parametrize(
    "answer",
    [
        [{"type": WS_CLOSE}],
        [{"type": WS_DENIAL_START, "status": 403}, {"type": WS_DENIAL_BODY}],
        [{"type": WS_DENIAL_START, "status": 403, "headers": None}, {"type": WS_DENIAL_BODY, "body": None}],
    ],
)
def test_a_refusal_is_no_error_and_the_app_hears_of_the_end(
    answer: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        await script.begun.wait()
        await script.receive()
        for message in answer:
            await script.send(message)
        assert await script.next() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        script.end()
        await ended(transport)
        assert transport.written.startswith(b"HTTP/1.1 403 Forbidden\r\n")

    caplog.set_level(logging.INFO)
    asyncio.run(talk())
    assert [record.getMessage() for record in caplog.records] == [' - "WebSocket /" 403']


@pytest.mark.parametrize("begins", [False, True])
def test_a_denial_that_stays_a_fragment_does_not_look_complete(begins: bool) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        await script.begun.wait()
        await script.send({"type": WS_DENIAL_START, "status": 403})
        if begins:
            await script.send({"type": WS_DENIAL_BODY, "body": b"...", "more_body": True})
        script.end()
        await ended(transport)
        assert transport.written[9:12] == (b"403" if begins else b"500")

    asyncio.run(talk())


def test_a_peer_that_does_not_read_its_refusal_is_not_waited_for() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script, Hasty)
        await script.begun.wait()
        transport.buffered = 1
        await script.send({"type": WS_CLOSE})
        await ended(transport)

    asyncio.run(talk())


# The app


@pytest.mark.parametrize("error", [KeyError("secret"), OSError("secret")])
@pytest.mark.parametrize("accepts", [False, True])
def test_an_exception_nobody_caught_is_told_without_its_text(
    error: Exception, accepts: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script, Hasty)
        await script.begun.wait()
        if accepts:
            await script.accept()
        script.end(error)
        await ended(transport)
        if accepts:
            assert transport.frames() == [Close(1011, "")]
        else:
            assert transport.written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"secret" not in transport.written

    asyncio.run(talk())
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error]


def test_an_app_that_is_cancelled_closes_without_a_word_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        for task in protocol._server_state.tasks:
            task.cancel()
        await ended(transport)
        assert transport.frames() == [Close(1011, "")]

    asyncio.run(talk())
    assert not caplog.records


def test_an_exception_that_ends_the_process_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class StopTheProcess(BaseException):
        pass

    async def talk() -> None:
        script = Script()
        protocol, transport = await opened(script)
        (task,) = protocol._server_state.tasks
        script.end(StopTheProcess())
        await asyncio.wait([task])
        assert isinstance(task.exception(), StopTheProcess)
        await ended(transport)

    asyncio.run(talk())
    assert len(caplog.records) == 1


def test_an_app_that_returns_closes_with_1000() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = await opened(script)
        script.end()
        await ended(transport)
        assert transport.frames() == [Close(1000, "")]

    asyncio.run(talk())


def test_an_app_that_never_answers_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        script.end()
        await ended(transport)
        assert transport.written[9:12] == b"500"

    asyncio.run(talk())
    assert caplog.messages == ["the ASGI app returned without answering the handshake"]


def test_messages_out_of_order_are_refused() -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script, Hasty)
        await script.begun.wait()
        with pytest.raises(RuntimeError, match=r"websocket\.send.*waiting for the app's answer"):
            await script.send({"type": WS_SEND, "text": "a"})
        await script.accept()
        with pytest.raises(RuntimeError, match=r"websocket\.accept.*open"):
            await script.send({"type": WS_ACCEPT})
        await script.send({"type": WS_CLOSE, "code": None, "reason": None})
        with pytest.raises(OSError, match="closed"):
            await script.send({"type": WS_SEND, "text": "a"})
        await ended(transport)
        assert transport.frames() == [Close(1000, "")]

    asyncio.run(talk())


@pytest.mark.parametrize("close", [{"code": 1006}, {"code": 99}, {"reason": "x" * 124}])
def test_a_close_that_cannot_be_sent_is_refused_and_nothing_is_sent(close: dict[str, Any]) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = await opened(script)
        with pytest.raises(ValueError, match="close"):
            await script.send({"type": WS_CLOSE, **close})
        assert transport.frames() == []
        await script.send({"type": WS_SEND, "bytes": b"still open", "text": None})
        assert transport.frames() == [b"still open"]
        transport.abort()
        await ended(transport)

    asyncio.run(talk())
