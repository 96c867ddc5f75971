import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.connecting import (
    CannotConnectError,
    Connection,
    ConnectionEndedError,
    Handshake,
    Loop,
    RefusedError,
    Tls,
    open_connection,
)
from lihil_cli.wstest.network.target import Target
from tests.lihil_cli.wstest.conftest import Servers, accept

PLAIN = Handshake()
CERTIFICATE = Path(__file__).with_name("self_signed.pem")


async def silent(connection: ServerConnection) -> None:
    """Say nothing, and close."""


async def meet(
    target: Target, handshake: Handshake = PLAIN, report: Callable[[str], None] = print
) -> tuple[list[str | bytes], Closed]:
    """Connect, take every message, and give them with how it ended."""
    connection = await open_connection(target, handshake, report)
    messages: list[str | bytes] = []
    try:
        while True:
            messages.append(await connection.receive())
    except ConnectionEndedError as end:
        return messages, end.event
    finally:
        await connection.drop()


def at(port: int, path: str = "/", scheme: str = "ws") -> Target:
    return Target(f"{scheme}://127.0.0.1:{port}{path}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_messages_of_both_kinds_arrive_and_then_the_close(servers: Servers) -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("text")
        await connection.send(b"\x00\xff")
        await connection.close(4001, "bye")

    assert asyncio.run(meet(at(servers.websocket(greet)))) == (["text", b"\x00\xff"], Closed(4001, "bye", "server"))


def test_the_handshake_carries_what_was_asked_for(servers: Servers) -> None:
    seen: list[Request | None] = []

    async def look(connection: ServerConnection) -> None:
        seen.append(connection.request)

    port = servers.websocket(look, subprotocols=["b"])
    handshake = Handshake((("X-Token", "abc"), ("Cookie", "a=b")), ("a", "b"), "https://example.com")

    async def negotiate() -> str | None:
        connection = await open_connection(at(port, "/room?x=1"), handshake, print)
        with pytest.raises(ConnectionEndedError):
            await connection.receive()
        return connection.subprotocol

    assert asyncio.run(negotiate()) == "b"
    [request] = seen
    assert request is not None
    assert request.path == "/room?x=1"
    assert {name: request.headers[name] for name in ("X-Token", "Cookie", "Origin", "User-Agent")} == {
        "X-Token": "abc",
        "Cookie": "a=b",
        "Origin": "https://example.com",
        "User-Agent": "lihil-ws-test",
    }


def test_a_unix_socket_is_as_good(servers: Servers, tmp_path: Path) -> None:
    servers.unix(tmp_path / "s", silent)
    target = Target("ws://localhost/", uds=str(tmp_path / "s"))
    assert asyncio.run(meet(target)) == ([], Closed(1000, "", "server"))


def test_a_proxy_in_the_environment_is_not_asked_for_this_machine(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    assert asyncio.run(meet(at(servers.websocket(silent))))[1] == Closed(1000)
    with pytest.raises(CannotConnectError, match="connection refused"):
        asyncio.run(meet(Target("ws://unreachable.invalid/")))


def test_a_socks_proxy_that_needs_a_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{free_port()}")
    monkeypatch.setenv("socks_proxy", f"socks5://127.0.0.1:{free_port()}")
    with pytest.raises(CannotConnectError):
        asyncio.run(meet(Target("ws://unreachable.invalid/")))


def test_a_port_where_nobody_listens_refuses() -> None:
    port = free_port()
    with pytest.raises(CannotConnectError, match=f"cannot connect to 127.0.0.1:{port}: connection refused"):
        asyncio.run(meet(at(port)))


def test_a_unix_socket_that_is_not_there_cannot_be_connected(tmp_path: Path) -> None:
    with pytest.raises(CannotConnectError, match="No such file"):
        asyncio.run(meet(Target("ws://localhost/", uds=str(tmp_path / "absent"))))


def test_an_unknown_host_is_named() -> None:
    async def find() -> None:
        await meet(Target("ws://unreachable.invalid/"))

    with (
        asyncio.Runner(loop_factory=Loop) as runner,
        pytest.raises(CannotConnectError, match="cannot find unreachable"),
    ):
        runner.run(find())


def test_a_name_that_is_never_found_holds_up_neither_the_wait_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, release, answered = threading.Event(), threading.Event(), threading.Event()

    def never(*_: object) -> list[object]:
        asked.set()
        release.wait()
        answered.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)

    async def give_up(*, wait_for_answer: bool) -> None:
        looking = asyncio.ensure_future(meet(Target("ws://slow.invalid/")))
        while not asked.is_set():
            await asyncio.sleep(0.001)
        looking.cancel()
        await asyncio.wait({looking})
        if wait_for_answer:
            release.set()
            while not answered.is_set():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(give_up(wait_for_answer=False))
    release.set()
    for event in (asked, release, answered):
        event.clear()
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(give_up(wait_for_answer=True))


def test_a_name_is_found_beside_the_loop(servers: Servers) -> None:
    port = servers.websocket(silent)
    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(meet(Target(f"ws://localhost:{port}/")))[1] == Closed(1000)


def test_a_server_that_never_answers_is_given_up(servers: Servers) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    port = servers.raw(mute)
    with pytest.raises(CannotConnectError, match=f"127.0.0.1:{port} gave no answer within 0.05 s"):
        asyncio.run(meet(at(port), Handshake(open_timeout_s=0.05)))


def test_a_server_that_hangs_up_is_told(servers: Servers) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    port = servers.raw(hang_up)
    with pytest.raises(CannotConnectError, match="hung up without an answer"):
        asyncio.run(meet(at(port)))


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail.example.com\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_handshake_is_refused(servers: Servers, answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await reader.read()

    with pytest.raises(RefusedError, match="no valid answer") as caught:
        asyncio.run(meet(at(servers.raw(babble))))
    assert caught.value.refusal is None


def test_a_refusal_carries_status_headers_and_body(servers: Servers) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(404, "nothing here\n")

    port = servers.websocket(silent, process_request=refuse)
    with pytest.raises(RefusedError) as caught:
        asyncio.run(meet(at(port)))
    refusal = caught.value.refusal
    assert refusal is not None
    assert (refusal.status, refusal.phrase, refusal.body) == (404, "Not Found", b"nothing here\n")
    assert ("content-type", "text/plain; charset=utf-8") in refusal.headers


def redirecting(servers: Servers, **locations: str | None) -> int:
    """A server whose paths redirect to where `locations` says; None means without a Location."""

    def redirect(connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.strip("/")
        if path not in locations:
            return None
        response = connection.respond(307, "")
        location = locations[path]
        if location is not None:
            response.headers["Location"] = location
        return response

    return servers.websocket(silent, process_request=redirect)


def test_a_redirect_is_followed_and_told(servers: Servers) -> None:
    told: list[str] = []
    port = redirecting(servers, a="/b", b="c")
    assert asyncio.run(meet(at(port, "/a"), Handshake(), told.append))[1] == Closed(1000)
    assert told == [f"redirected to ws://127.0.0.1:{port}/b", f"redirected to ws://127.0.0.1:{port}/c"]


def test_what_was_given_for_one_server_does_not_go_to_another(servers: Servers) -> None:
    told: list[str] = []
    seen: list[Request] = []

    def look(connection: ServerConnection, request: Request) -> None:
        seen.append(request)

    elsewhere = servers.websocket(silent, process_request=look)
    port = redirecting(servers, a=f"ws://user:pw@127.0.0.1:{elsewhere}/b")
    handshake = Handshake((("Authorization", "Bearer s3cret"), ("Cookie", "a=b")))
    assert asyncio.run(meet(at(port, "/a"), handshake, told.append))[1] == Closed(1000)
    [request] = seen
    assert not {"Authorization", "Cookie"} & {name.title() for name, _ in request.headers.raw_items()}
    assert told[0].startswith(f"redirected to ws://127.0.0.1:{elsewhere}/b (another server: it gets no header")


def test_what_was_given_stays_on_the_same_server(servers: Servers) -> None:
    seen: list[str | None] = []

    def redirect(connection: ServerConnection, request: Request) -> Response | None:
        seen.append(request.headers.get("Authorization"))
        if request.path != "/a":
            return None
        response = connection.respond(302, "")
        response.headers["Location"] = "/b"
        return response

    target = Target(f"ws://me:pw@127.0.0.1:{servers.websocket(silent, process_request=redirect)}/a")
    assert asyncio.run(meet(target))[1] == Closed(1000)
    assert seen == ["Basic bWU6cHc=", "Basic bWU6cHc="]


def test_a_redirect_that_is_not_to_be_followed_is_a_refusal(servers: Servers) -> None:
    port = redirecting(servers, a="/b")
    with pytest.raises(RefusedError) as caught:
        asyncio.run(meet(at(port, "/a"), Handshake(follows_redirects=False)))
    assert caught.value.refusal is not None
    assert caught.value.refusal.status == 307


def test_the_request_is_kept_for_who_wants_to_see_it(servers: Servers) -> None:
    async def look(port: int) -> bytes:
        connection = await open_connection(at(port, "/x"), Handshake(compression=False), print)
        await connection.drop()
        return connection.request

    request = asyncio.run(look(servers.websocket(silent)))
    assert request.startswith(b"GET /x HTTP/1.1\r\n")
    assert b"permessage-deflate" not in request


def test_a_host_that_is_none_cannot_be_found() -> None:
    with pytest.raises(CannotConnectError, match="cannot find"):
        asyncio.run(meet(Target(f"ws://{'x' * 64}.example/")))


@pytest.mark.parametrize(
    ("location", "why"),
    [("/a", "more than 5 redirects"), ("ftp://localhost/", "no scheme"), (None, "refused")],
)
def test_a_redirect_that_leads_nowhere_good_is_refused(servers: Servers, location: str | None, why: str) -> None:
    port = redirecting(servers, a=location)
    with pytest.raises(RefusedError, match=why):
        asyncio.run(meet(at(port, "/a")))


def test_a_certificate_that_is_not_trusted_is_refused_unless_told_otherwise(servers: Servers) -> None:
    port = servers.websocket(silent, ssl=server_tls())
    with pytest.raises(CannotConnectError, match="is not trusted: self-signed certificate") as caught:
        asyncio.run(meet(at(port, scheme="wss")))
    assert "--insecure" in caught.value.hint
    assert asyncio.run(meet(at(port, scheme="wss"), Handshake(tls=Tls(insecure=True))))[1] == Closed(1000)


def test_a_server_without_tls_is_recognised(servers: Servers) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    with pytest.raises(CannotConnectError, match="no TLS with") as caught:
        asyncio.run(meet(at(servers.raw(babble), scheme="wss")))
    assert "ws://" in caught.value.hint


def test_a_message_over_the_limit_ends_the_connection(servers: Servers) -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * 20 * 2**20)

    port = servers.websocket(flood)
    messages, end = asyncio.run(meet(at(port)))
    assert (messages, end.code, end.by) == ([], 1009, "client")
    messages, end = asyncio.run(meet(at(port), Handshake(max_bytes=None)))
    assert ([len(message) for message in messages], end.code) == ([20 * 2**20], 1000)


async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)


async def close_empty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(b"\x88\x00")
    await reader.read()


async def close_and_hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(b"\x88\x02\x03\xf3")  # 1011
    await asyncio.Event().wait()


async def break_a_rule(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(b"\xf0\x00")  # reserved bits
    await reader.read()


async def break_utf8(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(b"\x81\x01\xff")
    await reader.read()


@pytest.mark.parametrize(
    ("behaviour", "code", "by"),
    [
        (drop, 1006, "nobody"),
        (close_empty, 1005, "server"),
        (close_and_hold, 1011, "server"),
        (break_a_rule, 1002, "client"),
        (break_utf8, 1007, "client"),
    ],
)
def test_how_a_connection_ends_is_told(servers: Servers, behaviour: Callable[..., object], code: int, by: str) -> None:
    messages, end = asyncio.run(meet(at(servers.raw(behaviour)), Handshake(close_timeout_s=0.05)))  # type: ignore[arg-type]
    assert (messages, end.code, end.by) == ([], code, by)


def test_what_is_sent_comes_back_and_a_ping_is_measured(servers: Servers) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def talk(connection: Connection) -> tuple[str | bytes, float | None, Closed]:
        await connection.send("hi")
        back = await connection.receive()
        rtt_s = await connection.ping()
        await connection.close(4001, "bye")
        with pytest.raises(ConnectionEndedError) as end:
            await connection.receive()
        await connection.send("too late")
        assert await connection.ping() is None
        await connection.drop()
        return back, rtt_s, end.value.event

    async def run(port: int) -> tuple[str | bytes, float | None, Closed]:
        return await talk(await open_connection(at(port), Handshake(), print))

    back, rtt_s, end = asyncio.run(run(servers.websocket(echo)))
    assert (back, end) == ("hi", Closed(4001, "bye", "client"))
    assert rtt_s is not None
    assert rtt_s > 0
