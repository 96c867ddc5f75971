"""What peers do to a server, over real sockets: each one has its answer, and the next client is served."""

import asyncio
import logging
import socket
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.sync.client import connect

from lihil.asgi import WS_ACCEPT, WS_CLOSE, WS_DENIAL_BODY, WS_DENIAL_START, WS_RECEIVE, WS_SEND, Receive, Scope, Send
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.connection import Close
from lihil.rfc6455.frames import encode_frame
from lihil.server.inbound import HIGH_BYTES
from lihil.server.ws_protocol import WebSocketProtocol
from tests.lihil.server.wire import Client, Running, echo, frame, handshake, serving, text, until

# What the kernel takes off a server's hands for a client that does not read is not the server's memory.
BOUND = 4 * HIGH_BYTES


class Hasty(WebSocketProtocol):
    close_timeout_s = 0.3


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends for ever."""
    await send({"type": WS_ACCEPT})
    while True:
        await send({"type": WS_SEND, "bytes": bytes(65_536)})
        await asyncio.sleep(0)


async def sleeping(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, and takes no message before the test says so."""
    end = scope["state"]["end"] = asyncio.Event()
    await receive()
    await send({"type": WS_ACCEPT})
    await end.wait()
    while (await receive())["type"] == WS_RECEIVE:
        pass


def held_bytes(server: Running) -> int:
    """What the server keeps for its WebSockets in either direction."""
    return sum(
        one._inbound.size + one._transport.get_write_buffer_size() + len(one._early) for one in server.connections
    )


# Frames


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (encode_frame(0x81, b"x"), CloseCode.PROTOCOL_ERROR),  # not masked
        (frame(0xC1, b"x"), CloseCode.PROTOCOL_ERROR),
        (frame(0x83, b"x"), CloseCode.PROTOCOL_ERROR),
        (frame(0x80, b"x"), CloseCode.PROTOCOL_ERROR),  # a continuation of nothing
        (frame(0x89, bytes(126)), CloseCode.PROTOCOL_ERROR),
        (frame(0x09, b"x"), CloseCode.PROTOCOL_ERROR),  # a ping in fragments
        (frame(0x88, b"\x03"), CloseCode.PROTOCOL_ERROR),
        (frame(0x88, b"\x03\xed"), CloseCode.PROTOCOL_ERROR),  # 1005
        (frame(0x88, b"\x03\xe8\xed\xa0\x80"), CloseCode.INVALID_PAYLOAD),  # a surrogate
        (frame(0x81, b"\xff"), CloseCode.INVALID_PAYLOAD),
        (frame(0x01, b"\xff"), CloseCode.INVALID_PAYLOAD),  # at once, not at the message's end
        (b"\x82\xff" + (1 << 63).to_bytes(8, "big"), CloseCode.PROTOCOL_ERROR),
        (b"\x82\xff" + (1 << 62).to_bytes(8, "big") + b"abcd", CloseCode.MESSAGE_TOO_BIG),
        (b"".join([frame(0x01), frame(0x00) * 5000]), CloseCode.MESSAGE_TOO_BIG),
    ],
)
def test_a_broken_rule_ends_the_connection_behind_the_messages_before_it(bad: bytes, code: CloseCode) -> None:
    with serving(echo) as server, server.client() as client:
        client.open()
        client.send(text("good") + bad)
        first, last = client.event(), client.event()
        assert first == "good"
        assert isinstance(last, Close)
        assert last.code == code
        assert client.event() is None
        until(lambda: not server.handlers, "the handler ends")


def test_frames_sent_with_the_handshake_are_answered() -> None:
    with serving(echo) as server, server.client() as client:
        client.send(handshake() + text("one") + text("two") + frame(0x88, b"\x03\xe8"))
        assert client.head().startswith("HTTP/1.1 101 ")
        assert client.events() == ["one", "two", Close(1000, "")]


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_uvicorns_own_http_serves_as_well(http: str) -> None:
    with serving(echo, http=http) as server:
        assert server.is_alive()


@pytest.mark.parametrize("deflate", [None, "deflate"])
@pytest.mark.parametrize("size", [0, 125, 126, 65_536, 1_000_000])
def test_another_library_talks_to_it(size: int, deflate: str | None) -> None:
    with (
        serving(echo) as server,
        connect(f"ws://127.0.0.1:{server.port}/", compression=deflate, max_size=None) as client,
    ):
        for message in ("x" * size, bytes(size)):
            client.send(message)
            assert client.recv() == message
        client.close(4000, "done")
        assert client.close_code == 4000


def test_a_message_above_the_bound_is_refused_at_its_header() -> None:
    with serving(echo, ws_max_size=1000) as server, server.client() as client:
        client.open()
        client.send(frame(0x82, bytes(1001))[:8])
        last = client.event()
        assert isinstance(last, Close)
        assert last.code == CloseCode.MESSAGE_TOO_BIG


def compressed(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    zeros = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return frame(0xC2, (zeros + packer.flush(zlib.Z_SYNC_FLUSH))[:-4])


def test_a_compression_bomb_is_refused() -> None:
    with serving(echo, ws_max_size=1 << 20) as server, server.client() as client:
        client.open(deflate=True)
        client.send(compressed(64 << 20))
        last = client.event()
        assert isinstance(last, Close)
        assert last.code == CloseCode.MESSAGE_TOO_BIG


def test_small_frames_that_inflate_are_inflated_as_the_app_takes_them() -> None:
    size = 4 << 20
    with serving(sleeping) as server, server.client() as client:
        client.open(deflate=True)
        client.send(compressed(size) * 50 + frame(0x88, b"\x03\xe8"))
        (connection,) = server.connections
        until(lambda: not connection._is_reading, "reading stops")
        assert held_bytes(server) < size + BOUND
        connection._loop.call_soon_threadsafe(connection._scope["state"]["end"].set)
        assert client.events() == [Close(1000, "")]


# Slow peers


def test_a_flood_of_pings_from_a_peer_that_never_reads_is_slowed() -> None:
    with serving(echo) as server, server.client(small_buffers=True) as client:
        client.open()
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.flood(frame(0x89, bytes(125)) * 1000)
        assert held_bytes(server) < BOUND
        assert server.is_alive()


def test_a_flood_behind_our_close_is_neither_kept_nor_endured_for_long() -> None:
    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": WS_ACCEPT})
        for _ in range(3):
            await receive()
        await send({"type": WS_CLOSE})

    held: list[int] = []
    with serving(closing, ws=Hasty) as server, server.client(small_buffers=True) as client:
        client.open()
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.flood(text("x" * 1000) * 100, lambda: held.append(held_bytes(server)))
        assert max(held) < BOUND
        until(lambda: not server.connections, "the connection ends")


def test_a_flood_that_the_app_does_not_take_is_slowed() -> None:
    with serving(sleeping) as server, server.client() as client:
        client.open()
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.flood(text("") * 2_000)
        assert held_bytes(server) < BOUND
        (connection,) = server.connections
        connection._loop.call_soon_threadsafe(connection._scope["state"]["end"].set)
        drop_by_reset(client)
        until(lambda: not server.handlers, "the handler ends")


def test_a_handler_that_sends_for_ever_to_a_peer_that_never_reads_waits_and_ends_with_it() -> None:
    with serving(endless) as server:
        with server.client(small_buffers=True) as client:
            client.open()
            until(lambda: any(one._writable is not None for one in server.connections), "sending waits")
            assert held_bytes(server) < BOUND
            assert server.handlers == 1
        until(lambda: not server.handlers and not server.connections, "the handler ends")


def test_peers_that_never_read_do_not_hold_up_a_stop() -> None:
    with serving(endless, timeout_graceful_shutdown=1) as server:
        clients = [server.client(small_buffers=True) for _ in range(20)]
        for client in clients:
            client.open()
        until(lambda: sum(one._writable is not None for one in server.connections) == 20, "all are behind")
        half_open = server.client()
        half_open.send(handshake()[:-2])
        server.stop()
        assert not server.handlers
        for client in [*clients, half_open]:
            client.socket.close()


def test_a_stop_is_told_to_everyone() -> None:
    with serving(echo) as server:
        clients = [server.client() for _ in range(50)]
        for client in clients:
            client.open()
        server.server.should_exit = True
        for client in clients:
            assert client.event() == Close(1001, "the server is stopping")
            with suppress(OSError):  # it does not wait long for the answer
                client.send(frame(0x88, b"\x03\xe9"))
            assert client.event() is None
            client.socket.close()
        server.stop()
        assert not server.connections


# Drops


def drop_by_reset(client: Client) -> None:
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.socket.close()


def drop_by_half_close(client: Client) -> None:
    client.socket.shutdown(socket.SHUT_WR)
    assert client.event() is None
    client.socket.close()


@pytest.mark.parametrize("drop", [drop_by_reset, drop_by_half_close])
def test_connections_that_break_in_the_middle_of_a_message_leave_nothing(drop: Callable[[Client], None]) -> None:
    ends: list[int] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": WS_ACCEPT})
        ends.append((await receive())["code"])

    with serving(noting) as server:
        for _ in range(100):
            client = server.client()
            client.open()
            client.send(frame(0x82, bytes(1000))[:500])
            drop(client)
        until(lambda: not server.handlers and not server.connections, "all handlers end")
    assert ends == [1006] * 100


def test_a_peer_that_is_silent_after_our_close_is_cut_off() -> None:
    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": WS_ACCEPT})
        await send({"type": WS_CLOSE, "code": 4001, "reason": "go"})

    with serving(closing, ws=Hasty) as server, server.client() as client:
        client.open()
        assert client.events() == [Close(4001, "go")]


def test_a_handler_that_raises_closes_with_1011_each_time(caplog: pytest.LogCaptureFixture) -> None:
    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": WS_ACCEPT})
        raise ValueError("secret")

    with serving(raising) as server:
        for _ in range(20):
            with server.client() as client:
                client.open()
                client.send(text("a"))
                assert client.event() == Close(1011, "")
        until(lambda: not server.handlers, "all handlers end")
    assert len(caplog.records) == 20


# Refusals and the log


async def denying(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": WS_DENIAL_START, "status": 422, "headers": [(b"content-type", b"text/plain")]})
    for part in (b"not ", b"like ", b"this"):
        await send({"type": WS_DENIAL_BODY, "body": part, "more_body": part != b"this"})


def test_a_denial_arrives_whole_and_a_line_tells_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(denying) as server, server.client() as client:
        client.send(handshake("/a%20b?q=1"))
        assert client.head().startswith("HTTP/1.1 422 ")
        assert client.rest() == b"not like this"
        port = client.socket.getsockname()[1]
    lines = [line for line in caplog.messages if "WebSocket" in line]
    assert lines == [f'127.0.0.1:{port} - "WebSocket /a%20b?q=1" 422']


@pytest.mark.parametrize("ws", [WebSocketProtocol, "websockets-sansio"])
def test_the_line_for_an_accepted_handshake_is_uvicorns(ws: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving(echo, ws=ws, proxy_headers=True) as server, server.client() as client:
        client.open("/%C3%A9t%C3%A9?a=b%20c", X_Forwarded_For="10.0.0.1")
    assert '10.0.0.1:0 - "WebSocket /%C3%A9t%C3%A9?a=b%20c" [accepted]' in caplog.messages


@pytest.mark.parametrize(
    "target", ["/../../etc", "/%2f..", "/%00", "/%ff%fe", "//x", "http://x/y", "/%zz", "/?%ff&a=%"]
)
def test_no_target_is_an_error_of_the_server(target: str) -> None:
    with serving(echo) as server, server.client() as client:
        client.open(target, X="\xe9\xff", Cookie="a=\xe9")
        client.send(text("a"))
        assert client.event() == "a"


def test_upgrade_over_http_1_0_is_refused() -> None:
    with serving(echo) as server, server.client() as client:
        client.send(handshake(version="1.0"))
        assert client.head().startswith("HTTP/1.1 400 ")


def test_the_version_we_speak_is_named_to_who_speaks_another() -> None:
    with serving(echo) as server, server.client() as client:
        client.send(handshake(Sec_WebSocket_Version="12"))
        head = client.head()
        assert head.startswith("HTTP/1.1 426 ")
        assert "\r\nsec-websocket-version: 13" in head
