"""The in-memory server against a real one: the same apps, the same clients' view."""

import json
import queue
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from lihil.asgi import Message, Receive, Scope, Send
from lihil.errors import WebSocketDisconnect
from lihil.testing import HandshakeRefused, TestClient, WebSocketSession

# What the apps below say they were told, by the path and query string of the connection.
TOLD: defaultdict[tuple[str, bytes], queue.SimpleQueue[Any]] = defaultdict(queue.SimpleQueue)


@dataclass
class Seen:
    """What a client sees of one connection."""

    status: int = 101
    body: bytes = b""
    content_type: str | None = None
    flavour: str | None = None
    subprotocol: str | None = None
    received: list[str | bytes] = field(default_factory=list)
    code: int | None = None
    reason: str | None = None


async def accept(receive: Receive, send: Send, **more: Any) -> None:
    assert (await receive()) == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def closes_before_accept(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4401, "reason": "no token"})
    TOLD[scope["path"], scope["query_string"]].put((await receive())["code"])


async def denies(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"application/problem+json"), (b"x-flavour", b"plum")]
    await send({"type": "websocket.http.response.start", "status": 422, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b'{"status":', "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"422}"})
    await receive()
    TOLD[scope["path"], scope["query_string"]].put((await receive())["code"])


async def denies_barely(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.http.response.start", "status": 429})
    await send({"type": "websocket.http.response.body", "body": b"slow down"})


async def raises_before_accept(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("inner detail")


async def returns_before_accept(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def closes_with_reason(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4000, "reason": "до свидания"})
    message = await receive()
    TOLD[scope["path"], scope["query_string"]].put((message["type"], message["code"]))


async def closes_plainly(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await send({"type": "websocket.send", "text": "one", "bytes": None})
    await send({"type": "websocket.send", "bytes": b"two"})
    await send({"type": "websocket.send", "text": "unseen", "bytes": b"bytes win"})
    await send({"type": "websocket.send"})
    await send({"type": "websocket.close"})


async def accepts_with_headers(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send, subprotocol="chat.v2", headers=[(b"X-Flavour", b"pear")])
    await send({"type": "websocket.close", "code": 1001, "reason": None})


async def returns_after_accept(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)


async def sends_what_is_not_allowed(scope: Scope, receive: Receive, send: Send) -> None:
    async def attempt(message: Message) -> None:
        try:
            await send(message)
        except RuntimeError:
            TOLD[scope["path"], scope["query_string"]].put((message["type"], "RuntimeError"))
        else:
            TOLD[scope["path"], scope["query_string"]].put((message["type"], "taken"))

    await receive()
    await attempt({"type": "websocket.send", "text": "too early"})
    await attempt({"type": "http.response.start", "status": 200})
    await attempt({"type": "websocket.http.response.start", "status": 999})
    await attempt({"type": "websocket.accept"})
    await attempt({"type": "websocket.accept"})
    await attempt({"type": "websocket.http.response.start", "status": 200})
    await attempt({"type": "websocket.close", "code": 4001})
    await attempt({"type": "websocket.send", "text": "too late"})
    await attempt({"type": "websocket.close"})


async def tells_of_the_scope(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send, subprotocol=scope["subprotocols"][-1])
    told = {key: str(scope[key]) for key in scope.keys() - {"client", "server", "headers", "extensions"}}
    told["keys"] = " ".join(sorted(scope))
    told["denial"] = str(scope["extensions"]["websocket.http.response"])
    told["hook"] = str(set(scope["extensions"]) <= {"websocket.http.response", "lihil.error"})
    told["headers"] = " ".join(sorted({name.decode() for name, _ in scope["headers"]} & HANDSHAKE_HEADERS))
    told["kinds"] = " ".join(type(scope[key]).__name__ for key in ("client", "server", "headers"))
    await send({"type": "websocket.send", "text": json.dumps(told)})
    await send({"type": "websocket.close"})


HANDSHAKE_HEADERS = {
    *("host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"),
    *("x-mine",),
}
APPS = {
    app.__name__: app
    for app in (
        echoes,
        closes_before_accept,
        denies,
        denies_barely,
        raises_before_accept,
        returns_before_accept,
        closes_with_reason,
        closes_plainly,
        accepts_with_headers,
        returns_after_accept,
        sends_what_is_not_allowed,
        tells_of_the_scope,
    )
}


async def street(scope: Scope, receive: Receive, send: Send) -> None:
    await APPS[scope["path"].split("/")[1]](scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    config = uvicorn.Config(street, log_config=None, lifespan="off", ws="websockets-sansio")
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listening],))
    listening.listen()  # so that a client that comes before the server is up waits in the backlog
    thread.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    thread.join()


OFFERED = [Subprotocol("chat.v1"), Subprotocol("chat.v2")]


def see_on_the_wire(address: str, path: str, sent: list[str | bytes]) -> Seen:
    seen = Seen()
    try:
        ws = connect(
            f"ws://{address}{path}",
            subprotocols=OFFERED,
            additional_headers={"x-mine": "1"},
            compression=None,
            proxy=None,
        )
    except InvalidStatus as refused:
        answer = refused.response
        # uvicorn before 0.54 sends its own content-type ahead of the app's.
        content_type = answer.headers.get_all("content-type")[-1]
        return Seen(answer.status_code, bytes(answer.body or b""), content_type, answer.headers.get("x-flavour"))
    with ws:
        assert ws.response is not None
        seen.subprotocol, seen.flavour = ws.subprotocol, ws.response.headers.get("x-flavour")
        try:
            for data in sent:
                ws.send(data)
                seen.received.append(ws.recv(timeout=5))
            while not sent:
                seen.received.append(ws.recv(timeout=5))
        except ConnectionClosed:
            seen.code, seen.reason = ws.close_code, ws.close_reason
    return seen


def either(message: Message) -> list[str | bytes]:
    if message["type"] == "websocket.close":
        raise WebSocketDisconnect(message["code"], message["reason"])
    return [message["text"] if "text" in message else message["bytes"]]


def talk_in_memory(ws: WebSocketSession, sent: list[str | bytes], received: list[str | bytes]) -> None:
    for data in sent:
        kind = "text" if isinstance(data, str) else "bytes"
        ws.send({"type": "websocket.receive", kind: data})
        received += either(ws.receive())
    while not sent:
        received += either(ws.receive())


def see_in_memory(_: str, path: str, sent: list[str | bytes]) -> Seen:
    seen = Seen()
    session = TestClient(street).websocket_connect(path, list(OFFERED), headers={"x-mine": "1"})
    try:
        with session as ws:
            seen.subprotocol, seen.flavour = ws.accepted_subprotocol, ws.response_headers.get("x-flavour")
            talk_in_memory(ws, sent, seen.received)
    except HandshakeRefused as refused:
        headers = refused.headers
        return Seen(refused.status, refused.body, headers.get("content-type"), headers.get("x-flavour"))
    except WebSocketDisconnect as ended:
        seen.code, seen.reason = ended.code, ended.reason
    return seen


See = Callable[[str, str, list[str | bytes]], Seen]
BOTH = pytest.mark.parametrize("see", [see_on_the_wire, see_in_memory])
PLAIN = "text/plain; charset=utf-8"
PROBLEM = "application/problem+json"


@BOTH
@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("/echoes", ["a", b"b", "в"], Seen(received=["a", b"b", "в"])),
        ("/closes_before_accept", [], Seen(403, b"", PLAIN)),
        ("/denies", [], Seen(422, b'{"status":422}', PROBLEM, "plum")),
        ("/denies_barely", [], Seen(429, b"slow down", PLAIN)),
        ("/raises_before_accept", [], Seen(500, b"Internal Server Error", PLAIN)),
        ("/returns_before_accept", [], Seen(500, b"Internal Server Error", PLAIN)),
        ("/closes_with_reason", [], Seen(code=4000, reason="до свидания")),
        ("/closes_plainly", [], Seen(received=["one", b"two", b"bytes win"], code=1000, reason="")),
        ("/accepts_with_headers", [], Seen(flavour="pear", subprotocol="chat.v2", code=1001, reason="")),
        ("/returns_after_accept", [], Seen(code=1006, reason="")),
    ],
)
def test_a_client_sees_what_it_would_see_of_uvicorn(
    see: See, server: str, path: str, sent: list[str | bytes], expected: Seen
) -> None:
    assert see(server, path, sent) == expected


@BOTH
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/closes_before_accept", [1006]),
        ("/denies", [1006]),
        ("/closes_with_reason", [("websocket.disconnect", 4000)]),
        (
            "/sends_what_is_not_allowed",
            [
                ("websocket.send", "RuntimeError"),
                ("http.response.start", "RuntimeError"),
                ("websocket.http.response.start", "RuntimeError"),
                ("websocket.accept", "taken"),
                ("websocket.accept", "RuntimeError"),
                ("websocket.http.response.start", "RuntimeError"),
                ("websocket.close", "taken"),
                ("websocket.send", "RuntimeError"),
                ("websocket.close", "RuntimeError"),
            ],
        ),
    ],
)
def test_an_app_is_told_what_uvicorn_would_tell_it(see: See, server: str, path: str, expected: list[Any]) -> None:
    told = TOLD[path, see.__name__.encode()]
    see(server, f"{path}?{see.__name__}", [])
    assert [told.get(timeout=5) for _ in expected] == expected
    assert told.empty()


def test_the_scope_is_the_one_that_uvicorn_makes(server: str) -> None:
    path = "/tells_of_the_scope/%D0%B4%20x%2Fy?q=%D0%B4&q=2"
    wire, memory = (see(server, path, []).received[0] for see in (see_on_the_wire, see_in_memory))
    assert json.loads(memory) == json.loads(wire)
    assert json.loads(memory)["subprotocols"] == "['chat.v1', 'chat.v2']"


async def crashes(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    raise LookupError("inner detail")


def test_a_crash_is_1011_where_uvicorn_only_drops_the_connection() -> None:
    with TestClient(crashes).websocket_connect("/") as ws, pytest.raises(WebSocketDisconnect) as caught:
        ws.receive_text()
    assert caught.value.code == 1011
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ({"type": "websocket.close", "code": 1005}, RuntimeError, "1005 may not stand in a Close frame"),
        ({"type": "websocket.close", "reason": "д" * 62}, RuntimeError, "123 bytes at most"),
        ({"type": "websocket.accept"}, RuntimeError, "allowed there: 'websocket.send' or 'websocket.close'"),
        ({"type": "websocket.explode"}, RuntimeError, "that is open"),
    ],
)
def test_an_app_that_breaks_the_protocol_is_told_what_is_allowed(
    message: Message, error: type[Exception], text: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send(message)

    with TestClient(app).websocket_connect("/") as ws, pytest.raises(WebSocketDisconnect) as caught:
        ws.receive_text()
    assert isinstance(caught.value.__cause__, error)
    assert text in str(caught.value.__cause__)


def test_headers_that_are_not_bytes_fail_in_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "headers": [("x-mine", "1")]})

    with pytest.raises(HandshakeRefused) as caught, TestClient(app).websocket_connect("/"):
        pass
    assert caught.value.status == 500
    assert "a pair of bytes" in str(caught.value.__cause__)


def test_a_denial_response_that_breaks_off_is_a_lost_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 401})
        raise LookupError("no body")

    with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/"):
        pass
    assert (caught.value.code, caught.value.reason) == (1006, "the app began a denial response and never finished it")
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_flood_waits_for_its_reader_and_arrives_whole() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        for n in range(3000):
            await send({"type": "websocket.send", "text": str(n)})
        await send({"type": "websocket.close"})

    with TestClient(app).websocket_connect("/") as ws:
        assert list(ws) == [str(n) for n in range(3000)]


def test_an_endless_flood_ends_when_its_reader_leaves() -> None:
    raised: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        try:
            while True:
                await send({"type": "websocket.send", "text": "more"})
        except OSError as exc:
            raised.append(exc)
            raise

    with TestClient(app).websocket_connect("/") as ws:
        assert ws.receive_text() == "more"
    assert [str(exc) for exc in raised] == ["the client has closed the connection"]


def test_messages_sent_before_the_close_are_read_before_it() -> None:
    read: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "text": "ready"})
        for _ in range(4):
            message = await receive()
            read.append(message.get("text") or message.get("bytes") or (message["code"], message["reason"]))

    with TestClient(app).websocket_connect("/") as ws:
        ws.receive_text()
        ws.send_text("a")
        ws.send_bytes(b"b")
        ws.close(4002, "enough")
    assert read == ["a", b"b", (4002, "enough"), (4002, "enough")]
