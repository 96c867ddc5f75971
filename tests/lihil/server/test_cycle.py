"""One request and its response, over a transport in memory."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lihil.asgi import HTTP_RESPONSE_BODY, HTTP_RESPONSE_START, ASGIApp, Message, Receive, Scope, Send
from tests.lihil.server.memory import connect_http, send
from tests.lihil.server.wire import settle

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"

Main = Callable[[Receive, Send], Awaitable[Any]]


def app_of(main: Main) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await main(receive, send)

    return app


def head(length: int | None = None, status: int = 200, *fields: tuple[bytes, bytes]) -> Message:
    lengths = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": HTTP_RESPONSE_START, "status": status, "headers": [*lengths, *fields]}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": HTTP_RESPONSE_BODY, "body": data, "more_body": more}


def answering(*messages: Message) -> ASGIApp:
    async def main(receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app_of(main)


def pieces_of(app: ASGIApp, request: bytes = GET, **settings: Any) -> tuple[list[bytes], bool]:
    """What was written, write by write, and whether the connection was closed."""

    async def talk() -> tuple[list[bytes], bool]:
        _, transport = connect_http(app, **settings)
        send(transport, request)
        await settle()
        result = [piece for piece in transport.pieces if piece], transport.is_closing()
        transport.abort()
        await settle()
        return result

    return asyncio.run(talk())


# How it is written


def test_head_and_body_of_known_length_are_one_write() -> None:
    pieces, is_closed = pieces_of(answering(head(3), body(b"abc")))
    assert pieces == [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"]
    assert not is_closed


def test_a_large_body_is_not_copied() -> None:
    pieces, _ = pieces_of(answering(head(100_001), body(bytes(100_000), more=True), body(b"x")))
    assert [len(piece) for piece in pieces[1:]] == [100_000, 1]


def test_a_stream_begins_before_its_first_piece() -> None:
    async def main(receive: Receive, send: Send) -> None:
        await send(head())
        await receive()
        await receive()  # nothing comes any more

    pieces, _ = pieces_of(app_of(main))
    assert pieces == [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"]


def test_a_stream_goes_out_in_chunks() -> None:
    pieces, _ = pieces_of(answering(head(), body(b"a" * 17, more=True), body(more=True), body(b"b")))
    assert pieces[1:] == [b"11\r\n" + b"a" * 17 + b"\r\n", b"1\r\nb\r\n0\r\n\r\n"]


@pytest.mark.parametrize("answer", [head(3), head()])
def test_head_has_no_body(answer: Message) -> None:
    pieces, _ = pieces_of(answering(answer, body(b"abc")), HEAD)
    assert len(pieces) == 1
    assert pieces[0].endswith(b"\r\n\r\n")


def test_sending_waits_for_a_peer_that_is_behind() -> None:
    async def talk() -> None:
        protocol, transport = connect_http(answering(head(1), body(b"x")))
        protocol.pause_writing()
        send(transport, GET)
        await settle()
        assert not transport.pieces
        protocol.resume_writing()
        await settle()
        assert transport.pieces
        transport.abort()
        await settle()

    asyncio.run(talk())


# What an app does wrong


async def _raise(receive: Receive, send: Send) -> None:
    raise ValueError("secret")


async def _raise_behind_the_head(receive: Receive, send: Send) -> None:
    await send(head(3))
    raise ValueError("secret")


async def _say_nothing(receive: Receive, send: Send) -> None: ...


async def _end_behind_the_head(receive: Receive, send: Send) -> None:
    await send(head(3))


async def _begin_with_the_body(receive: Receive, send: Send) -> None:
    await send(body())


async def _begin_twice(receive: Receive, send: Send) -> None:
    await send(head(3))
    await send(head(3))


async def _say_too_much(receive: Receive, send: Send) -> None:
    await send(head(1))
    await send(body(b"ab"))


async def _break_the_head(receive: Receive, send: Send) -> None:
    await send(head(1, 200, (b"x", b"a\r\nb: c")))


@pytest.mark.parametrize(
    "main",
    [
        _raise,
        _raise_behind_the_head,
        _say_nothing,
        _end_behind_the_head,
        _begin_with_the_body,
        _begin_twice,
        _say_too_much,
        _break_the_head,
    ],
)
def test_what_fails_before_anything_is_sent_is_a_500(main: Main, caplog: pytest.LogCaptureFixture) -> None:
    pieces, is_closed = pieces_of(app_of(main))
    (whole,) = pieces
    assert whole.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert whole.endswith(b"\r\n\r\nInternal Server Error")
    assert is_closed
    assert len(caplog.records) == 1


@pytest.mark.parametrize("length", [3, None])
def test_what_fails_later_ends_the_connection(length: int | None, caplog: pytest.LogCaptureFixture) -> None:
    async def main(receive: Receive, send: Send) -> None:
        await send(head(length))
        await send(body(b"a", more=True))
        raise ValueError("secret")

    pieces, is_closed = pieces_of(app_of(main))
    assert b"secret" not in b"".join(pieces)
    assert is_closed
    assert len(caplog.records) == 1


def test_too_little_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    assert pieces_of(answering(head(3), body(b"a")))[1]
    assert "shorter than its content-length" in caplog.text


def test_a_message_behind_the_end_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    assert pieces_of(answering(head(1), body(b"a"), body(b"b")))[1]
    assert "after the end of the response" in caplog.text


def test_an_app_gives_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> Any:
        return "result"

    assert pieces_of(app) == ([], True)
    assert "gives back nothing" in caplog.text


# What it reads


def test_the_body_comes_as_it_is_read_and_then_nothing_but_the_end() -> None:
    async def talk() -> None:
        taken: list[Message] = []

        async def main(receive: Receive, send: Send) -> None:
            taken.append(await receive())
            taken.append(await receive())
            await send(head(0))
            await send(body())
            taken.append(await receive())

        _, transport = connect_http(app_of(main))
        send(transport, b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab")
        await settle()
        send(transport, b"cd")
        await settle()
        assert [(message["type"], message.get("body")) for message in taken] == [
            ("http.request", b"ab"),
            ("http.request", b"cd"),
            ("http.disconnect", None),
        ]
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_client_is_told_to_go_on_once_its_body_is_asked_for() -> None:
    async def talk(*, asks: bool) -> bytes:
        async def main(receive: Receive, send: Send) -> None:
            if asks:
                await receive()
            await send(head(0))
            await send(body())

        _, transport = connect_http(app_of(main))
        send(transport, b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n")
        await settle()
        begun = transport.written
        send(transport, b"x")
        await settle()
        transport.abort()
        await settle()
        return begun

    assert asyncio.run(talk(asks=True)) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert asyncio.run(talk(asks=False)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("requests", [GET, GET + GET])
def test_an_app_hears_that_the_client_has_gone_and_may_send_on(requests: bytes) -> None:
    async def talk() -> None:
        heard: list[str] = []

        async def main(receive: Receive, send: Send) -> None:
            await receive()
            heard.append((await receive())["type"])
            await send(head(1))
            await send(body(b"x"))

        _, transport = connect_http(app_of(main))
        send(transport, requests)
        await settle()
        transport.abort()
        await settle()
        assert heard == ["http.disconnect"]
        assert not transport.pieces

    asyncio.run(talk())


# The log


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_a_line_tells_of_each_response_where_it_is_wanted(level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level, "uvicorn.access")
    pieces_of(answering(head(0, 404), body()), b"GET /a%20b?c=%20 HTTP/1.1\r\nHost: x\r\n\r\n")
    lines = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert lines == ([' - "GET /a%20b?c=%20 HTTP/1.1" 404'] if level == logging.INFO else [])


def test_no_line_is_written_when_the_access_log_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    pieces_of(answering(head(0), body()), access_log=False)
    assert not [record for record in caplog.records if record.name == "uvicorn.access"]
