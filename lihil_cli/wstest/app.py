"""The shell around the session: carries out what it decides, and tells it what happens."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.wstest.events import (
    Action,
    Close,
    Echo,
    Event,
    InputEnded,
    InputFailed,
    Interrupted,
    Line,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
)
from lihil_cli.wstest.network import (
    CannotConnectError,
    Connection,
    ConnectionEndedError,
    Handshake,
    Loop,
    RefusedError,
    open_connection,
)
from lihil_cli.wstest.pipe import LineSplitter, PipeReader
from lihil_cli.wstest.refusal import refusal_lines
from lihil_cli.wstest.session import Options, Session, State
from lihil_cli.wstest.target import Target
from lihil_cli.wstest.terminal import MARKER, Screen, Streams

if TYPE_CHECKING:
    # prompt_toolkit comes with it, which nobody should wait for before the handshake.
    from lihil_cli.wstest.prompt import Prompt

_KEEPALIVE_S = 20.0
# The prompt needs a moment to take itself off the screen; a terminal that hangs is not waited for.
_PROMPT_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One call of the command. `folder` is where the project is looked for that keeps the history."""

    target: Target
    handshake: Handshake
    options: Options
    folder: Path


def hold_conversation(settings: Settings, streams: Streams) -> int:
    """Connect, talk until one side ends it, and give the exit code.

    Raises CliError when there is no connection, and KeyboardInterrupt for a second Ctrl-C that the first did not end.
    """
    if streams.are_interactive:
        from lihil_cli.wstest.repl.shell import Visit, hold_repl

        visit = Visit(settings.target, settings.handshake, settings.options, settings.folder)
        return hold_repl(visit, streams)
    # What the session does not tell is no news for the user, and never a traceback.
    logging.getLogger("asyncio").addHandler(logging.NullHandler())
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            return runner.run(_converse(settings, streams))
    except Terminated:
        return ExitCode.TERMINATED


async def _converse(settings: Settings, streams: Streams) -> int:
    conversation = _Conversation(settings, streams)
    try:
        return await conversation.hold()
    except CannotConnectError as error:
        hint = error.hint or ("start the server with `lihil run`" if settings.target.is_local else "")
        message = f"{error}; {hint}" if hint else str(error)
        raise CliError(escape_terminal(message, keep_newlines=False), code=ExitCode.CANNOT_CONNECT) from None
    except RefusedError as error:
        conversation.tell([str(error)] if error.refusal is None else refusal_lines(error.refusal))
        return ExitCode.REFUSED


class _Conversation:
    """The life of one connection."""

    def __init__(self, settings: Settings, streams: Streams) -> None:
        self._settings = settings
        self._streams = streams
        self._screen = Screen(streams)
        self._loop = asyncio.get_running_loop()
        self._session = Session(replace(settings.options, interactive=streams.are_interactive), self._loop.time())
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._outbox: asyncio.Queue[Send | Ping | Close] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_interrupting = False
        self._splitter = LineSplitter()
        self._reader: PipeReader | None = None
        self._prompt: Prompt | None = None
        self._typing: asyncio.Task[None] | None = None

    def tell(self, lines: list[str]) -> None:
        """Show `lines` on standard error."""
        for line in lines:
            self._screen.print_note(line)

    async def hold(self) -> int:
        """The whole conversation. Raises CannotConnectError and RefusedError."""
        with self._interrupts():
            connection = await self._connect()
            if connection is None:
                return await self._ended
            try:
                self._talk(connection)
                return await self._ended
            finally:
                await self._tear_down(connection)

    # From connecting to the end

    async def _connect(self) -> Connection | None:
        """The open connection; None when the conversation has ended before there was one."""
        settings = self._settings
        if settings.handshake.tls.insecure and settings.target.is_secure:
            self._screen.print_note("WARNING: --insecure: anybody may be answering, the certificate is not checked")
        handshake = settings.handshake
        if self._streams.are_interactive:
            handshake = replace(handshake, ping_interval_s=_KEEPALIVE_S)
        opening = self._loop.create_task(open_connection(settings.target, handshake, self._screen.print_note))
        self._arm()
        waited: set[asyncio.Future[Any]] = {opening, self._ended}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._ended.done():
            return opening.result()
        opening.cancel()
        await asyncio.wait({opening})
        return None

    def _talk(self, connection: Connection) -> None:
        self._feed(Opened(self._about(connection)))
        self._spawn(self._receive(connection))
        self._spawn(self._send(connection))
        if self._streams.are_interactive:
            self._typing = self._spawn(self._read_prompt())
        elif self._streams.stdin is None:
            self._feed(InputEnded())
        else:
            self._reader = PipeReader(self._streams.stdin, self._take_chunk)

    async def _tear_down(self, connection: Connection) -> None:
        if self._prompt is not None and self._typing is not None:
            self._prompt.stop()
            await asyncio.wait({self._typing}, timeout=_PROMPT_END_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await connection.drop()

    def _about(self, connection: Connection) -> str:
        chosen = f", subprotocol {connection.subprotocol}" if connection.subprotocol else ""
        return f"connected to {self._settings.target.shown}{chosen}; /help for commands, Ctrl-D to leave"

    # Events in

    async def _receive(self, connection: Connection) -> None:
        while True:
            try:
                payload = await connection.receive()
            except ConnectionEndedError as end:
                self._feed(end.event)
                return
            self._feed(Received(payload))

    def _take_chunk(self, chunk: bytes) -> None:
        """One chunk of standard input, b"" at its end; the next is asked for when this one has been sent."""
        try:
            for line in self._splitter.feed(chunk) if chunk else self._splitter.finish():
                self._feed(Line(line))
        except ValueError as error:
            self._feed(InputFailed(str(error)))
            return
        if not chunk:
            self._feed(InputEnded())
        elif self._outbox.empty():
            self._ask_for_more()

    async def _read_prompt(self) -> None:
        """Take lines from the prompt for as long as they can be sent."""
        make_prompt = await asyncio.to_thread(_load_prompt)
        prompt = make_prompt(MARKER, open_history(self._settings.folder))
        self._prompt = prompt
        self._screen.divert(prompt.print_above)
        try:
            with prompt.keys():
                while self._session.state is State.OPEN:
                    self._feed(await prompt.next_event())
        finally:
            prompt.flush()
            self._screen.divert(None)

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Make Ctrl-C an event; a second one while the first is still waiting, on a blocked write, ends everything.

        SIGTERM ends everything at once, but leaves the terminal as it was found.
        """

        def note_interrupt(number: int, frame: FrameType | None) -> None:
            if self._is_interrupting:
                raise KeyboardInterrupt
            self._is_interrupting = True
            self._loop.call_soon_threadsafe(self._interrupt)

        def terminate(number: int, frame: FrameType | None) -> None:
            raise Terminated

        previous = signal.signal(signal.SIGINT, note_interrupt), signal.signal(signal.SIGTERM, terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous[0])
            signal.signal(signal.SIGTERM, previous[1])

    def _interrupt(self) -> None:
        self._is_interrupting = False
        self._feed(Interrupted())

    def _feed(self, event: Event) -> None:
        for action in self._session.handle(event, self._loop.time()):
            self._perform(action)
        self._arm()

    def _arm(self) -> None:
        """See to it that a Tick comes when the session wants one; one that comes too early does no harm."""
        wake_at = self._session.wake_at
        if wake_at is None or (self._timer is not None and self._timer.when() <= wake_at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(wake_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(Tick())

    # Actions out

    def _perform(self, action: Action) -> None:
        match action:
            case Send() | Ping() | Close():
                self._outbox.put_nowait(action)  # one queue, so that a close never overtakes a message
            case Print(payload):
                self._print(self._screen.print_message, payload)
            case Echo(text):
                self._print(self._screen.print_echo, text)
            case Note(text):
                self._screen.print_note(text)
            case _:
                self._ended.set_result(action.code)

    def _print(self, show: Callable[[Any], None], content: str | bytes) -> None:
        try:
            show(content)
        except OSError as error:
            self._screen.discard_output()
            self._feed(OutputBroken("" if isinstance(error, BrokenPipeError) else str(error.strerror)))

    async def _send(self, connection: Connection) -> None:
        while True:
            action = await self._outbox.get()
            match action:
                case Send(text):
                    await connection.send(text)
                case Close(code, reason):
                    await connection.close(code, reason)
                case _:
                    self._spawn(self._ping(connection))
            if self._outbox.empty():
                self._ask_for_more()

    async def _ping(self, connection: Connection) -> None:
        rtt_s = await connection.ping()
        if rtt_s is not None:
            self._feed(Ponged(rtt_s))

    def _ask_for_more(self) -> None:
        if self._reader is not None:
            self._reader.resume()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settle)
        return task

    def _settle(self, task: asyncio.Task[None]) -> None:
        """Forget a task that is done; one that failed is a bug of ours, and ends the conversation with it."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():
            self._ended.set_exception(error)


def _load_prompt() -> "type[Prompt]":
    from lihil_cli.wstest.prompt import Prompt

    return Prompt
