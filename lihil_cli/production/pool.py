"""The shell around `supervisor`: starts processes, listens to them and to signals, and does what it decides."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.production.events import (
    Action,
    Alive,
    Announce,
    Ask,
    Ended,
    Event,
    Finish,
    Kill,
    Limits,
    NotStarted,
    Probe,
    Restart,
    Say,
    Start,
    Started,
    Stop,
    Tick,
)
from lihil_cli.production.supervisor import Supervisor
from lihil_cli.production.vitals import is_stopped
from lihil_cli.production.worker import PROBE, run_worker
from lihil_cli.serving.ending import SIGNALS, code_after, ignore_signal, interrupts_held
from lihil_cli.serving.orders import Order
from lihil_cli.serving.report import Place, say, show_banner
from lihil_cli.serving.server import Plan

KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL  # Windows ends a process at once for either

Renew: TypeAlias = Callable[[], tuple[Plan, Limits]]


@dataclass(frozen=True, slots=True)
class Hangup:
    """SIGHUP has come, and means a restart."""


Events: TypeAlias = "SimpleQueue[Event | Hangup]"


def serve_pool(plan: Plan, limits: Limits, listener: socket.socket, place: Place, renew: Renew) -> ExitCode:
    """Keep a pool of processes serving until a signal; SIGHUP restarts them one after the other.

    Before that it asks `renew` how to go on; where that raises CliError, nobody is restarted.
    Returns 0 after SIGINT and 143 after SIGTERM, 1 when the app cannot be served (its worker has said why).
    """
    return _Pool(plan, limits, listener, place, renew).run()


class _Pool:
    def __init__(self, plan: Plan, limits: Limits, listener: socket.socket, place: Place, renew: Renew) -> None:
        self._plan = plan
        self._listener = listener
        self._place = place
        self._renew = renew
        self._supervisor = Supervisor(limits)
        self._events: Events = SimpleQueue()
        self._crew: dict[int, WorkerProcess] = {}
        self._actions: deque[Action] = deque()
        self._outcome: ExitCode | None = None
        self._signal = 0  # the first that asked for the end
        self._has_terminal = _can_open_terminal()
        self._outlives_terminal = _is_ignored("SIGHUP")  # as under nohup

    def run(self) -> ExitCode:
        with self._signals_heard():
            self._actions.extend(self._supervisor.begin())
            self._act()
            while self._outcome is None:
                event = self._next_event()
                if isinstance(event, Hangup):
                    self._restart()
                else:
                    self._hear(event)
                self._act()
        return self._outcome

    def _next_event(self) -> Event | Hangup:
        due = self._supervisor.due
        try:
            return self._events.get(timeout=None if due is None else max(due - time.monotonic(), 0))
        except Empty:
            return Tick()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._crew.pop(event.pid, None)
        self._actions.extend(self._supervisor.handle(event, time.monotonic()))

    def _restart(self) -> None:
        try:
            self._plan, limits = self._renew()
        except CliError as error:
            say(f"{error.text}\nnobody is restarted")
        else:
            self._hear(Restart(limits))

    def _act(self) -> None:
        while self._actions:
            self._do(self._actions.popleft())

    def _do(self, action: Action) -> None:
        match action:
            case Start():
                self._hear(self._start())
            case Ask(pid, way):
                self._crew[pid].ask(way)
            case Kill(pid):
                self._crew[pid].kill()
            case Probe(pid):
                self._crew[pid].probe()
            case Say(text):
                say(text)
            case Announce(notes):
                show_banner(self._place, notes)
            case Finish(failed):
                self._outcome = ExitCode.FAILED if failed else code_after(self._signal)

    def _start(self) -> Event:
        try:
            worker = WorkerProcess(self._plan, self._listener, self._events)
        except OSError as error:
            return NotStarted(error.strerror or str(error))
        self._crew[worker.pid] = worker
        return Started(worker.pid)

    @contextmanager
    def _signals_heard(self) -> Iterator[None]:
        """While open, signals arrive as events; behind it they mean nothing any more.

        By way of a thread, because a main thread that is just about to wait does not notice one; a byte in a socket
        is noticed always.
        """
        near, far = socket.socketpair()
        with near, far:
            far.setblocking(False)
            for signum in SIGNALS:
                signal.signal(signum, ignore_signal)
            wakeup = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
            thread = threading.Thread(target=self._hear_signals, args=(near,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                signal.set_wakeup_fd(wakeup)
                far.close()
                thread.join()

    def _hear_signals(self, near: socket.socket) -> None:
        while numbers := near.recv(64):
            for signum in numbers:
                self._hear_signal(signum)

    def _hear_signal(self, signum: int) -> None:
        if signum != getattr(signal, "SIGHUP", None):
            self._signal = self._signal or signum
            self._events.put(Stop(hurried=signum == signal.SIGINT))
        elif self._has_terminal and not _can_open_terminal():
            self._has_terminal = False
            if not self._outlives_terminal:
                self._signal = self._signal or signum
                self._events.put(Stop(hurried=False))
        else:
            self._events.put(Hangup())


def _can_open_terminal() -> bool:
    """Whether this process has a controlling terminal; SIGHUP says that it has been closed, or is an order, tty(4)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _is_ignored(name: str) -> bool:
    return hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_IGN


class WorkerProcess:
    """One started worker. It tells `events` when it is Ready and when it has Ended. Raises OSError at its birth."""

    def __init__(self, plan: Plan, listener: socket.socket, events: Events) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._link, far_end = spawn.Pipe()
        self._process = spawn.Process(target=run_worker, args=(plan, listener, far_end))
        with interrupts_held():
            self._process.start()
        far_end.close()  # only the worker holds it now, so that its end is heard here
        self.pid: int = self._process.pid or 0
        self._events = events
        self._is_probed = False  # and has not answered
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                news = self._link.recv()
                self._is_probed = self._is_probed and not isinstance(news, Alive)
                self._events.put(news)
        # Only this thread waits for the process: of two that do, one finds it gone and never learns how it ended.
        self._process.join()
        self._events.put(Ended(self.pid, self._process.exitcode or 0))

    def ask(self, order: Order) -> None:
        """Ask the worker to end; one that has ended already does not mind."""
        with suppress(OSError):
            self._link.send(order.value)

    def probe(self) -> None:
        """Ask for a sign of life; one that somebody has stopped cannot give it, and is not to blame."""
        if self._is_probed and is_stopped(self.pid):
            self._events.put(Alive(self.pid))
            return
        self._is_probed = True
        with suppress(OSError):
            self._link.send(PROBE)

    def kill(self) -> None:
        """End the worker without asking."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, KILL)
