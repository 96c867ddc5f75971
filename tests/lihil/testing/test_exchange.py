"""HTTP in memory: request and response bodies, what the app may send, what the test is told."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lihil.asgi import ERROR_HOOK, ASGIApp, Message, Receive, Scope, Send
from lihil.testing import AppTimeout, TestClient
from lihil.testing.library import httpx

LIMIT_S = 0.3  # for what does not come


def start(status: int = 200, **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, **more}


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def sends(*messages: Message | Exception) -> ASGIApp:
    """An app that sends `messages`, and raises what is an exception among them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            if isinstance(message, Exception):
                raise message
            await send(message)

    return app


async def mirror(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the sizes of the pieces in which the request arrived."""
    sizes = []
    while True:
        message = await receive()
        sizes.append(str(len(message["body"])))
        if not message["more_body"]:
            break
    await send(start())
    await send(body(",".join(sizes).encode()))


async def ticker(scope: Scope, receive: Receive, send: Send) -> None:
    """An endless response that ends when the client goes away."""

    async def tick() -> None:
        await send(start(headers=[(b"content-type", b"text/event-stream")]))
        for n in range(10**9):
            await send(body(f"data: {n}\n\n".encode(), more=True))
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    while (await receive())["type"] != "http.disconnect":
        pass
    ticking.cancel()
    scope["state"]["ended"].append("told")


def client_of(app: ASGIApp, **options: Any) -> TestClient:
    return TestClient(app, **options)


@pytest.mark.parametrize(
    ("content", "sizes"),
    [(None, "0"), (b"", "0"), (b"four", "4"), (iter([b"a", b"bcd"]), "1,3,0"), ([b"ab", b"c"], "2,1,0")],
)
def test_a_body_arrives_in_the_pieces_it_was_given_in(content: Any, sizes: str) -> None:
    assert client_of(mirror).post("/", content=content).text == sizes


def test_forms_and_files_arrive() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        data = b""
        while (message := await receive())["more_body"]:
            data += message["body"]
        await send(start())
        await send(body(data + message["body"]))

    client = client_of(app)
    assert client.post("/", data={"a": "1"}).text == "a=1"
    assert b'filename="f.txt"' in client.post("/", files={"f": ("f.txt", b"file")}).content


def test_an_endless_body_is_read_no_further_than_the_app_asks() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(413))
        await send(body(b"enough"))

    assert client_of(app).post("/", content=endless()).text == "enough"


def test_a_receive_that_is_cancelled_loses_nothing_of_the_body() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[bytes]:
        go_on.wait()
        yield b"late"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        go_on.set()
        message = await receive()
        await send(start())
        await send(body(message["body"]))

    assert client_of(app).post("/", content=slow()).text == "late"


@pytest.mark.parametrize("raises", [True, False])
def test_a_body_that_raises_ends_the_request_with_its_own_exception(raises: bool) -> None:
    told: list[str] = []

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("no more")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while len(told) < 3:
            told.append((await receive())["type"])

    with pytest.raises(LookupError, match="no more"):
        client_of(app, raise_server_exceptions=raises).post("/", content=broken())
    assert told == ["http.request", "http.disconnect", "http.disconnect"]


def test_the_app_is_told_of_the_end_when_its_response_is_complete() -> None:
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start())
        await send(body())
        told.append((await receive())["type"])

    client_of(app).get("/")
    assert told == ["http.disconnect"]


def test_a_response_arrives_in_its_pieces_with_its_headers() -> None:
    headers = [(b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-room", b"7")]
    client = client_of(sends(start(201, headers=headers), body(b"one", more=True), body(b"two", more=True), body()))
    with client.stream("GET", "/") as response:
        assert list(response.iter_raw()) == [b"one", b"two"]
    assert response.status_code == 201
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers["X-Room"] == "7"
    assert dict(client.cookies) == {"a": "1", "b": "2"}


def test_the_body_of_an_answer_to_head_is_dropped() -> None:
    response = client_of(sends(start(headers=[(b"content-length", b"3")]), body(b"abc"))).head("/")
    assert response.content == b""
    assert response.headers["content-length"] == "3"


def test_a_response_larger_than_the_buffer_arrives_whole() -> None:
    pieces = [body(b"%d," % n, more=True) for n in range(500)]
    assert client_of(sends(start(), *pieces, body())).get("/").text.count(",") == 500


def test_an_endless_stream_is_read_in_part_and_the_app_told_when_it_is_left() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ticker({**scope, "state": {"ended": ended}}, receive, send)

    with client_of(app).stream("GET", "/") as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(3)] == ["data: 0", "", "data: 1"]
    assert ended == ["told"]
    with pytest.raises(httpx.StreamError):
        list(response.iter_lines())


def test_an_endless_response_that_is_read_whole_is_a_mistake_with_a_way_out() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ticker({**scope, "state": {"ended": []}}, receive, send)

    with pytest.raises(AppTimeout, match=r"bytes so far; read an endless one in parts, with client.stream"):
        client_of(app, timeout_s=LIMIT_S).get("/")


def test_an_app_that_sends_on_after_the_client_has_gone_is_cancelled_in_the_end() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            while True:
                await send(body(b"more", more=True))
        finally:
            ended.append("cancelled")

    with client_of(app, timeout_s=LIMIT_S).stream("GET", "/") as response:
        assert next(response.iter_raw()) == b"more"
    assert ended == ["cancelled"]


def test_background_work_is_done_before_the_test_goes_on() -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"ok"))
        await asyncio.sleep(0.01)  # the work
        done.append("done")

    assert client_of(app).get("/").text == "ok"
    assert done == ["done"]


def test_background_work_that_does_not_end_is_named() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"ok"))
        await asyncio.Event().wait()  # the endless work

    with pytest.raises(AppTimeout, match=r"the app to end after its response(.|\n)*# the endless work"):
        client_of(app, timeout_s=LIMIT_S).get("/")


def test_a_response_that_is_never_started_says_where_the_app_is() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.Event().wait()  # for ever

    with pytest.raises(AppTimeout) as caught:
        client_of(app, timeout_s=0.4).post("/rooms/7?x=1", content=b"hi", timeout=LIMIT_S)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[0] == "waited 0.3 s for the app to start its response"
    assert lines[1] == "connection: POST /rooms/7, no response yet"
    assert lines[2].endswith("await asyncio.Event().wait()  # for ever")
    assert lines[3:] == ["last messages:", "the app got http.request b'hi'"]


BOOM = LookupError("boom")


@pytest.mark.parametrize("messages", [[BOOM], [start(500), body(b"x"), BOOM], [start(), body(b"x", more=True), BOOM]])
def test_the_exception_of_the_app_is_raised_wherever_its_response_stands(messages: list[Any]) -> None:
    with pytest.raises(LookupError, match="boom"):
        client_of(sends(*messages)).get("/")


def test_an_exception_after_a_part_of_a_stream_is_raised_when_the_stream_is_left() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"one", more=True))
        await receive()
        await receive()
        raise BOOM

    client = client_of(app)
    response = client.send(client.build_request("GET", "/"), stream=True)
    pieces = response.iter_raw()
    assert next(pieces) == b"one"
    with pytest.raises(LookupError, match="boom"):
        response.close()


@pytest.mark.parametrize(
    ("messages", "status", "text"),
    [
        ([BOOM], 500, "Internal Server Error"),
        ([], 500, "Internal Server Error"),
        ([start(503), body(b"x"), BOOM], 503, "x"),
    ],
)
def test_a_server_that_keeps_exceptions_to_itself_answers_as_one(messages: list[Any], status: int, text: str) -> None:
    response = client_of(sends(*messages), raise_server_exceptions=False).get("/")
    assert (response.status_code, response.text) == (status, text)


@pytest.mark.parametrize("messages", [[start(), body(b"x", more=True)], [start(), body(b"x", more=True), BOOM]])
def test_a_response_that_breaks_off_is_a_protocol_error(messages: list[Any]) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="the app ended before its response was complete") as caught:
        client_of(sends(*messages), raise_server_exceptions=False).get("/")
    assert caught.value.__cause__ is (BOOM if BOOM in messages else None)


def test_an_app_that_returns_without_a_response_is_named() -> None:
    with pytest.raises(RuntimeError, match="without a response to GET http://testserver/nowhere"):
        client_of(sends()).get("/nowhere")


@pytest.mark.parametrize(
    ("messages", "error", "text"),
    [
        ([body(b"x")], RuntimeError, "'http.response.body'; allowed there: 'http.response.start'"),
        ([start(), start()], RuntimeError, "'http.response.start'; allowed there: 'http.response.body'"),
        ([start(), body(), body()], RuntimeError, "allowed there: nothing more: the response is complete"),
        ([start(headers=[("x", "y")])], TypeError, "a pair of bytes"),
    ],
)
def test_an_app_that_breaks_the_protocol_is_told_what_is_allowed(
    messages: list[Message], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        client_of(sends(*messages)).get("/")
    assert text in str(caught.value)


@pytest.mark.parametrize(("status", "is_raised"), [(500, True), (404, False)])
def test_what_a_framework_reports_is_raised_when_it_answers_as_a_failure(status: int, is_raised: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][ERROR_HOOK](BOOM)
        await send(start(status))
        await send(body(b"{}"))

    if is_raised:
        with pytest.raises(LookupError, match="boom"):
            client_of(app).get("/")
    else:
        assert client_of(app).get("/").status_code == status
    assert client_of(app, raise_server_exceptions=False).get("/").status_code == status
