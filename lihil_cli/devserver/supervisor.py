"""The process behind `lihil run --reload`: it holds the socket, sees the files change, and never runs the user's code.

One thread, one selector. What is to be done is decided by `state.Machine` and `changes.Ledger`; here it is done.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Any, Final

from lihil_cli.devserver import events
from lihil_cli.devserver.changes import Burst, Ledger, may_count
from lihil_cli.devserver.desk import Desk
from lihil_cli.devserver.keys import Keys
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.mode import Choice, Mode, change_mode
from lihil_cli.devserver.nursery import Nursery
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.devserver.state import Machine, Situation
from lihil_cli.devserver.watcher import Source, forget_bytecode, open_sources, read_file
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.report import say

_STATES: Final[dict[str, Callable[[int], events.Event]]] = {
    "closed": events.Closed,
    "accepting": events.Accepting,
    "suspended": events.Suspended,
}
_GRAIN_S = 0.02  # by how much a file's time may lie behind the clock


def serve_following(
    plan: DevPlan, listener: socket.socket, desk: Desk, choice: Choice, refresh: Callable[[], DevPlan]
) -> ExitCode:
    """Serve an app, and the newest code of it that can be served, until a signal.

    `refresh` reads the settings again, for which it may raise CliError. Returns 0 after SIGINT or `q`, 143 after
    SIGTERM. Raises CliError when the files cannot be watched.
    """
    nursery = Nursery(plan, listener, choice.mode)  # first: it starts a process, which takes its time elsewhere
    root = plan.target.root
    with ExitStack() as opened:
        opened.callback(nursery.close)
        try:
            sources = open_sources(root)
        except (OSError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or error
            raise CliError(f"{root} cannot be watched: {why}", hint="run it with --no-reload") from error
        for source in sources:
            opened.callback(source.close)
        supervisor = _Supervisor(nursery, sources, desk, choice, refresh)
        opened.callback(supervisor.close)
        return ExitCode(supervisor.run())


class _Known:
    """A worker's link, and what is known of it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.loaded_at = 0.0
        self.routes: list[tuple[str, str]] | None = None
        self.has_hung_up = False


class _Bell:
    """Signals, brought to the selector."""

    def __init__(self, near: socket.socket) -> None:
        self.near = near
        self.rung: list[int] = []

    def note(self, signum: int, frame: FrameType | None) -> None:
        self.rung.append(signum)


class _Supervisor:
    def __init__(
        self, nursery: Nursery, sources: list[Source], desk: Desk, choice: Choice, refresh: Callable[[], DevPlan]
    ) -> None:
        self._nursery = nursery
        self._sources = sources
        self._desk = desk
        self._choice = choice
        self._refresh = refresh
        self._root = str(nursery.plan.target.root)
        self._machine = Machine(keeps_spare=choice.mode is not Mode.COLD)
        self._ledger = Ledger()
        self._burst = Burst()
        self._workers: dict[int, _Known] = {}
        self._code: int | None = None
        self._selector = selectors.DefaultSelector()
        self._zygote_link: Link | None = None
        near, self._far_bell = socket.socketpair()
        self._bell = _Bell(near)
        self._before: dict[int, Any] = {}
        self._keys = Keys()
        self._borrowers: set[int] = set()  # workers whose debuggers have the keyboard
        self._told_setting = ""

    # The loop

    def run(self) -> int:
        """Until the machine says End; returns its exit code."""
        self._take_signals()
        for env_file in self._nursery.plan.env_files:  # whatever its name is
            self._ledger.inherited.add(env_file)
            for source in self._sources:
                source.follow(os.path.dirname(env_file))
        self._selector.register(self._bell.near, selectors.EVENT_READ, self._hear_signals)
        for source in self._sources:
            self._selector.register(source, selectors.EVENT_READ, lambda source=source: self._see(source))
        if self._keys.take():
            self._selector.register(self._keys, selectors.EVENT_READ, self._hear_keys)
        self._watch_zygote()
        self._step(events.Changed(events.Change(at=time.monotonic())))
        while self._code is None:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._pass_time()
        return self._code

    def _patience(self) -> float | None:
        times = [at for at in (self._machine.deadline, self._burst.deadline) if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _pass_time(self) -> None:
        now = time.monotonic()
        if self._burst.deadline is not None and now >= self._burst.deadline:
            self._judge(now)
        if self._machine.deadline is not None and now >= self._machine.deadline:
            self._step(events.TimePassed())

    def _step(self, event: events.Event) -> None:
        for action in self._machine.step(event, time.monotonic()):
            self._act(action)

    def _take_signals(self) -> None:
        self._far_bell.setblocking(False)
        self._bell.near.setblocking(False)
        signal.set_wakeup_fd(self._far_bell.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGCONT"):
            if hasattr(signal, name):
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._bell.note)

    def close(self) -> None:
        """Give back what was taken here: signals, keyboard, workers, files."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._keys.give_back()
        self._borrowers.clear()
        for worker in list(self._workers):
            self._nursery.kill(worker)
            self._drop(worker)
        self._selector.close()
        self._bell.near.close()
        self._far_bell.close()
        self._desk.clear()

    # What is decided

    def _act(self, action: events.Action) -> None:
        match action:
            case events.Launch(worker, fresh):
                self._launch(worker, fresh=fresh)
            case events.Tell(worker, word):
                self._tell(worker, word)
            case events.Kill(worker):
                if worker in self._workers and not self._nursery.kill(worker):
                    self._lose(worker, "")
            case events.ShowServed(generation, change):
                self._show_served(generation, change)
            case events.ShowFailure():
                self._desk.show_failure(action, self._machine.generation + 1)
                self._send_news()
            case events.ShowLoss():
                self._desk.show_loss(action)
            case events.End(code):
                self._code = code

    def _launch(self, worker: int, *, fresh: bool) -> None:
        link = self._nursery.launch(worker, fresh=fresh)
        self._watch_zygote()
        self._workers[worker] = _Known(link)
        self._selector.register(link, selectors.EVENT_READ, lambda: self._hear(worker))

    def _tell(self, worker: int, word: events.Word) -> None:
        known = self._workers.get(worker)
        if known is None:
            return
        message: Message = {"word": word.value}
        if word is events.Word.LOAD:
            for path in self._machine.loading:
                forget_bytecode(path)
            known.loaded_at = time.time()
            message["first"] = self._machine.generation == 0
        elif word is events.Word.OPEN:  # nobody is to ask it before it knows
            generation = self._machine.generation + (worker == self._machine.next)
            known.link.send({"word": "news", "news": self._desk.news(generation, self._ledger.files)})
        known.link.send(message)

    def _show_served(self, generation: int, change: events.Change | None) -> None:
        known = self._workers.get(self._machine.old or 0)
        routes = known.routes if known is not None else None
        self._desk.show_served(generation, change, time.monotonic(), routes or [], self._choice)
        self._send_news()
        if generation == 1:
            _give_back_memory()

    def _send_news(self) -> None:
        known = self._workers.get(self._machine.old or 0)
        if known is not None:
            known.link.send({"word": "news", "news": self._desk.news(self._machine.generation, self._ledger.files)})

    # What workers say

    def _hear(self, worker: int) -> None:
        known = self._workers.get(worker)
        if known is None or known.has_hung_up:  # gone since the selector looked
            return
        messages = known.link.receive()
        if messages is None:
            self._selector.unregister(known.link)
            known.has_hung_up = True
            if not self._nursery.has_reaper(worker):
                self._lose(worker, "")
            return
        for message in messages:
            self._take(worker, known, message)

    def _take(self, worker: int, known: _Known, message: Message) -> None:
        match message:
            case {"ready": ready}:
                known.routes = ready["routes"]
                self._step(events.Ready(worker))
            case {"failed": failed}:
                self._learn_files(message["imports"], known, whole=False)
                failure = events.Failure(failed["summary"], failed["text"], failed["exclusive"])
                self._step(events.Failed(worker, failure))
            case {"misled": _}:
                self._step(events.Unfit(worker))
            case {"now": state}:
                self._step(_STATES[state](worker))
            case {"imports": imports} if worker == self._machine.old:
                known.loaded_at = max(known.loaded_at, imports["since"])  # a handler may import, long after the rest
                # While newer code waits to be mended, what the old one is made of is not the whole story.
                is_newest = self._machine.situation is Situation.SERVING and not self._machine.loading
                self._learn_files(imports, known, whole=is_newest)
                self._learn_packages(imports)
                self._send_news()
            case {"schema": schema} if worker == self._machine.old:
                self._desk.write_schema(schema)
            case {"breakpoint": is_wanted}:
                (self._lend_keys if is_wanted else self._regain_keys)(worker)
            case {"note": note}:
                say(note)
            case {"sockets": sockets}:
                self._desk.show_sockets(sockets)

    def _learn_files(self, imports: Message, known: _Known, *, whole: bool) -> None:
        self._ledger.learn(
            files=imports["files"], inherited=imports["inherited"], missing=imports["missing"], whole=whole
        )
        for path in self._ledger.unread():
            with suppress(OSError):
                # What was saved after the worker began may be newer than what it has read.
                if os.stat(path).st_ctime < known.loaded_at - _GRAIN_S:
                    self._ledger.note(path, read_file(path))
        for folder in {os.path.dirname(path) for path in imports["files"] + imports["inherited"]}:
            for source in self._sources:
                source.follow(folder)

    def _learn_packages(self, imports: Message) -> None:
        packages, setting = imports["packages"], imports["setting"]
        choice = None if self._choice.is_forced else change_mode(self._nursery.mode, modules=packages)
        if choice is not None:
            self._change_mode(choice)
            return
        if imports["waiting"] and self._nursery.mode is not Mode.COLD and setting != self._told_setting:
            self._told_setting = setting
            say(f"note: the app sets {self._desk.shorten(setting)}; what it imports behind that is not loaded ahead")
        if self._nursery.learn(packages, setting, self._ledger.files) and self._nursery.mode is Mode.STANDBY:
            self._step(events.SpareOutdated(keeps_spare=True))

    def _change_mode(self, choice: Choice) -> None:
        say(choice.line)
        self._choice = choice
        self._nursery.change_mode(choice.mode)
        self._step(events.SpareOutdated(keeps_spare=choice.mode is not Mode.COLD))

    def _lose(self, worker: int, how: str) -> None:
        has_begun = self._nursery.has_begun(worker)
        self._drop(worker)
        if not has_begun:
            self._step(events.Unfit(worker))
        self._step(events.Gone(worker, how or "without a word"))

    def _drop(self, worker: int) -> None:
        known = self._workers.pop(worker, None)
        self._nursery.forget(worker)
        self._regain_keys(worker)
        if known is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(known.link)
            known.link.close()

    # The zygote and processes

    def _watch_zygote(self) -> None:
        link = self._nursery.zygote_link
        if link is self._zygote_link:
            return
        if self._zygote_link is not None:
            self._selector.unregister(self._zygote_link)
        self._zygote_link = link
        if link is not None:
            self._selector.register(link, selectors.EVENT_READ, self._hear_zygote)

    def _hear_zygote(self) -> None:
        for message in self._nursery.receive():
            match message:
                case {"ended": worker, "how": how}:
                    self._hear_last(worker)
                    self._lose(worker, how)
                case {"learned": _}:
                    self._step(events.SpareOutdated(keeps_spare=self._nursery.mode is not Mode.COLD))
                case {"threads": name} if not self._choice.is_forced:
                    choice = change_mode(self._nursery.mode, threaded=name)
                    if choice is not None:
                        self._change_mode(choice)
        self._watch_zygote()
        for worker in [worker for worker, known in self._workers.items() if known.has_hung_up]:
            if not self._nursery.has_reaper(worker):
                self._lose(worker, "")

    def _hear_last(self, worker: int) -> None:
        """Its end may be told before its last words are read: why it failed, above all."""
        while worker in self._workers and not self._workers[worker].has_hung_up:
            ready, _, _ = select_now(self._workers[worker].link)
            if not ready:
                return
            self._hear(worker)

    # Signals and keys

    def _hear_signals(self) -> None:
        with suppress(BlockingIOError):
            self._bell.near.recv(4096)
        rung, self._bell.rung[:] = list(self._bell.rung), []
        for signum in rung:
            if signum == signal.SIGINT:
                self._step(events.Stop(ExitCode.OK))
            elif signum == signal.SIGTERM:
                self._step(events.Stop(ExitCode.TERMINATED))
            elif signum == getattr(signal, "SIGCONT", None):
                if not self._borrowers:
                    self._take_keys()
            else:
                for message in self._nursery.reap():
                    self._hear_last(message["ended"])
                    self._lose(message["ended"], message["how"])

    def _take_keys(self) -> None:
        """After a pause the keyboard may be ours again, or not any more."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._keys)
        if self._keys.take():
            self._selector.register(self._keys, selectors.EVENT_READ, self._hear_keys)

    def _lend_keys(self, worker: int) -> None:
        """To a debugger in a worker, until it lets go or the worker ends."""
        with suppress(KeyError, ValueError):
            if not self._borrowers:
                self._selector.unregister(self._keys)
                self._keys.give_back()
            self._borrowers.add(worker)

    def _regain_keys(self, worker: int) -> None:
        if worker in self._borrowers:
            self._borrowers.discard(worker)
            if not self._borrowers:
                self._take_keys()

    def _hear_keys(self) -> None:
        pressed = self._keys.read()
        if pressed is None:
            self._selector.unregister(self._keys)
            return
        for key in pressed:
            if key == "q":
                self._step(events.Stop(ExitCode.OK))
            elif key == "r":
                self._step(events.Changed(events.Change(at=time.monotonic(), fresh=True)))
            elif key == "w":
                self._ask_for_sockets()
            elif key in "?h":
                self._desk.show_keys()

    def _ask_for_sockets(self) -> None:
        known = self._workers.get(self._machine.old or 0)
        if known is None:
            self._desk.show_sockets([])
        else:
            known.link.send({"word": "sockets"})

    # Files

    def _see(self, source: Source) -> None:
        now = time.monotonic()
        for seen in source.changes():
            paths = self._ledger.below(seen.path) if seen.is_folder else [seen.path]
            for path in paths:
                if (may_count(path) or self._ledger.holds(path)) and self._ledger.is_part(path):
                    self._burst.add(path, now, is_gone=seen.is_gone)

    def _judge(self, now: float) -> None:
        if now < self._burst.began + 1.9 and os.path.exists(f"{self._root}/.git/index.lock"):
            self._burst.lock(now)
            return
        began = self._burst.began
        verdict = self._ledger.judge(self._burst.take(), read_file)
        if verdict is None:
            return
        if verdict.is_fresh and not self._read_settings():
            return
        self._step(events.Changed(events.Change(verdict.files, began, verdict.is_fresh)))

    def _read_settings(self) -> bool:
        try:
            self._nursery.plan = self._refresh()
        except CliError as error:
            say(error.text)
            return False
        return True


def _give_back_memory() -> None:
    """glibc keeps what the start took until it is asked for it, see malloc_trim(3)."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def select_now(link: Link) -> tuple[list[Any], list[Any], list[Any]]:
    """Whether something can be read from a link without waiting."""
    import select

    return select.select([link], [], [], 0)


def loaded_modules() -> list[str]:
    """The names of what this process has loaded: a debugger's or coverage's would be among them."""
    return [*sys.modules, *(["pydevd"] if sys.gettrace() is not None else [])]
