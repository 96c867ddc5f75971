"""Streams: sent piece by piece, ended by either side, closed exactly once."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Annotated

import pytest

from lihil import SSE, AsyncResource, EventStream, HTTPException, Lihil, Request, Route, Struct, Text, use
from lihil.testing.library import httpx
from lihil.vendors import TestClient


class Tick(Struct):
    number: int


def client_of(route: Route) -> TestClient:
    return TestClient(Lihil(route))


def test_events_are_sent_as_they_are_yielded() -> None:
    route = Route("x")
    seen = threading.Event()

    @route.get
    async def events() -> EventStream:
        yield SSE(data="first")
        assert await asyncio.to_thread(seen.wait, 5)
        yield SSE(data="second")

    with client_of(route) as client, client.stream("GET", "/x") as response:
        assert dict(response.headers) == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
        }
        pieces = response.iter_raw()
        assert next(pieces) == b"data: first\n\n"
        seen.set()
        assert b"".join(pieces) == b"data: second\n\n"


def test_a_sync_generator_streams_from_a_thread() -> None:
    route = Route("x")
    threads: set[int] = set()

    @route.get
    def ticks(count: int) -> Iterator[Tick]:
        for number in range(count):
            threads.add(threading.get_ident())
            yield Tick(number)

    with client_of(route) as client:
        response = client.get("/x?count=2")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.text == '{"number":0}\n{"number":1}\n'
    assert threading.get_ident() not in threads


def test_an_async_iterator_that_is_no_generator_is_streamed() -> None:
    class Countdown:
        """An iterator by hand."""

        def __init__(self) -> None:
            self.left = 2

        def __aiter__(self) -> "Countdown":
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return str(self.left)

    route = Route("x")

    @route.get
    async def countdown() -> AsyncIterator[str]:
        return Countdown()

    with client_of(route) as client:
        assert client.get("/x").text == "10"


def test_a_generator_that_yields_nothing_is_an_empty_response() -> None:
    route = Route("x")

    @route.get
    async def nothing(really: bool = True) -> AsyncIterator[bytes]:
        if not really:
            yield b"something"

    with client_of(route) as client:
        response = client.get("/x")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/octet-stream"


def test_what_fails_before_the_first_item_has_its_own_status() -> None:
    route = Route("x")

    @route.get
    async def events(key: str) -> EventStream:
        if key != "right":
            raise HTTPException(403, "wrong key")
        yield SSE(data="come in")

    with client_of(route) as client:
        assert client.get("/x?key=wrong").status_code == 403
        assert client.get("/x?key=right").status_code == 200


def test_a_first_item_of_the_wrong_type_is_a_500() -> None:
    route = Route("x")

    @route.get
    async def events() -> AsyncGenerator[SSE, None]:
        yield "no event"  # type: ignore[misc]

    with client_of(route) as client, pytest.raises(TypeError, match="an event stream takes SSE"):
        client.get("/x")


def test_what_is_returned_in_a_streams_place_is_a_500() -> None:
    route = Route("x")

    @route.get
    async def events() -> EventStream:
        return None  # type: ignore[return-value]

    with client_of(route) as client, pytest.raises(TypeError, match="is a stream, and NoneType is no iterator"):
        client.get("/x")


def test_a_failure_in_the_middle_cuts_the_response_and_names_the_handler() -> None:
    route = Route("x")

    @route.get
    async def events() -> EventStream:
        yield SSE(data="first")
        raise ValueError("broken pipe of ours")

    with TestClient(Lihil(route)) as client, pytest.raises(ValueError, match="broken pipe of ours") as raised:
        client.get("/x")
    assert raised.value.__notes__ == ["events failed on GET /x, in the middle of its response"]
    with TestClient(Lihil(route), raise_server_exceptions=False) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/x")


def test_head_gets_the_headers_and_runs_nothing() -> None:
    route = Route("x")
    ran: list[str] = []

    @route.get
    async def events() -> EventStream:
        ran.append("yes")
        while True:
            yield SSE(data="tick")

    with client_of(route) as client:
        response = client.head("/x")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (response.content, ran) == (b"", [])


@pytest.mark.parametrize("wait", ["for an event", "for the client"])
def test_a_client_that_leaves_ends_the_generator_and_then_the_resources_once(wait: str) -> None:
    said: list[str] = []

    async def connection() -> AsyncResource[str]:
        try:
            yield "open"
        except Exception as exc:
            said.append(f"connection: {type(exc).__name__}")
            raise
        finally:
            said.append("connection closed")

    route = Route("x")

    @route.get
    async def events(connection: Annotated[str, use(connection)]) -> EventStream:
        try:
            yield SSE(data=connection)
            if wait == "for an event":
                await asyncio.Event().wait()
            while True:
                yield SSE(data="x" * 1000)
        finally:
            await asyncio.sleep(0)  # cleaning up may take its time
            said.append("generator closed")

    with client_of(route) as client, client.stream("GET", "/x") as response:
        assert next(response.iter_raw()).startswith(b"data: open")
    assert said == ["generator closed", "connection: ClientDisconnect", "connection closed"]


def test_a_client_that_leaves_ends_a_sync_generator_once() -> None:
    route = Route("x")
    said: list[str] = []

    @route.get
    def events() -> Iterator[SSE]:
        try:
            while True:
                yield SSE(data="tick")
        finally:
            said.append("closed")

    with client_of(route) as client, client.stream("GET", "/x") as response:
        next(response.iter_raw())
    assert said == ["closed"]


def test_resources_stay_open_until_the_stream_has_ended() -> None:
    said: list[str] = []

    async def connection() -> AsyncResource[str]:
        yield "open"
        said.append("closed")

    route = Route("x")

    @route.get
    async def lines(connection: Annotated[str, use(connection)]) -> AsyncIterator[Text]:
        for number in range(3):
            said.append(f"line {number}")
            yield connection

    with client_of(route) as client:
        assert client.get("/x").text == "openopenopen"
    assert said == ["line 0", "line 1", "line 2", "closed"]


def test_a_stream_may_read_the_body_while_it_answers() -> None:
    route = Route("x")

    @route.post
    async def shout(request: Request) -> AsyncIterator[bytes]:
        yield b"> "
        async for piece in request.stream():
            yield piece.upper()

    with client_of(route) as client:
        assert client.post("/x", content=iter([b"one ", b"two"])).content == b"> ONE TWO"


def test_a_stream_has_the_status_it_was_given() -> None:
    route = Route("x")

    @route.post(status=202)
    async def work() -> AsyncIterator[str]:
        yield "begun"

    with client_of(route) as client:
        assert client.post("/x").status_code == 202
