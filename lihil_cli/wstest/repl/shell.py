"""The shell around the terminal's decisions: carries them out, and tells what happens."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from lihil_cli.console import colour_allowed
from lihil_cli.devfile import find_dev_file
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.crash import Crash, crash_lines, crash_of
from lihil_cli.wstest.devserver import connection_id, fetch_crash
from lihil_cli.wstest.interrupts import Interrupts
from lihil_cli.wstest.network.connecting import Handshake, Refusal, Response
from lihil_cli.wstest.network.target import Target, resolve_target
from lihil_cli.wstest.opening import kept_schema, schema_of_app
from lihil_cli.wstest.place.locate import Located, find_schema
from lihil_cli.wstest.repl.attempt import Attempt
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
    Opened,
    Prefill,
    ReadFile,
    Reloaded,
    Send,
    SendClose,
    SendPing,
    SendPong,
    SendRaw,
    SetKeys,
    Stall,
    Tick,
    Told,
    Traced,
    TraceFrames,
    Watch,
    WriteFile,
)
from lihil_cli.wstest.repl.history import History, open_history
from lihil_cli.wstest.repl.keyboard import Keyboard, PlainLines, View
from lihil_cli.wstest.repl.log import Log
from lihil_cli.wstest.repl.look import MARKS, Look
from lihil_cli.wstest.repl.render import render
from lihil_cli.wstest.repl.state import Repl
from lihil_cli.wstest.repl.strays import strays_told
from lihil_cli.wstest.settings import Options
from lihil_cli.wstest.terminal import Streams, terminal_width

if TYPE_CHECKING:
    # Loaded where there is a schema to read, or somebody types.
    from lihil_cli.wstest.place.schema import Schema
    from lihil_cli.wstest.repl.complete import Words

PING_INTERVAL_S = 20.0

# The prompt needs a moment to take itself off the screen; a terminal that hangs is not waited for.
_PROMPT_END_S = 1.0
_CLOSE_WAIT_S = 0.8  # so that Ctrl-C ends it within a second, also where the server does not answer the close
_REFRESH_S = 0.05
_CLOSELY_S, _SELDOM_S = 0.03, 0.5


class Visit(Record):
    """One call of the command at a terminal. `folder` is where the project is looked for, `place` how it was found."""

    target: Target
    handshake: Handshake
    options: Options
    folder: Path
    place: Located | None = None
    reconnects: bool = True
    frames: bool = False


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
        self._setup = Setup(
            visit.target.shown,
            _about(visit),
            options.messages,
            options.limit,
            options.timeout_s,
            visit.reconnects,
            visit.handshake.headers,
            _schema_of(visit),
            options.ok_codes,
            None if options.until is None else options.until.matches,
            tuple((pattern.shown, pattern.matches) for pattern in options.expects),
        )
        now = self._loop.time()
        self._log = Log()
        self._repl = Repl(self._setup, self._log, now, time.time() - now)
        self._look = _look_of(streams)
        self._attempts: dict[str, Attempt] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._targets: dict[str, Target] = {self._repl.desk.current: visit.target}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.TimerHandle | None = None
        self._keyboard: Keyboard | None = None
        self._typing: asyncio.Task[None] | None = None
        self._watch_closely = asyncio.Event()
        self._is_tracing = visit.frames
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
                self._arm()
                self._spawn(self._watch())
                return await self._ended
            finally:
                await self._tear_down()

    def _warn(self) -> None:
        if self._visit.handshake.tls.insecure and self._visit.target.is_secure:
            self._feed(Told("--insecure: anybody may be answering, the certificate is not checked", "bad"))

    def _note_interrupt(self) -> None:
        self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        self._interrupts.settle()
        self._feed(Interrupted())

    async def _tear_down(self) -> None:
        if self._keyboard is not None and self._typing is not None:
            self._keyboard.stop()
            await asyncio.wait({self._typing}, timeout=_PROMPT_END_S)
        running = [*self._tasks, *self._running.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._log.close()

    # Events in

    def _feed(self, event: Event) -> None:
        if self._ended.done():
            return
        self._do(self._repl.handle(event, self._loop.time()))
        self._arm()
        if isinstance(event, Opened | Failed) and self._typing is None and not self._ended.done():
            self._typing = self._spawn(self._type())
        if self._refreshing is None and self._keyboard is not None:
            self._refreshing = self._loop.call_later(_REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        if self._keyboard is not None:
            self._keyboard.refresh()

    def _arm(self) -> None:
        """See to it that a Tick comes when one is wanted; one that comes too early does no harm."""
        wake_at = self._repl.wake_at
        if wake_at is None or (self._timer is not None and self._timer.when() <= wake_at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(wake_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(Tick())

    async def _type(self) -> None:
        """Take what is typed for as long as it means anything."""
        keyboard = self._keyboard = await self._make_keyboard()
        try:
            with keyboard.keys():
                while not self._ended.done():
                    self._feed(await keyboard.next_event())
        finally:
            keyboard.flush()
            self._keyboard = None

    async def _make_keyboard(self) -> Keyboard:
        """A line editor where there can be one."""
        if os.environ.get("TERM") != "dumb":
            make = await asyncio.to_thread(_load_prompt)
            if make is not None:
                path = urlsplit(self._visit.target.url).path
                return make(self._view(), open_history(self._visit.folder, path), self._words)
            self._feed(Told("prompt_toolkit cannot be loaded: lines are edited as the terminal does", "bad"))
        return PlainLines(self._streams.stdin or 0, self._write)

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
        return Words(self._setup.schema or NO_SCHEMA, tuple(desk.peers), desk.peer.target)

    async def _watch(self) -> None:
        """Tell about every change of the dev server's state."""
        told: DevState | None = None
        while True:
            closely = self._watch_closely.is_set()
            state = read_dev_state(self._visit.folder) if self._follows_server else DevState(None)
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

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            _ACTS[type(action)](self, action)

    def _display(self, action: Display) -> None:
        self._print(render(action.item, self._look.but(width=terminal_width())))

    def _send(self, action: Send | SendRaw | SendPong | SendClose) -> None:
        self._attempts[action.peer].put(action)

    def _ping(self, action: SendPing) -> None:
        self._spawn(self._attempts[action.peer].ping())

    def _stall(self, action: Stall) -> None:
        self._attempts[action.peer].stall(action.seconds)

    def _drop(self, action: Drop) -> None:
        connection = self._attempts[action.peer].connection
        if connection is not None:
            self._spawn(connection.drop())
        else:
            self._running[action.peer].cancel()

    def _trace_frames(self, action: TraceFrames) -> None:
        self._is_tracing = action.on
        for attempt in self._attempts.values():
            attempt.trace(on=action.on)

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
        self._ended.set_result(action.code)

    def _read_file(self, action: ReadFile) -> None:
        self._spawn(self._tell(read_file(action)))

    def _write_file(self, action: WriteFile) -> None:
        self._spawn(self._tell(write_file(action)))

    def _copy(self, action: Copy) -> None:
        self._spawn(self._tell(copy_text(action.text, self._print)))

    async def _tell(self, work: Coroutine[Any, Any, Event]) -> None:
        self._feed(await work)

    # The screen

    def _print(self, text: str) -> None:
        if self._keyboard is not None:
            self._keyboard.print_above(text)
        else:
            self._write(text)

    def _write(self, text: str) -> None:
        stream: BinaryIO | None = self._streams.stdout
        if stream is None:
            return
        try:
            stream.write(text.encode(self._streams.encoding, "backslashreplace"))
            stream.flush()
        except OSError:  # the terminal has gone
            if not self._ended.done():
                self._ended.set_result(ExitCode.BROKEN_PIPE)

    # Connections

    def _connect(self, action: Connect) -> None:
        peer = action.peer
        try:
            target = self._targets[peer] = self._find_target(action)
        except CliError as error:
            self._loop.call_soon(self._feed, Failed(peer, tuple(filter(None, (error.message, error.hint))), error.code))
            return
        handshake = self._visit.handshake.but(
            headers=action.headers, ping_interval_s=None, close_timeout_s=_CLOSE_WAIT_S
        )
        attempt = self._attempts[peer] = Attempt(peer, target, handshake, self._feed, self._explain)
        attempt.trace(on=self._is_tracing)
        interval_s = self._visit.handshake.ping_interval_s
        record = find_dev_file(self._visit.folder) if self._follows_server else None
        # The generation is read before the handshake: one that changes during it is then seen as a change.
        generation = None if record is None else record.generation
        running = self._loop.create_task(attempt.run(generation, PING_INTERVAL_S if interval_s is None else interval_s))
        self._running[peer] = running
        running.add_done_callback(self._settle)

    def _find_target(self, action: Connect) -> Target:
        like = self._targets[action.like or action.peer if action.peer in self._targets else action.like]
        is_awaited = self._visit.place is not None and self._visit.place.is_awaited
        server = find_dev_file(self._visit.folder) if like.running or is_awaited else None
        parts = urlsplit(like.url)
        text = action.target
        if text.startswith("?"):
            text = parts.path + text
        if not text:
            if server is None:
                return like
            text = parts.path + (f"?{parts.query}" if parts.query else "")
        if text.startswith("/") and server is None:
            return like.but(url=parts._replace(path="", query="").geturl() + text)
        return resolve_target(text, server, base=None, port=None)

    def _fetch(self, action: FetchTrace) -> None:
        self._spawn(self._tell(self._find_failure(action.peer)))

    async def _find_failure(self, peer: str) -> Traced:
        connection = self._attempts[peer].connection
        crash = None if connection is None else await self._explain(connection.response, connection.failure)
        if crash is None:
            return Traced(peer)
        short, full = crash_lines(crash), crash_lines(crash, is_whole=True)
        return Traced(peer, crash.handler, _unindented(short), _unindented(full))

    async def _explain(self, answer: Response | Refusal | None, failure: BaseException | None) -> Crash | None:
        """Why the app failed, from its exception where it runs here, or else from the dev server."""
        place = self._visit.place
        if failure is not None:
            return crash_of(failure, (place and place.root) or self._visit.folder)
        server = find_dev_file(self._visit.folder) if self._follows_server else None
        if server is None or answer is None:
            return None
        name = connection_id(Response(answer.status, answer.phrase, answer.headers))
        return None if name is None else await fetch_crash(server, name)

    @property
    def _follows_server(self) -> bool:
        """Whether the dev server's word counts: it gave the address, or it may still come."""
        place = self._visit.place
        return self._visit.target.running or (place is not None and (place.is_awaited or place.server is not None))

    # Tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settle)
        return task

    def _settle(self, task: asyncio.Task[None]) -> None:
        """Forget a task that is done; one that failed is a bug of ours, and ends the session with it."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._ended.done():
            self._ended.set_exception(error)


_ACTS: dict[type, Callable[[_Shell, Any], None]] = {
    Display: _Shell._display,
    Connect: _Shell._connect,
    Send: _Shell._send,
    SendRaw: _Shell._send,
    SendPong: _Shell._send,
    SendClose: _Shell._send,
    SendPing: _Shell._ping,
    Stall: _Shell._stall,
    Drop: _Shell._drop,
    TraceFrames: _Shell._trace_frames,
    FetchTrace: _Shell._fetch,
    Watch: _Shell._look_closely,
    ReadFile: _Shell._read_file,
    WriteFile: _Shell._write_file,
    Copy: _Shell._copy,
    Prefill: _Shell._prefill,
    SetKeys: _Shell._set_keys,
    ClearScreen: _Shell._clear,
    Leave: _Shell._leave,
}


def _about(visit: Visit) -> str:
    """What is known of the server before anything is asked of it."""
    if visit.target.app is not None:
        return f"in this process, {visit.target.app.label}"
    return "" if visit.place is None or visit.place.how == "as named" else visit.place.how


def _schema_of(visit: Visit) -> "Schema | None":
    """What is known of the app's routes, for completion; nothing depends on it."""
    if visit.target.app is not None:
        return schema_of_app(getattr(visit.target.app, "app", None), visit.target.app.label)
    file = find_schema(visit.folder)
    return None if file is None else kept_schema(file)


def _unindented(lines: list[str]) -> tuple[str, ...]:
    """The lines without their indent; an exception without words ends in a colon that says nothing."""
    return tuple(line.removeprefix("  ").rstrip().removesuffix(":") for line in lines)


def _load_prompt() -> "Callable[[View, History, Callable[[], Words]], Keyboard] | None":
    """What only somebody who types needs: the commands, and a line editor where there is one."""

    try:
        from lihil_cli.wstest.repl.prompt import Prompt
    except ImportError:
        return None
    return Prompt


def _look_of(streams: Streams) -> Look:
    """What this terminal can show."""
    marks = "".join(mark for mark, _, _ in MARKS.values())
    try:
        marks.encode(streams.encoding)
        has_marks = True
    except (UnicodeError, LookupError):
        has_marks = False
    stdout = sys.stdout
    return Look(
        colour=stdout is not None and colour_allowed(stdout),
        ascii=not has_marks,
        offset_s=time.localtime().tm_gmtoff,
    )
