"""HTTP served by a real uvicorn, with both of its parsers."""

import asyncio
import logging
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import pytest
import uvicorn
from websockets.sync.client import connect

from lihil import (
    HTML,
    SSE,
    AsyncResource,
    EventStream,
    Lihil,
    Route,
    Struct,
    WebSocket,
    WebSocketRoute,
    status,
    use,
)
from lihil.http.body import MAX_BODY_BYTES
from lihil.testing.library import httpx

LIMIT_S = 10.0


class Item(Struct):
    name: str
    price: float


SAID: queue.SimpleQueue[str] = queue.SimpleQueue()
MET = threading.Barrier(2)

page, items, item, events, failing, met, broken = (
    Route(path) for path in ("/", "items", "items/{number:int}", "events", "failing", "met", "broken")
)
talk = WebSocketRoute("/")


@page.get
async def home(name: str = "world") -> HTML:
    return f"<h1>Hello, {name}!</h1>"


@talk.ws_handler
async def greet(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text("Hello, socket!")


@items.post
async def add(item: Item, notify: bool = False) -> Annotated[Item, status.HTTP_201_CREATED]:
    return item


@item.delete(status=204)
def remove(number: int) -> None: ...


async def subscription() -> AsyncResource[str]:
    try:
        yield "subscribed"
    except Exception as exc:
        SAID.put(type(exc).__name__)
        raise
    finally:
        SAID.put("unsubscribed")


@events.get
async def ticks(subscription: Annotated[str, use(subscription)]) -> EventStream:
    yield SSE(data=subscription, id=1)
    try:
        await asyncio.Event().wait()
    finally:
        SAID.put("generator closed")


@failing.get
async def fail() -> None:
    raise ValueError("the secret")


@broken.get
async def breaks() -> EventStream:
    yield SSE(data="first")
    raise ValueError("the secret")


@met.get
def meet() -> int:
    MET.wait(LIMIT_S)  # two requests meet here, or neither gets on
    return threading.get_ident()


APP = Lihil(page, talk, items, item, events, failing, met, broken)


class Address(NamedTuple):
    host: str
    port: int


@pytest.fixture(scope="module", params=["h11", "httptools"])
def server(request: pytest.FixtureRequest) -> Iterator[Address]:
    config = uvicorn.Config(APP, log_config=None, lifespan="on", http=request.param, ws="websockets-sansio")
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()  # a client that comes before the server is up waits in the backlog
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    yield Address(*listening.getsockname())
    running.should_exit = True
    thread.join()


@pytest.fixture
def client(server: Address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{server.host}:{server.port}", timeout=LIMIT_S, trust_env=False) as client:
        yield client


def test_the_first_page(client: httpx.Client) -> None:
    response = client.get("/?name=you")
    assert (response.status_code, response.text) == (200, "<h1>Hello, you!</h1>")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_head_has_the_headers_of_the_page_and_no_content(client: httpx.Client) -> None:
    response = client.head("/")
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "22", b"")


def test_a_socket_on_the_path_of_the_page(server: Address) -> None:
    connected = socket.create_connection(server, timeout=LIMIT_S)  # by hand, for no proxy of the machine's is asked so
    with connect(f"ws://{server.host}:{server.port}/", sock=connected) as ws:
        assert ws.recv(timeout=LIMIT_S) == "Hello, socket!"


def test_a_json_body_and_a_status_in_the_return_type(client: httpx.Client) -> None:
    response = client.post("/items", json={"name": "a", "price": 1})
    assert (response.status_code, response.json()) == (201, {"name": "a", "price": 1.0})


def test_nothing_to_answer_with(client: httpx.Client) -> None:
    response = client.delete("/items/3")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


def test_wrong_parameters_are_named_together(client: httpx.Client) -> None:
    response = client.post("/items?notify=perhaps", json={"name": 1, "price": 1})
    assert response.status_code == 422
    assert [issue["param"] for issue in response.json()["errors"]] == ["item.name", "notify"]


@pytest.mark.parametrize(
    ("method", "path", "status_", "header"),
    [
        ("GET", "/nowhere", 404, {}),
        ("GET", "/items/three", 404, {}),
        ("DELETE", "/items", 405, {"allow": "OPTIONS, POST"}),
        ("OPTIONS", "/", 204, {"allow": "GET, HEAD, OPTIONS"}),
        ("GET", "/failing", 500, {}),
    ],
)
def test_refusals(client: httpx.Client, method: str, path: str, status_: int, header: dict[str, str]) -> None:
    response = client.request(method, path)
    assert response.status_code == status_
    assert header.items() <= dict(response.headers).items()
    if status_ >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status_


def test_a_body_of_another_type_is_refused(client: httpx.Client) -> None:
    response = client.post("/items", content=b"x", headers={"content-type": "text/plain"})
    assert (response.status_code, response.headers["accept"]) == (415, "application/json")


def in_pieces() -> Iterator[bytes]:
    for _ in range(MAX_BODY_BYTES // 65_536 + 1):
        yield b"x" * 65_536


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_above_the_limit_is_refused_and_the_connection_serves_on(
    client: httpx.Client, is_announced: bool
) -> None:
    content = b"x" * (MAX_BODY_BYTES + 1) if is_announced else in_pieces()
    assert client.post("/items", content=content).status_code == 413
    assert client.get("/").status_code == 200


def test_an_unexpected_exception_is_logged_once_and_the_client_learns_nothing(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/failing")
    assert "secret" not in response.text
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [(record.name, record.getMessage()) for record in errors] == [("lihil.http", "fail failed on GET /failing")]


def test_a_failure_in_the_middle_cuts_the_connection_and_is_logged_once(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/broken")
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    told = logging.Formatter().format(record)
    assert "ValueError: the secret\nbreaks failed on GET /broken, in the middle of its response" in told


def test_sync_handlers_run_side_by_side(client: httpx.Client) -> None:
    threads: list[int] = []
    asking = [threading.Thread(target=lambda: threads.append(client.get("/met").json())) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(set(threads)) == 2


def test_a_client_that_leaves_a_stream_ends_it_once(server: Address, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(server, timeout=LIMIT_S) as browser:
        browser.sendall(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        received = b""
        while b"data: subscribed\n\n" not in received:
            received += browser.recv(4096)
    assert b"content-type: text/event-stream; charset=utf-8\r\n" in received.lower()
    said = [SAID.get(timeout=LIMIT_S) for _ in range(3)]
    assert said == ["generator closed", "ClientDisconnect", "unsubscribed"]
    assert SAID.empty()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
