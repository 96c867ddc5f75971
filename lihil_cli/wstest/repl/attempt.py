"""One attempt at a connection, for the terminal: opens it, reads and writes, and tells what happens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from lihil_cli.devfile import DevFile
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.network.connecting import (
    CannotConnectError,
    Connection,
    ConnectionEndedError,
    Handshake,
    Refusal,
    RefusedError,
    Response,
    open_connection,
)
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.network.trace import Frame
from lihil_cli.wstest.repl.events import (
    About,
    Closed,
    Event,
    Failed,
    FrameSeen,
    Opened,
    Ponged,
    Received,
    Send,
    SendClose,
    SendPong,
    SendRaw,
    Told,
)
from lihil_cli.wstest.words import frame_line

if TYPE_CHECKING:
    # Loaded where an app has failed.
    from lihil_cli.wstest.crash import Crash

# Messages are taken without a pause for so long; then the keyboard and the screen have their turn.
_TURN_S = 0.005

Explain: TypeAlias = Callable[[Response | Refusal | None, BaseException | None], Awaitable["Crash | None"]]
"""Why the app failed, from its answer to the handshake or from its own exception."""

Outgoing: TypeAlias = Send | SendRaw | SendPong | SendClose


class Attempt:
    """The life of one connection attempt: until it has failed, or is over."""

    def __init__(
        self,
        peer: str,
        target: Target,
        handshake: Handshake,
        feed: Callable[[Event], None],
        explain: Explain,
        *,
        is_verbose: bool = False,
    ) -> None:
        self.peer = peer
        self.target = target
        self.connection: Connection | None = None
        self._handshake = handshake
        self._feed = feed
        self._explain = explain
        self._is_verbose = is_verbose
        self._loop = asyncio.get_running_loop()
        self._outbox: asyncio.Queue[Outgoing] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_tracing = False

    async def run(self, record: DevFile | None, ping_interval_s: float | None) -> None:
        """Connect, and read to the end; everything that happens is fed. `record` is the dev server's as it last was."""
        opened = await self._open(record)
        if opened is None:
            return
        connection, about = opened
        self.connection = connection
        self.trace(on=self._is_tracing)
        self._feed(Opened(self.peer, about))
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._send(connection))]
                if ping_interval_s:
                    helpers.append(group.create_task(self._keep_alive(connection, ping_interval_s)))
                await self._receive(connection)
                for helper in helpers:
                    helper.cancel()
        finally:
            await connection.drop()

    def put(self, outgoing: Outgoing) -> None:
        """Send this after what was put before; a close never overtakes a message."""
        self._outbox.put_nowait(outgoing)

    async def ping(self) -> None:
        """Measure the time to the server and back, because the user asked."""
        rtt_s = None if self.connection is None else await self.connection.ping()
        if rtt_s is not None:
            self._feed(Ponged(self.peer, rtt_s, asked=True))

    def stall(self, seconds: float) -> None:
        """Read nothing for so long."""
        if self.connection is not None:
            self.connection.stall(seconds)

    def trace(self, *, on: bool) -> None:
        """Feed every frame, or no longer."""
        self._is_tracing = on
        if self.connection is not None:
            self.connection.on_frame = self._tell_frame if on else None

    async def _open(self, record: DevFile | None) -> tuple[Connection, About] | None:
        started = self._loop.time()
        try:
            connection = await open_connection(self.target, self._handshake, lambda text: self._feed(Told(text)))
        except CannotConnectError as error:
            self._feed(self._failed(error))
            return None
        except RefusedError as error:
            from lihil_cli.wstest.crash import crash_lines
            from lihil_cli.wstest.refusal import refusal_lines

            lines = [str(error)] if error.refusal is None else refusal_lines(error.refusal, is_whole=self._is_verbose)
            crash = await self._explain(error.refusal, error.failure)
            told = [] if crash is None else crash_lines(crash, is_whole=self._is_verbose)
            self._feed(Failed(self.peer, (*lines, *told), ExitCode.REFUSED, refusal=error.refusal))
            return None
        except CliError as error:
            self._feed(Failed(self.peer, (error.message,), error.code))
            return None
        about = About(
            self.target.shown,
            connection.subprotocol,
            "deflate" if connection.is_compressed else "",
            tuple(connection.response.headers),
            self._loop.time() - started,
            None if record is None else record.generation,
            () if record is None else record.changed,
        )
        return connection, about

    def _failed(self, error: CannotConnectError) -> Failed:
        if error.is_absent and self.target.is_local:
            text = f"no server on {self.target.address} · start `lihil run`, or give --app main:app"
        else:
            text = f"{error}; {error.hint}" if error.hint else str(error)
        return Failed(self.peer, (text,), ExitCode.CANNOT_CONNECT, absent=error.is_absent, near=self.target.is_local)

    async def _receive(self, connection: Connection) -> None:
        turn = self._loop.time()
        while True:
            try:
                payload = await connection.receive()
            except ConnectionEndedError as end:
                self._feed(Closed(self.peer, end.event.code, end.event.reason, end.event.by))
                return
            self._feed(Received(self.peer, payload, connection.arrived_at))
            del payload  # it may be large, and the next one as well
            # A message that is there already is taken without a pause, so a flood would let nobody else run.
            if self._loop.time() - turn >= _TURN_S:
                await asyncio.sleep(0)
                turn = self._loop.time()

    async def _send(self, connection: Connection) -> None:
        while True:
            try:
                await self._put(connection, await self._outbox.get())
            except ValueError as error:  # what cannot be done with an app in this process, or text that is no UTF-8
                self._feed(Told(str(error), "bad"))

    async def _put(self, connection: Connection, outgoing: Outgoing) -> None:
        match outgoing:
            case Send(_, payload, 0):
                await connection.send(payload)
            case Send(_, payload, size):
                await connection.send_fragments(payload, size)
            case SendRaw(_, data):
                await connection.send_raw(data)
            case SendPong(_, data):
                await connection.pong(data)
            case SendClose(_, code, reason):
                await connection.close(code, reason)

    async def _keep_alive(self, connection: Connection, interval_s: float) -> None:
        """A ping now and then: it keeps what is in between from forgetting the connection, and measures."""
        while (rtt_s := await connection.ping()) is not None:
            self._feed(Ponged(self.peer, rtt_s))
            await asyncio.sleep(interval_s)

    def _tell_frame(self, frame: Frame) -> None:
        self._feed(FrameSeen(self.peer, frame_line(frame)))
