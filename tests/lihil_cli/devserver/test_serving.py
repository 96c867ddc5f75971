"""What peers notice when a generation of the code leaves: everybody hears why, whatever they do or do not do."""

import asyncio
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trustme

from lihil.asgi import (
    HTTP,
    HTTP_RESPONSE_BODY,
    HTTP_RESPONSE_START,
    LIFESPAN,
    WS_ACCEPT,
    WS_CLOSE,
    WS_DISCONNECT,
    Receive,
    Scope,
    Send,
)
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.serve import RELOAD, make_config
from lihil_cli.devserver.serving import Service
from lihil_cli.devserver.sockets import WatchedWebSocket
from tests.lihil.server.wire import frame, handshake

LONG_S = 60.0
TOLD = b"\x88\x08" + (1012).to_bytes(2, "big") + b"reload"
CLOSED = frame(0x88, (1012).to_bytes(2, "big"))


class App:
    """Accepts WebSockets on /early; elsewhere it does what it is told to, once it is let."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answer = WS_ACCEPT
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == LIFESPAN:
            for step in ("startup", "shutdown"):
                await receive()
                self.said.append(step)
                await send({"type": f"lifespan.{step}.complete"})
        elif scope["type"] == HTTP:
            await send({"type": HTTP_RESPONSE_START, "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": HTTP_RESPONSE_BODY, "body": b"ok"})
        elif scope["path"] == "/early":
            await send({"type": WS_ACCEPT})
            while (await receive())["type"] != WS_DISCONNECT:
                pass
        else:
            self.is_asked.set()
            await self.may_answer.wait()
            await send({"type": self.answer})


class Server:
    """A service that is open, and those who are connected to it."""

    def __init__(self, service: Service, app: App, port: int) -> None:
        self.service = service
        self.app = app
        self.port = port
        self._writers: list[StreamWriter] = []

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """A connection that has asked nothing yet, and that the server knows of."""
        before = len(self.service.state.connections)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        while len(self.service.state.connections) == before:
            await asyncio.sleep(0.001)
        return reader, writer

    async def open_websocket(self, path: str = "/early") -> tuple[StreamReader, StreamWriter]:
        reader, writer = await self.connect()
        writer.write(handshake(path))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return reader, writer

    def say_goodbye(self, grace_s: float) -> "asyncio.Task[None]":
        async def leave() -> None:
            await self.service.close()
            await self.service.say_goodbye(RELOAD, grace_s=grace_s)

        return asyncio.create_task(leave())

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


def run(test: Callable[[Server], Awaitable[None]], **settings: Any) -> None:
    """Serve an app on a free port, and end it after the test."""
    app = App()
    config = make_config(app, ws=WatchedWebSocket, log_config=None, ws_ping_interval=None, **settings)
    config.load()

    async def serve() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            service = Service(config, listener)
            assert await service.start()
            await service.open()
            server = Server(service, app, listener.getsockname()[1])
            try:
                async with asyncio.timeout(LONG_S):
                    await test(server)
            finally:
                server.hang_up()
                await service.stop()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())
    assert app.said == ["startup", "shutdown"]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, what is under way comes in time."""
    monkeypatch.setattr(HTTPProtocol, "patience_s", LONG_S)


def test_a_websocket_that_never_answers_the_close_is_told_and_let_go() -> None:
    async def test(server: Server) -> None:
        reader, _ = await server.open_websocket()
        goodbye = server.say_goodbye(0.05)
        assert await reader.readexactly(len(TOLD)) == TOLD
        await goodbye
        assert not server.service.state.connections

    run(test)


@pytest.mark.usefixtures("patient")
def test_a_handshake_that_comes_when_the_goodbye_has_begun_is_told_to_come_again() -> None:
    async def test(server: Server) -> None:
        early, late = await server.open_websocket(), await server.connect()
        goodbye = server.say_goodbye(LONG_S)
        assert await early[0].readexactly(len(TOLD)) == TOLD
        late[1].write(handshake())
        assert (await late[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await late[0].readexactly(len(TOLD)) == TOLD
        for _, writer in (early, late):
            writer.write(CLOSED)
        await goodbye

    run(test)


@pytest.mark.parametrize(
    ("answer", "grace_s", "status", "rest"),
    [(WS_ACCEPT, LONG_S, 101, TOLD), (WS_CLOSE, LONG_S, 403, b""), ("", 0.05, 503, b"the server is stopping")],
)
def test_a_handshake_that_the_app_is_busy_with_is_answered_first_if_it_is_in_time(
    answer: str, grace_s: float, status: int, rest: bytes
) -> None:
    async def test(server: Server) -> None:
        server.app.answer = answer
        server.app.may_answer.clear()
        early, busy = await server.open_websocket("/early"), await server.connect()
        busy[1].write(handshake())
        await server.app.is_asked.wait()
        goodbye = server.say_goodbye(grace_s)
        assert await early[0].readexactly(len(TOLD)) == TOLD
        early[1].write(CLOSED)
        if answer:
            server.app.may_answer.set()
        head = await busy[0].readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert await busy[0].readexactly(len(rest)) == rest
        busy[1].write(CLOSED)
        await goodbye

    run(test)


@pytest.mark.usefixtures("patient")
def test_a_tls_handshake_that_has_not_begun_is_waited_for() -> None:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(ours)
    authority.configure_trust(theirs)

    async def open_secure(tcp: socket.socket) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection(sock=tcp, ssl=theirs, server_hostname="localhost")

    async def test(server: Server) -> None:
        stranger = await asyncio.open_connection("127.0.0.1", server.port)
        stranger[1].write(b"GET / HTTP/1.1\r\n\r\n")  # nobody waits for somebody who speaks no TLS
        await stranger[0].read()
        tcp = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        early = await open_secure(tcp[0])
        early[1].write(handshake("/early"))
        await early[0].readuntil(b"\r\n\r\n")
        goodbye = server.say_goodbye(LONG_S)
        assert await early[0].readexactly(len(TOLD)) == TOLD
        early[1].write(CLOSED)
        assert not await early[0].read()
        late = await open_secure(tcp[1])
        assert not goodbye.done()
        late[1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await late[0].read()).startswith(b"HTTP/1.1 200 ")
        await goodbye
        for _, writer in (stranger, early, late):
            writer.close()

    run(test, ssl_context_factory=lambda config, default: ours)
