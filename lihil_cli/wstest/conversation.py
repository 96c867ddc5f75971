"""The shell around the session of a pipe: carries out what it decides, and tells it what happens."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from lihil_cli.devfile import find_dev_file
from lihil_cli.wstest.alarm import Alarm
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.events import (
    Action,
    Close,
    Connect,
    Event,
    Given,
    InputEnded,
    InputFailed,
    Interrupted,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
    Unreached,
)
from lihil_cli.wstest.interrupts import Interrupts
from lihil_cli.wstest.network.connecting import (
    CannotConnectError,
    Connection,
    ConnectionEndedError,
    Frame,
    Refusal,
    RefusedError,
    Response,
    open_connection,
)
from lihil_cli.wstest.network.target import Target, running_target
from lihil_cli.wstest.pipe import PipeReader, RecordSplitter, Replay, Source
from lihil_cli.wstest.reporting import Reporter
from lihil_cli.wstest.session import Session, State
from lihil_cli.wstest.settings import Settings
from lihil_cli.wstest.steps import Step, read_step
from lihil_cli.wstest.tasks import Tasks
from lihil_cli.wstest.terminal import Screen, Streams
from lihil_cli.wstest.words import frame_line, open_line

T = TypeVar("T")

_CRASHES = frozenset({1006, 1011})


class Conversation:
    """The life of one connection, or of several in a row where it is opened again.

    `began_at` is when the whole call began, on the loop's clock.
    """

    def __init__(self, settings: Settings, streams: Streams, screen: Screen, began_at: float) -> None:
        self._settings = settings
        self._streams = streams
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._session = Session(settings.options, began_at)
        self._reporter = Reporter(screen, settings.piping.form, streams, on_broken=self._break_output)
        self._interrupts = Interrupts(self._note_interrupt)
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._outbox: asyncio.Queue[Send | Ping | Close] = asyncio.Queue()
        self._tasks = Tasks(self._ended)
        self._alarm = Alarm(self._tasks.callback(self._tick))
        self._wants_more = False
        self._connection: Connection | None = None
        piping = settings.piping
        self._splitter = RecordSplitter(by_nul=piping.framing == "nul", keeps_cr=piping.is_binary)
        self._source: Source | None = None
        self._has_begun_input = False
        self._again = asyncio.Event()

    async def tell_refusal(self, error: RefusedError) -> None:
        """Say everything about a refused handshake on standard error."""
        from lihil_cli.wstest.refusal import refusal_lines

        refusal = error.refusal
        if refusal is not None:
            self._reporter.publish(lambda output, t: output.refused(t, refusal))
        crash = await self._crash_lines(refusal, error.failure)
        lines = [str(error)] if refusal is None else refusal_lines(refusal, is_whole=self._settings.is_verbose)
        for line in [*crash, *lines]:
            self._screen.print_note(line)

    def close(self) -> None:
        """Send on what was written, unless that may be what did not end."""
        if self._interrupts.is_forced:
            self._screen.discard_output()
        self._reporter.close()

    async def hold(self) -> int:
        """The whole conversation. Raises CannotConnectError and RefusedError."""
        with self._interrupts.caught():
            if self._settings.handshake.tls.insecure and self._settings.target.is_secure:
                self._screen.print_note("WARNING: --insecure: anybody may be answering, the certificate is not checked")
            while not self._ended.done():
                await self._hold_connection()
                await self._first_of(self._again.wait())
                self._again.clear()
            return await self._ended

    # From connecting to the end

    async def _hold_connection(self) -> None:
        """One connection, from its handshake to its end, or the attempt to open it."""
        connection = await self._connect()
        if connection is None:
            return
        try:
            await self._first_of(self._talk(connection))
        finally:
            await self._tear_down(connection)

    async def _connect(self) -> Connection | None:
        """The open connection; None when the conversation has ended before there was one, or there is to be another."""
        opening = open_connection(self._target(), self._settings.handshake, self._screen.print_note)
        self._alarm.set(self._session.wake_at)
        try:
            return await self._first_of(opening)
        except CannotConnectError as error:
            self._feed(Unreached(str(error), is_absent=error.is_absent, is_near=self._settings.target.is_local))
            if self._session.state is not State.WAITING:
                raise
            return None

    def _target(self) -> Target:
        """Where to connect: a dev server that was started anew may listen elsewhere."""
        target, place = self._settings.target, self._settings.place
        if not self._settings.options.reconnects or not (target.running or (place is not None and place.is_awaited)):
            return target
        server = find_dev_file(self._settings.folder)
        return target if server is None else running_target(server, target.path)

    async def _first_of(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` comes to, or None when the conversation ends before it has."""
        working = self._loop.create_task(work)
        waited: set[asyncio.Future[Any]] = {working, self._ended}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._ended.done():
            return working.result()
        working.cancel()
        await asyncio.wait({working})
        return None

    async def _talk(self, connection: Connection) -> None:
        """Until the connection has ended."""
        self._connection = connection
        if self._settings.piping.frames:
            connection.on_frame = self._show_frame
        connect_s, url = self._reporter.t, self._settings.target.shown
        self._reporter.publish(lambda output, _: output.opened(connect_s, url, connection.subprotocol, connect_s))
        if self._settings.is_verbose:
            self._screen.print_note(open_line(connection, connect_s))
        receiving = self._tasks.start(self._receive(connection))
        unsent = tuple(action for action in self._left_in_outbox() if not isinstance(action, Close))
        self._tasks.start(self._send(connection))
        self._feed(Opened(unsent))
        if not self._has_begun_input:
            self._has_begun_input = True
            self._begin_input()
        await asyncio.wait({receiving})

    def _left_in_outbox(self) -> Iterator[Send | Ping | Close]:
        while not self._outbox.empty():
            yield self._outbox.get_nowait()

    def _begin_input(self) -> None:
        piping = self._settings.piping
        if piping.replay is not None:
            self._source = Replay(piping.replay, self._tasks.callback(self._take_replayed))
        elif self._settings.options.listen:
            return
        elif self._streams.stdin is None:
            self._feed(InputEnded())
        else:
            self._source = PipeReader(self._streams.stdin, self._tasks.callback(self._take_chunk))

    def _show_frame(self, frame: Frame) -> None:
        self._screen.print_note(frame_line(frame))

    async def _tear_down(self, connection: Connection) -> None:
        await self._tasks.cancel()
        await connection.drop()

    # Events in

    async def _receive(self, connection: Connection) -> None:
        while True:
            try:
                payload = await connection.receive()
            except ConnectionEndedError as end:
                event = end.event
                break
            self._feed(Received(payload))
        await self._explain(connection, event)
        self._reporter.publish(lambda output, t: output.closed(t, event))
        self._feed(event)

    async def _explain(self, connection: Connection, event: Closed) -> None:
        """Say why the handler died, where that is known: the reason itself is the last line, and the session's."""
        if event.code in _CRASHES and event.by != "client":
            for line in await self._crash_lines(connection.response, connection.failure):
                self._screen.print_note(line)

    async def _crash_lines(self, answer: Response | Refusal | None, failure: BaseException | None) -> list[str]:
        """What the app raised in this process, or what the dev server says about the connection."""
        place = self._settings.place
        server = None if place is None else place.server
        if failure is None and (server is None or answer is None):
            return []
        # Nothing of this is needed where all goes well, and so is not loaded then.
        from lihil_cli.wstest.crash import crash_lines
        from lihil_cli.wstest.devserver import explain

        crash = await explain(answer, failure, self._settings.folder if place is None else place.root, server)
        return [] if crash is None else crash_lines(crash, is_whole=self._settings.is_verbose)

    def _take_chunk(self, chunk: bytes) -> None:
        """One chunk of standard input, b"" at its end; the next is asked for when this one has been dealt with."""
        piping = self._settings.piping
        try:
            for record in self._splitter.feed(chunk) if chunk else self._splitter.finish():
                if record or piping.framing != "jsonl":
                    self._feed(Given(read_step(record, piping.framing, is_binary=piping.is_binary)))
        except ValueError as error:
            unit = "record" if piping.framing == "nul" else "line"
            self._feed(InputFailed(f"standard input, {unit} {self._splitter.count}: {error}"))
            return
        if chunk:
            self._want_more()
        else:
            self._feed(InputEnded())

    def _take_replayed(self, step: Step | Exception | None) -> None:
        if step is None:
            self._feed(InputEnded())
        elif isinstance(step, ValueError):
            self._feed(InputFailed(f"--replay: {step}"))
        elif isinstance(step, Exception):
            raise step
        else:
            self._feed(Given(step))
            self._want_more()

    def _want_more(self) -> None:
        self._wants_more = True
        self._ask_for_more()

    def _note_interrupt(self) -> None:
        self._loop.call_soon_threadsafe(self._tasks.callback(self._interrupt))

    def _interrupt(self) -> None:
        self._interrupts.settle()
        self._feed(Interrupted())
        if self._session.state is not State.OPEN:
            self._interrupts.expect_end()

    def _break_output(self, error: OSError) -> None:
        self._feed(OutputBroken("" if isinstance(error, BrokenPipeError) else str(error.strerror)))

    def _feed(self, event: Event) -> None:
        for action in self._session.handle(event, self._loop.time()):
            self._perform(action)
        self._alarm.set(self._session.wake_at)
        self._ask_for_more()

    def _tick(self) -> None:
        self._feed(Tick(0.0 if self._connection is None else self._connection.heard_at))

    # Actions out

    def _perform(self, action: Action) -> None:
        match action:
            case Send() | Ping() | Close():
                self._outbox.put_nowait(action)  # one queue, so that a close never overtakes a message
            case Print(payload, number):
                self._reporter.show(payload, number)
            case Note(text):
                self._screen.print_note(text)
            case Connect():
                self._again.set()
            case _:
                self._reporter.flush()
                if not self._ended.done():
                    self._ended.set_result(action.code)

    async def _send(self, connection: Connection) -> None:
        while True:
            action = await self._outbox.get()
            match action:
                case Send(payload):
                    await connection.send(payload)
                    self._reporter.publish(lambda output, t: output.sent(t, payload))
                case Close(code, reason):
                    await connection.close(code, reason)
                case Ping(payload):
                    self._tasks.start(self._ping(connection, payload))
            self._ask_for_more()

    async def _ping(self, connection: Connection, payload: bytes) -> None:
        rtt_s = await connection.ping(payload)
        if rtt_s is not None:
            self._reporter.publish(lambda output, t: output.ponged(t, rtt_s))
            self._feed(Ponged(rtt_s))

    def _ask_for_more(self) -> None:
        """Read on where everything that was read has been dealt with."""
        if self._wants_more and self._source is not None and self._outbox.empty() and self._session.wants_input:
            self._wants_more = False
            self._source.resume()
