"""The process behind `lihil run --reload`: it holds the socket, sees the files change, and never runs the user's code.

One thread, one selector. What is to be done is decided by `state.Machine` and `changes.Ledger`; here it is done.
"""

import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, Final

from lihil_cli.devserver import events
from lihil_cli.devserver.crew import Crew, Member, wait
from lihil_cli.devserver.desk import Desk
from lihil_cli.devserver.failure import shorten
from lihil_cli.devserver.following import Following
from lihil_cli.devserver.keys import Keys
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.mode import Choice, Mode, change_mode
from lihil_cli.devserver.nursery import Nursery
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.devserver.situation import Situation
from lihil_cli.devserver.state import Machine
from lihil_cli.devserver.watcher import Source, forget_bytecode, open_sources
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.ending import SIGNALS, ignore_signal
from lihil_cli.serving.report import say

_STATES: Final[dict[str, Callable[[int], events.Event]]] = {
    "closed": events.Closed,
    "accepting": events.Accepting,
    "suspended": events.Suspended,
    "shutting down": events.ShuttingDown,
}


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


class _Supervisor:
    def __init__(
        self, nursery: Nursery, sources: list[Source], desk: Desk, choice: Choice, refresh: Callable[[], DevPlan]
    ) -> None:
        self._nursery = nursery
        self._sources = sources
        self._desk = desk
        self._choice = choice
        self._refresh = refresh
        timeout = nursery.plan.start_timeout_s
        self._machine = Machine(keeps_spare=choice.mode is not Mode.COLD, start_timeout_s=timeout)
        self._following = Following(nursery.plan.target.root, sources)
        self._code: int | None = None
        self._selector = selectors.DefaultSelector()
        self._workers = Crew(nursery, self._selector, self._hear)
        self._zygote_link: Link | None = None
        self._bell, self._far_bell = socket.socketpair()  # on which the interpreter writes the number of each signal
        self._before: dict[int, Any] = {}
        self._keys = Keys()
        self._borrowers: set[int] = set()  # workers whose debuggers have the keyboard
        self._told_setting = ""

    # The loop

    def run(self) -> int:
        """Until the machine says End; returns its exit code."""
        self._take_signals()
        self._following.follow_settings(self._nursery.plan.env_files)
        self._selector.register(self._bell, selectors.EVENT_READ, self._hear_signals)
        for source in self._sources:
            self._selector.register(source, selectors.EVENT_READ, lambda source=source: self._following.see(source))
        if self._keys.take():
            self._selector.register(self._keys, selectors.EVENT_READ, self._hear_keys)
        self._watch_zygote()
        self._step(events.Changed(events.Change(at=time.monotonic())))
        while self._code is None:
            for key in wait(self._selector, self._patience()):
                key.data()
            self._pass_time()
        return self._code

    def _patience(self) -> float | None:
        due = (self._machine.deadline, self._following.deadline, self._workers.deadline)
        times = [at for at in due if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _pass_time(self) -> None:
        now = time.monotonic()
        if self._following.deadline is not None and now >= self._following.deadline:
            self._judge(now)
        for worker in self._workers.lost(now):
            self._nursery.kill(worker)  # whatever it is without a link, it is nobody's
            self._lose(worker, "")
        if self._machine.deadline is not None and now >= self._machine.deadline:
            self._step(events.TimePassed())

    def _step(self, event: events.Event) -> None:
        for action in self._machine.step(event, time.monotonic()):
            self._act(action)

    def _take_signals(self) -> None:
        self._far_bell.setblocking(False)
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._far_bell.fileno(), warn_on_full_buffer=False)
        told = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        for number in (*told, signal.SIGINT, signal.SIGCHLD, signal.SIGCONT):
            self._before.setdefault(number, signal.getsignal(number))
            signal.signal(number, ignore_signal)

    def close(self) -> None:
        """Give back what was taken here: signals, keyboard, workers, files."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._keys.give_back()
        self._borrowers.clear()
        for worker in self._workers:
            self._nursery.kill(worker)
            self._workers.drop(worker)
        self._selector.close()
        self._bell.close()
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
            case events.End(code):
                self._code = code
            case _:
                self._show(action)

    def _show(self, action: events.Action) -> None:
        match action:
            case events.ShowServed(generation, change):
                self._show_served(generation, change)
            case events.ShowFailure():
                self._desk.show_failure(action, self._machine.generation + 1)
                self._send_news()
            case events.ShowLoss():
                self._desk.show_loss(action)
            case events.ShowKilled():
                self._desk.show_killed(action, is_in_debugger=action.worker in self._borrowers)
            case events.ShowWait():
                self._desk.show_wait(action)

    def _launch(self, worker: int, *, fresh: bool) -> None:
        if fresh and not self._read_settings(worker):
            return
        try:
            link = self._nursery.launch(worker, fresh=fresh)
        except OSError as error:  # the interpreter may be about to be installed anew
            self._watch_zygote()
            words = f"no process could be started to load the code: {error.filename or 'Python'}: {error.strerror}"
            self._step(events.Failed(worker, events.Failure(words, f"error: {words}")))
            self._step(events.Gone(worker, words))
            return
        self._watch_zygote()
        self._workers.add(worker, link)

    def _tell(self, worker: int, word: events.Word) -> None:
        known = self._workers.get(worker)
        if known is None:
            return
        message: Message = {"word": word.value}
        if word is events.Word.LOAD:
            for path in self._machine.loading:
                forget_bytecode(path)
            known.loaded_at = time.time()
            known.app = str(self._nursery.plan.target)
            message["first"] = self._machine.generation == 0
        elif word is events.Word.OPEN:  # nobody is to ask it before it knows
            self._desk.name(known.app)
            self._tell_news(known, self._machine.generation + (worker == self._machine.next))
        known.link.send(message)

    def _show_served(self, generation: int, change: events.Change | None) -> None:
        known = self._workers.get(self._machine.old)
        routes = known.routes if known is not None else None
        self._desk.show_served(generation, change, time.monotonic(), routes or [], self._choice)
        self._send_news()
        if generation == 1:
            _give_back_memory()

    def _send_news(self) -> None:
        known = self._workers.get(self._machine.old)
        if known is not None:
            self._tell_news(known, self._machine.generation)

    def _tell_news(self, known: Member, generation: int) -> None:
        news = self._desk.news(generation)
        files = self._desk.followed(self._following.files)
        if files is not known.told_files:  # they may be many
            known.told_files = news["files"] = files
        known.link.send({"word": "news", "news": news})

    # What workers say

    def _hear(self, worker: int) -> None:
        for message in self._workers.receive(worker, time.monotonic()):
            known = self._workers.get(worker)
            if known is not None:
                known.has_begun = known.has_begun or "loading" in message
                self._take(worker, known, message)

    def _take(self, worker: int, known: Member, message: Message) -> None:
        match message:
            case {"ready": ready}:
                known.routes = ready["routes"]
                self._step(events.Ready(worker))
            case {"failed": failed}:
                self._following.learn(message["imports"], known.loaded_at, whole=False, is_broken=True)
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
                self._following.learn(imports, known.loaded_at, whole=is_newest)
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

    def _learn_packages(self, imports: Message) -> None:
        packages, setting = imports["packages"], imports["setting"]
        choice = None if self._choice.is_forced else change_mode(self._nursery.mode, modules=packages)
        if choice is not None:
            self._change_mode(choice)
            return
        if imports["waiting"] and self._nursery.mode is not Mode.COLD and setting != self._told_setting:
            self._told_setting = setting
            say(f"note: the app sets {self._desk.shorten(setting)}; what it imports behind that is not loaded ahead")
        if self._nursery.learn(packages, setting, self._following.files) and self._nursery.mode is Mode.STANDBY:
            self._step(events.SpareOutdated(keeps_spare=True))

    def _change_mode(self, choice: Choice) -> None:
        say(choice.line)
        self._choice = choice
        self._nursery.change_mode(choice.mode)
        self._step(events.SpareOutdated(keeps_spare=choice.mode is not Mode.COLD))

    def _lose(self, worker: int, how: str) -> None:
        if worker not in self._workers:
            return  # it hung up, and was not waited for
        self._regain_keys(worker)
        if not self._workers.drop(worker):
            self._step(events.Unfit(worker))
        self._step(events.Gone(worker, how or "without a word"))

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

    def _hear_last(self, worker: int) -> None:
        """Its end may be told before its last words are read: why it failed, above all."""
        while self._workers.may_say_more(worker):
            self._hear(worker)

    # Signals and keys

    def _hear_signals(self) -> None:
        for number in self._bell.recv(4096):
            if number == signal.SIGINT:
                self._step(events.Stop(ExitCode.OK))
            elif number == signal.SIGCONT:
                if not self._borrowers:
                    self._take_keys()
            elif number == signal.SIGCHLD:
                for message in self._nursery.reap():
                    self._hear_last(message["ended"])
                    self._lose(message["ended"], message["how"])
            elif number in SIGNALS:
                self._step(events.Stop(ExitCode.TERMINATED))

    def _take_keys(self) -> None:
        """After a pause the keyboard may be ours again, or not any more."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(self._keys)
        if self._keys.take():
            self._selector.register(self._keys, selectors.EVENT_READ, self._hear_keys)

    def _lend_keys(self, worker: int) -> None:
        """To a debugger in a worker, until it lets go or the worker ends."""
        self._step(events.Paused(worker))
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
        known = self._workers.get(self._machine.old)
        if known is None:
            self._desk.show_sockets([])
        else:
            known.link.send({"word": "sockets"})

    # Files

    def _judge(self, now: float) -> None:
        change = self._following.judge(now)
        if change is not None:
            self._step(events.Changed(change))

    def _read_settings(self, worker: int) -> bool:
        """For a worker that is to inherit nothing; False when they are wrong, with which it has failed."""
        try:
            self._nursery.plan = self._refresh()
        except CliError as error:
            cause = error.__cause__
            absent = [str(cause.filename)] if isinstance(cause, FileNotFoundError) and cause.filename else []
            self._following.follow_settings([*self._nursery.plan.env_files, *absent])
            self._step(events.Failed(worker, events.Failure(error.message.partition("\n")[0], shorten(error.text))))
            self._step(events.Gone(worker, ""))
            return False
        self._following.follow_settings(self._nursery.plan.env_files)
        return True


def _give_back_memory() -> None:
    """glibc keeps what the start took until it is asked for it, see malloc_trim(3)."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def loaded_modules() -> list[str]:
    """The names of what this process has loaded: a debugger's or coverage's would be among them."""
    return [*sys.modules, *(["pydevd"] if sys.gettrace() is not None else [])]
