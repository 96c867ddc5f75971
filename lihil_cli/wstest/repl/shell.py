"""The shell around the terminal's decisions: carries them out, and tells what happens."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.alarm import Alarm
from lihil_cli.wstest.interrupts import Interrupts
from lihil_cli.wstest.placeholders import fill_headers
from lihil_cli.wstest.repl.connections import Connections
from lihil_cli.wstest.repl.desk import Setup
from lihil_cli.wstest.repl.desktop import copy_text, read_file, write_file
from lihil_cli.wstest.repl.devstate import DevState, read_dev_state
from lihil_cli.wstest.repl.events import (
    Action,
    ClearScreen,
    Connect,
    Copy,
    Display,
    Drop,
    Event,
    Failed,
    FetchTrace,
    Interrupted,
    Leave,
    Note,
    Opened,
    Prefill,
    ReadFile,
    Reloaded,
    SchemaRead,
    Send,
    SendClose,
    SendPing,
    SendPong,
    SendRaw,
    SetKeys,
    Stall,
    Tick,
    Told,
    TraceFrames,
    Watch,
    WriteFile,
)
from lihil_cli.wstest.repl.history import History, open_history
from lihil_cli.wstest.repl.keyboard import Keyboard, PlainLines, View
from lihil_cli.wstest.repl.log import Log
from lihil_cli.wstest.repl.onlooker import look_of
from lihil_cli.wstest.repl.render import render
from lihil_cli.wstest.repl.state import Repl
from lihil_cli.wstest.repl.strays import strays_told
from lihil_cli.wstest.repl.visit import Visit
from lihil_cli.wstest.tasks import Tasks
from lihil_cli.wstest.terminal import Streams, terminal_width

if TYPE_CHECKING:
    # Loaded where there is a schema to read, or somebody types, or everything is kept.
    from lihil_cli.wstest.repl.complete import Words
    from lihil_cli.wstest.repl.recorder import Recorder

# The prompt needs a moment to take itself off the screen; a terminal that hangs is not waited for.
_PROMPT_END_S = 1.0
_REFRESH_S = 0.05
_GREETING_S = 0.01  # a message that comes with the handshake is shown before loading the prompt takes the processor
_CLOSELY_S, _SELDOM_S = 0.03, 0.5


async def hold_terminal(visit: Visit, streams: Streams) -> int:
    """Talk at the terminal until the user or the server ends it, and give the exit code.

    Raises KeyboardInterrupt for a Ctrl-C that came to nothing for a second.
    """
    shell = _Shell(visit, streams)
    if visit.target.app is None:
        return await shell.run()
    with strays_told(shell.tell):
        return await shell.run()


class _Shell:
    def __init__(self, visit: Visit, streams: Streams) -> None:
        self._visit = visit
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        options = visit.options
        self._schema_stamp = visit.schema_stamp()
        self._setup = Setup(
            visit.target.shown,
            visit.about,
            options.messages,
            options.limit,
            options.timeout_s,
            visit.reconnects,
            visit.headers,
            visit.schema(),
            options.ok_codes,
            None if options.until is None else options.until.matches,
            tuple((pattern.shown, pattern.matches) for pattern in options.expects),
            visit.is_quiet,
            visit.is_verbose,
            visit.offers,
            lambda headers: fill_headers(headers, visit.folder),
            visit.is_binary,
            visit.schema_is_its and not visit.is_forced,
            options.linger_s,
        )
        now = self._loop.time()
        self._log = Log()
        self._repl = Repl(self._setup, self._log, now, time.time() - now)
        self._recorder = None if visit.record is None else self._record(visit.record)
        self._look = look_of(streams)
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._tasks = Tasks(self._ended)
        self._connections = Connections(visit, self._repl.desk.current, self._feed, self._tasks)
        self._acts = self._what_acts()
        self._alarm = Alarm(self._tick)
        self._refreshing: asyncio.TimerHandle | None = None
        self._keyboard: Keyboard | None = None
        self._typing: asyncio.Task[None] | None = None
        self._watch_closely = asyncio.Event()
        # A signal comes at any time; what it means is settled in the loop.
        self._interrupts = Interrupts(self._note_interrupt)

    def tell(self, line: str) -> None:
        """Show a line of the app's own; it may come from any of its threads."""
        self._loop.call_soon_threadsafe(self._feed, Told(line))

    async def run(self) -> int:
        """The whole session."""
        with self._interrupts.caught():
            try:
                self._warn()
                self._do(self._repl.begin())
                self._alarm.set(self._repl.wake_at)
                self._tasks.start(self._watch())
                code = await self._ended
                if self._keyboard is not None:
                    await self._keyboard.come_back()
                return code
            finally:
                await self._tear_down()

    def _warn(self) -> None:
        if self._visit.handshake.tls.insecure and self._visit.target.is_secure:
            self._feed(Told("--insecure: anybody may be answering, the certificate is not checked", "bad"))

    def _note_interrupt(self) -> None:
        self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._interrupts.settle()
        if self._keyboard is None or not self._keyboard.is_away:  # a Ctrl-C in the editor is the editor's
            self._feed(Interrupted())

    async def _tear_down(self) -> None:
        keyboard = self._keyboard
        if keyboard is not None and self._typing is not None:
            keyboard.stop()
            await asyncio.wait({self._typing}, timeout=_PROMPT_END_S)
            if keyboard.draft.strip():
                self._do([Display(Note(line)) for line in ("not sent:", *keyboard.draft.split("\n"))])
        await self._tasks.cancel()
        self._log.close()
        if self._recorder is not None:
            self._recorder.close()

    def _record(self, file: IO[bytes]) -> "Recorder":
        """Keep everything in a file."""
        from lihil_cli.wstest.repl.recorder import Recorder

        def lose(why: str) -> None:
            self._loop.call_soon(self._feed, Told(f"--record {file.name} takes no more: {why}", "bad"))

        recorder = Recorder(file, time.time(), self._repl.desk.shown, lose)
        self._log.tell = recorder.keep
        return recorder

    # Events in

    def _feed(self, event: Event) -> None:
        if self._ended.done():
            return
        self._do(self._repl.handle(event, self._loop.time()))
        self._alarm.set(self._repl.wake_at)
        if isinstance(event, Opened | Failed) and self._typing is None and not self._ended.done():
            self._typing = self._tasks.start(self._type())
        if self._refreshing is None and self._keyboard is not None:
            self._refreshing = self._loop.call_later(_REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        if self._keyboard is not None:
            self._keyboard.refresh()

    def _tick(self) -> None:
        self._feed(Tick())

    async def _type(self) -> None:
        """Take what is typed for as long as it means anything."""
        await asyncio.sleep(_GREETING_S)
        keyboard = self._keyboard = await self._make_keyboard()
        try:
            with keyboard.keys():
                while not self._ended.done():
                    event = await keyboard.next_event()
                    self._reread_schema()
                    self._feed(event)
        except OSError:
            self._lose_terminal()
        finally:
            with suppress(OSError):
                keyboard.flush()
            self._keyboard = None

    def _reread_schema(self) -> None:
        """The dev server writes it when the code has changed."""
        stamp = self._visit.schema_stamp()
        if stamp != self._schema_stamp:
            self._schema_stamp = stamp
            self._feed(SchemaRead(self._visit.schema()))

    async def _make_keyboard(self) -> Keyboard:
        """A line editor where there can be one."""
        if os.environ.get("TERM") != "dumb":
            make = await asyncio.to_thread(_load_prompt)
            if make is not None:
                path = self._words().schema.path_of(self._visit.target.url)
                return make(self._view(), open_history(self._visit.folder, path, self._route_of), self._words)
            self._feed(Told("prompt_toolkit cannot be loaded: lines are edited as the terminal does", "bad"))
        return PlainLines(self._streams.stdin or 0, self._write)

    def _route_of(self, line: str) -> str:
        """The path of the route that a line goes to."""
        return self._words().schema.path_of(self._repl.desk.peer_of(line).target)

    def _view(self) -> View:
        mark, more = self._look.mark("out")[1], self._look.mark("more")[1]
        plain = self._look.plain
        return View(
            marker=lambda: f"{self._repl.marker}{mark} ",
            live=lambda: plain(self._repl.live),
            toolbar=lambda: plain(self._repl.toolbar),
            more=lambda: more,
            dash=lambda: plain("─"),
        )

    def _words(self) -> "Words":
        from lihil_cli.wstest.place.schema import NO_SCHEMA
        from lihil_cli.wstest.repl.complete import Words

        desk = self._repl.desk
        targets = tuple(peer.target for peer in desk.peers.values())
        return Words(desk.setup.schema or NO_SCHEMA, tuple(desk.peers), desk.peer.target, targets)

    async def _watch(self) -> None:
        """Tell about every change of the dev server's state."""
        told: DevState | None = None
        while True:
            closely = self._watch_closely.is_set()
            state = read_dev_state(self._visit.folder) if self._visit.follows_server else DevState(None)
            if state != told and (closely or state.error):
                self._feed(Reloaded(state.generation, state.error))
            told = state if closely or state.error else None
            await (asyncio.sleep(_CLOSELY_S) if closely else self._until_watched())

    async def _until_watched(self) -> None:
        """A while, or until somebody wants to know at once."""
        # Not wait_for: on Python 3.11 it loses a cancellation that comes in the moment its time is up.
        with suppress(TimeoutError):
            async with asyncio.timeout(_SELDOM_S):
                await self._watch_closely.wait()

    # Actions out

    def _what_acts(self) -> dict[type, Callable[[Any], None]]:
        """A row per action."""
        connections = self._connections
        return {
            Display: self._display,
            Connect: connections.connect,
            Send: connections.send,
            SendRaw: connections.send,
            SendPong: connections.send,
            SendClose: connections.send,
            SendPing: connections.ping,
            Stall: connections.stall,
            Drop: connections.drop,
            TraceFrames: connections.trace_frames,
            FetchTrace: self._fetch_trace,
            Watch: self._look_closely,
            ReadFile: self._read_file,
            WriteFile: self._write_file,
            Copy: self._copy,
            Prefill: self._prefill,
            SetKeys: self._set_keys,
            ClearScreen: self._clear,
            Leave: self._leave,
        }

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            self._acts[type(action)](action)

    def _display(self, action: Display) -> None:
        self._print(render(action.item, self._look.but(width=terminal_width())))

    def _look_closely(self, action: Watch) -> None:
        (self._watch_closely.set if action.closely else self._watch_closely.clear)()

    def _prefill(self, action: Prefill) -> None:
        if self._keyboard is not None:
            self._keyboard.prefill(action.text, edit=action.edit)

    def _set_keys(self, action: SetKeys) -> None:
        if self._keyboard is not None:
            self._keyboard.set_keys(action.mode)

    def _clear(self, action: ClearScreen) -> None:
        if self._keyboard is not None:
            self._keyboard.clear()

    def _leave(self, action: Leave) -> None:
        is_lost = self._recorder is not None and self._recorder.is_lost
        self._ended.set_result(ExitCode.FAILED if is_lost and action.code == ExitCode.OK else action.code)

    def _read_file(self, action: ReadFile) -> None:
        self._tasks.start(self._tell(read_file(action)))

    def _write_file(self, action: WriteFile) -> None:
        self._tasks.start(self._tell(write_file(action)))

    def _copy(self, action: Copy) -> None:
        self._tasks.start(self._tell(copy_text(action.text, self._print)))

    def _fetch_trace(self, action: FetchTrace) -> None:
        self._tasks.start(self._tell(self._connections.find_failure(action)))

    async def _tell(self, work: Coroutine[Any, Any, Event]) -> None:
        self._feed(await work)

    # The screen

    def _print(self, text: str) -> None:
        if self._keyboard is None:
            self._write(text)
            return
        try:
            self._keyboard.print_above(text)
        except OSError:
            self._lose_terminal()

    def _write(self, text: str) -> None:
        stream: BinaryIO | None = self._streams.stdout
        if stream is None:
            return
        try:
            stream.write(text.encode(self._streams.encoding, "backslashreplace"))
            stream.flush()
        except OSError:
            self._lose_terminal()

    def _lose_terminal(self) -> None:
        """Nobody is there any longer to type or to look."""
        if not self._ended.done():
            self._ended.set_result(ExitCode.BROKEN_PIPE)


def _load_prompt() -> "Callable[[View, History, Callable[[], Words]], Keyboard] | None":
    """What only somebody who types needs: the commands, and a line editor where there is one."""

    try:
        from lihil_cli.wstest.repl.prompt import Prompt
    except ImportError:
        return None
    return Prompt
