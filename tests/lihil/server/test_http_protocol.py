"""The HTTP side: the bounds of a request's head, and the way from there to a WebSocket."""

import asyncio
import os
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lihil.asgi import Receive, Scope, Send
from lihil.rfc6455.head import MAX_HEAD_BYTES
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol
from tests.lihil.server.memory import connect_http, send
from tests.lihil.server.wire import DEADLINE_S, echo, handshake, serving, settle, text

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Hasty(HTTPProtocol):
    head_timeout_s = 0.15
    shutdown_timeout_s = 0.1


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost:", handshake()[:-2]])
def test_a_silent_or_half_open_connection_is_cut_off(begun: bytes) -> None:
    with serving(echo, http=Hasty) as server, server.client() as client:
        with suppress(OSError):  # on a busy machine the time is over before
            client.send(begun)
        assert client.rest() == b""


@pytest.mark.parametrize("begun", [b"\r\n", b"GET / HTTP/1.1\r\nHost:"])
def test_so_is_one_that_had_a_request_before(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hasty, "head_timeout_s", DEADLINE_S)
    with serving(echo, http=Hasty, timeout_keep_alive=60) as server, server.client() as client:
        client.send(GET)
        assert client.head().startswith("HTTP/1.1 200")
        monkeypatch.undo()  # the first head had its time, on a busy machine as well
        client.send(begun)
        assert client.rest() == b"0"


def test_a_half_open_connection_does_not_hold_up_a_stop() -> None:
    with serving(echo) as server, server.client() as silent, server.client() as half:
        half.send(handshake()[:-2])
        assert server.is_alive()
        server.stop()
        assert silent.rest() == half.rest() == b""


def test_a_header_line_that_never_ends_is_cut_off() -> None:
    with serving(echo) as server, server.client() as client:
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * (1 << 26))
        assert server.is_alive()


@pytest.mark.parametrize("line", [b"X: " + b"x" * (1 << 20), b"\r\n".join(b"a: b" for _ in range(30_000))])
def test_too_large_a_head_is_refused(line: bytes) -> None:
    with serving(echo) as server, server.client() as client:
        with suppress(OSError):  # it may have hung up meanwhile
            client.send(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n")
        assert client.rest()[:13] in {b"HTTP/1.1 431 ", b""}
        assert server.is_alive()


def test_garbage_is_answered_with_400() -> None:
    with serving(echo) as server, server.client() as client:
        client.send(os.urandom(4096).replace(b"\n", b"\0") + b"\r\n\r\n")
        assert client.rest()[:13] == b"HTTP/1.1 400 "
        assert server.is_alive()


@pytest.mark.parametrize("size", [0, MAX_HEAD_BYTES, 4 * MAX_HEAD_BYTES])
def test_a_body_may_be_larger_than_a_head(size: int) -> None:
    with serving(echo) as server, server.client() as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        client.send(head % size + bytes(size))
        client.head()
        assert client.rest() == str(size).encode()


def test_many_small_requests_at_once_are_all_answered() -> None:
    with serving(echo) as server, server.client() as client:
        client.send(GET * 4999 + LAST)
        assert client.rest().count(b"HTTP/1.1 200") == 5000


@pytest.mark.parametrize("ws", [WebSocketProtocol, "websockets-sansio"])
def test_a_handshake_reaches_the_protocol_that_was_chosen(ws: Any) -> None:
    with serving(echo, ws=ws) as server, server.client() as client:
        client.open()
        client.send(text("hello"))
        assert client.event() == "hello"


# In memory


def test_a_head_has_64_kib_and_no_byte_more() -> None:
    async def talk(size: int) -> bytes:
        _, transport = connect_http()
        head = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
        send(transport, head + b"x" * (size - len(head) - 4) + b"\r\n\r\n")
        await settle()
        return transport.written[:13]

    assert asyncio.run(talk(MAX_HEAD_BYTES)) == b"HTTP/1.1 200 "
    assert asyncio.run(talk(MAX_HEAD_BYTES + 1)) == b"HTTP/1.1 431 "


def test_the_bound_holds_however_a_head_is_cut() -> None:
    async def talk() -> None:
        _, transport = connect_http()
        send(transport, b"GET / HTTP/1.1\r\nX: ")
        for _ in range(MAX_HEAD_BYTES // 1000):
            assert not transport.is_closing()
            send(transport, b"x" * 1000)
        send(transport, b"x" * 1000)
        assert transport.written[:13] == b"HTTP/1.1 431 "
        assert transport.is_closing()

    asyncio.run(talk())


@pytest.mark.parametrize("cut", range(len(GET) + 3))
def test_a_head_and_a_large_body_may_be_cut_anywhere(cut: int) -> None:
    async def talk() -> None:
        _, transport = connect_http()
        size = 2 * MAX_HEAD_BYTES
        data = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)
        send(transport, data[: cut + 15])
        send(transport, data[cut + 15 :])
        await settle()
        assert transport.written.endswith(b"\r\n\r\n%d" % size)
        transport.abort()
        await settle()

    asyncio.run(talk())


@pytest.mark.parametrize("frames", [b"", text("a"), b"".join(text("x" * 1000) for _ in range(200))])
def test_frames_that_come_with_the_handshake_are_not_lost(frames: bytes) -> None:
    async def talk() -> None:
        _, transport = connect_http()
        send(transport, handshake() + frames)
        send(transport, text("the last"))
        await settle()
        assert transport.frames()[-1] == "the last"
        assert len(transport.frames()) == 1 + frames.count(b"abcd")
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_refused_head_is_answered_once() -> None:
    async def talk() -> None:
        _, transport = connect_http()
        send(transport, b"garbage\r\n\r\n" + bytes(2 * MAX_HEAD_BYTES))
        assert transport.written.count(b"HTTP/1.1 ") == 1

    asyncio.run(talk())


class Slow:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.may_answer.wait()
        await echo(scope, receive, send)


def test_a_head_that_waits_behind_an_answer_has_time() -> None:
    async def talk() -> None:
        slow = Slow()
        _, transport = connect_http(slow, Hasty)
        send(transport, GET + GET[:-2])
        await asyncio.sleep(2 * Hasty.head_timeout_s)
        assert not transport.is_closing()
        slow.may_answer.set()
        await asyncio.wait_for(transport.ended.wait(), 5)
        assert transport.written.count(b"HTTP/1.1 200") == 1

    asyncio.run(talk())


def test_a_handshake_behind_an_unanswered_request_ends_the_connection() -> None:
    async def talk() -> None:
        slow = Slow()
        _, transport = connect_http(slow)
        send(transport, GET + handshake())
        assert transport.ended.is_set()
        slow.may_answer.set()
        await settle()
        assert transport.written == b""

    asyncio.run(talk())


def test_without_a_protocol_for_it_a_handshake_is_an_ordinary_request() -> None:
    async def talk() -> None:
        _, transport = connect_http(ws="none")
        send(transport, handshake())
        await settle()
        assert transport.written[:13] == b"HTTP/1.1 200 "
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_another_websocket_protocol_gets_the_handshake_as_uvicorn_gives_it() -> None:
    async def talk() -> None:
        _, transport = connect_http(ws=WebSocketsSansIOProtocol, ws_ping_interval=None)
        send(transport, handshake())
        await settle()
        assert transport.written[:13] == b"HTTP/1.1 101 "
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_stop_waits_for_the_answer_under_way_but_for_no_peer_that_does_not_read_it() -> None:
    async def talk() -> None:
        slow = Slow()
        protocol, transport = connect_http(slow, Hasty)
        send(transport, GET)
        await settle()
        protocol.shutdown()
        assert not transport.is_closing()
        transport.buffered = 1
        slow.may_answer.set()
        await settle()
        assert transport.written.endswith(b"\r\n\r\n0")
        protocol.shutdown()
        await asyncio.wait_for(transport.ended.wait(), 5)

    asyncio.run(talk())


class Patient(HTTPProtocol):
    patience_s = 3600.0


class Impatient(HTTPProtocol):
    patience_s = 0.0


@pytest.mark.parametrize("cut", [0, 5, len(GET) + 3])
def test_a_request_that_is_on_its_way_when_the_server_stops_is_the_last_one_answered(cut: int) -> None:
    async def talk() -> None:
        protocol, transport = connect_http(echo, Patient)
        both = GET + GET if cut > len(GET) else GET
        send(transport, both[:cut])
        await settle()
        protocol.shutdown()
        assert not transport.is_closing()
        send(transport, both[cut:])
        await asyncio.wait_for(transport.ended.wait(), DEADLINE_S)
        assert transport.written.count(b"HTTP/1.1 200 ") == both.count(GET)
        assert b"connection: close" in transport.written.rpartition(b"HTTP/1.1 200 ")[2]

    asyncio.run(talk())


def test_a_request_that_does_not_come_is_not_waited_for_longer() -> None:
    async def talk() -> None:
        protocol, transport = connect_http(echo, Impatient)
        protocol.shutdown()
        await asyncio.wait_for(transport.ended.wait(), DEADLINE_S)


# The scope, and which app gets it


def scope_of(request: bytes, **settings: Any) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await echo(scope, receive, send)

    async def talk() -> None:
        _, transport = connect_http(app, **settings)
        transport.facts = {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 5)}
        protocol = transport.protocol
        assert protocol is not None
        protocol.connection_made(transport)
        send(transport, request)
        await settle()
        transport.abort()
        await settle()

    asyncio.run(talk())
    return seen[0]


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/a", "/root/a", b"/root/a", b""),
        (b"/a%20b?c=%20&d", "/root/a b", b"/root/a%20b", b"c=%20&d"),
        (b"/a?b=c?d", "/root/a", b"/root/a", b"b=c?d"),
        (b"/a?b#c", "/root/a", b"/root/a", b"b"),
        (b"http://x/a?b=1", "/root/a", b"/root/a", b"b=1"),
    ],
)
def test_a_request_target_becomes_path_and_query(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    scope = scope_of(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target, root_path="/root")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_the_scope_of_a_request_says_what_the_specification_asks_for() -> None:
    scope = scope_of(b"POST / HTTP/1.0\r\nX-A: b\r\n\r\n")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "POST", "1.0", "http")
    assert (scope["headers"], scope["state"], scope["root_path"]) == ([(b"x-a", b"b")], {}, "")
    assert (scope["server"], scope["client"]) == (("127.0.0.1", 80), ("127.0.0.1", 5))


@pytest.mark.parametrize(
    ("field", "client", "scheme"),
    [
        (b"X: y", ("127.0.0.1", 5), "http"),
        (b"X-Forwarded-For: 10.0.0.1", ("10.0.0.1", 0), "http"),
        (b"X-Forwarded-Proto: https", ("127.0.0.1", 5), "https"),
    ],
)
def test_what_a_trusted_proxy_says_counts(field: bytes, client: object, scheme: str) -> None:
    scope = scope_of(b"GET / HTTP/1.1\r\n%b\r\n\r\n" % field)
    assert (scope["client"], scope["scheme"]) == (client, scheme)


def test_what_anybody_else_says_does_not() -> None:
    scope = scope_of(b"GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n", forwarded_allow_ips="10.9.9.9")
    assert scope["client"] == ("127.0.0.1", 5)


# Several requests on one connection


def test_requests_that_come_together_are_answered_one_after_the_other_in_their_order() -> None:
    running, most = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        path = scope["path"].encode()
        fields = [(b"content-length", b"%d" % len(path))]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        running -= 1
        await send({"type": "http.response.body", "body": path})

    async def talk() -> None:
        _, transport = connect_http(app)
        send(transport, b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5)))
        await settle()
        assert [piece[-2:] for piece in transport.pieces] == [b"/%d" % number for number in range(5)]
        assert most == 1
        transport.abort()
        await settle()

    asyncio.run(talk())


def test_a_connection_that_has_become_a_websocket_meanwhile_is_left_alone() -> None:
    async def talk() -> None:
        protocol, transport = connect_http(echo, Impatient)
        protocol.shutdown()
        send(transport, handshake())
        await asyncio.sleep(0.01)
        assert transport.written.startswith(b"HTTP/1.1 101 ")
        assert not transport.is_closing()

    asyncio.run(talk())


def test_an_idle_connection_is_closed_in_its_time_and_one_with_a_long_answer_is_not() -> None:
    async def talk() -> None:
        _, transport = connect_http(echo, Hasty, timeout_keep_alive=0.1)
        send(transport, GET)
        await asyncio.wait_for(transport.ended.wait(), 5)
        slow = Slow()
        _, transport = connect_http(slow, Hasty, timeout_keep_alive=0.05)
        send(transport, GET)
        await asyncio.sleep(2 * Hasty.head_timeout_s)
        assert not transport.is_closing()
        slow.may_answer.set()
        await asyncio.wait_for(transport.ended.wait(), 5)
        assert transport.written.startswith(b"HTTP/1.1 200 ")

    asyncio.run(talk())


def test_above_the_limit_a_request_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        _, transport = connect_http(echo, limit_concurrency=1)
        send(transport, GET)
        await settle()
        assert transport.written.startswith(b"HTTP/1.1 503 ")
        assert transport.ended.is_set()

    asyncio.run(talk())
    assert "limit_concurrency allows" in caplog.text


@pytest.mark.parametrize("resets", [False, True])
def test_the_app_is_called_in_a_context_of_its_own_where_that_is_asked_for(resets: bool) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(variable.get())
        await echo(scope, receive, send)

    async def talk() -> None:
        variable.set("of the connection")
        _, transport = connect_http(app, reset_contextvars=resets)
        send(transport, GET)
        await settle()
        transport.abort()
        await settle()

    asyncio.run(talk())
    assert seen == ["none" if resets else "of the connection"]
