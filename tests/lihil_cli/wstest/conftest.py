"""Real servers on free ports of 127.0.0.1, and one call of the engine with streams of its own."""

import asyncio
import base64
import hashlib
import io
import logging
import os
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import pytest
from websockets.asyncio.server import ServerConnection, serve, unix_serve

from lihil_cli.wstest.app import hold_conversation
from lihil_cli.wstest.network.connecting import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.settings import Options, Settings
from lihil_cli.wstest.terminal import Streams

T = TypeVar("T")

PLAIN = Handshake()
QUICK = Options(linger_s=0.2)

Handler = Callable[[ServerConnection], Awaitable[None]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_QUIET = logging.getLogger("tests.lihil_cli.wstest")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Servers:
    """An event loop in a thread, and the servers that run there until the test is over."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def websocket(self, handler: Handler, **options: Any) -> int:
        """The port of a well-behaved WebSocket server."""

        async def start() -> int:
            server = await serve(handler, "127.0.0.1", 0, logger=_QUIET, close_timeout=0.1, **options)
            self._closers.append(lambda: self._close(server))
            return int(next(iter(server.sockets)).getsockname()[1])

        return self.do(start())

    def unix(self, path: Path, handler: Handler) -> None:
        async def start() -> None:
            server = await unix_serve(handler, str(path), logger=_QUIET, close_timeout=0.1)
            self._closers.append(lambda: self._close(server))

        self.do(start())

    def raw(self, handler: RawHandler, *, tls: ssl.SSLContext | None = None) -> int:
        """The port of a server that does with the connection whatever `handler` does."""
        tasks: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
            writer.transport.abort()
            await asyncio.sleep(0)  # the transport closes its socket one turn later

        async def close(server: asyncio.Server) -> None:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        async def start() -> int:
            server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
            self._closers.append(lambda: close(server))
            return int(server.sockets[0].getsockname()[1])

        return self.do(start())

    def finish(self) -> None:
        """Close every server; what their handlers still had to do has been done when this returns."""
        for close in self._closers:
            self.do(close())
        self._closers.clear()

    def stop(self) -> None:
        try:
            self.finish()
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()

    @staticmethod
    async def _close(server: Any) -> None:
        server.close()
        await server.wait_closed()


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Read the request's head and answer the opening handshake by hand (RFC 6455, section 4.2.2)."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    digest = hashlib.sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    await writer.drain()
    return head


@pytest.fixture
def servers() -> Iterator[Servers]:
    running = Servers()
    yield running
    running.stop()


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


class Talk(Protocol):
    """One conversation; `stdin` None means an input that never ends. `watch` runs beside it, in a thread."""

    def __call__(
        self,
        target: Target | int,
        *,
        stdin: bytes | None = b"",
        options: Options = ...,
        handshake: Handshake = ...,
        streams: Streams | None = None,
        stdout: BinaryIO | None = None,
        stderr: BinaryIO | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Outcome: ...


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    def hold(
        target: Target | int,
        *,
        stdin: bytes | None = b"",
        options: Options = QUICK,
        handshake: Handshake = PLAIN,
        streams: Streams | None = None,
        stdout: BinaryIO | None = None,
        stderr: BinaryIO | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Outcome:
        address = Target(f"ws://127.0.0.1:{target}/path?x=1") if isinstance(target, int) else target
        out, err = io.BytesIO(), io.BytesIO()
        read, write = os.pipe()
        given = (streams or Streams(read, None, None)).but(stdout=stdout or out, stderr=stderr or err)
        watching = threading.Thread(target=watch or bool)
        watching.start()
        try:
            if stdin is not None:
                os.write(write, stdin)
                os.close(write)
            code = hold_conversation(Settings(address, handshake, options, tmp_path), given)
        finally:
            if stdin is None:
                os.close(write)
            watching.join()
            os.close(read)
        return Outcome(code, out.getvalue().decode(), err.getvalue().decode())

    return hold
