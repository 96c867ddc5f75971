"""Worker processes as their parent sees them: start one, hear of its life as events, end it within a bound."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from queue import SimpleQueue
from types import FrameType
from typing import TypeAlias

from lihil_cli.devserver.worker import Plan, run_child
from lihil_cli.errors import ExitCode

KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL  # Windows ends a process at once for either

# How long a worker may take beyond its grace, for its lifespan's shutdown, before it is killed.
_OVERTIME_S = 3.0


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker `pid` accepts connections; `notes` are its lines for the banner."""

    pid: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """Worker `pid` is gone; `code` is its exit code, negative for a signal."""

    pid: int
    code: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The parent was told to end, by `signum`."""

    signum: int

    @property
    def code(self) -> ExitCode:
        """Ctrl-C is how a server is meant to end; SIGTERM says 143, as 128 + 15."""
        return ExitCode.OK if self.signum == signal.SIGINT else ExitCode.TERMINATED


Event: TypeAlias = Ready | Ended | Stop
Events: TypeAlias = "SimpleQueue[Event]"


class WorkerProcess:
    """One started worker. It tells `events` when it is Ready and when it has Ended."""

    def __init__(self, plan: Plan, listener: socket.socket, events: Events) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._grace_s = plan.grace_s
        self._link, far_end = spawn.Pipe()
        self._process = spawn.Process(target=run_child, args=(plan, listener, far_end))
        self._is_ready = False
        self._has_ended = threading.Event()
        with _interrupts_held():
            self._process.start()
        far_end.close()  # only the worker holds it now, so that its end is heard here
        self.pid = self._process.pid or 0
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: Events) -> None:
        with suppress(EOFError, OSError):
            while True:
                notes = self._link.recv()
                self._is_ready = True
                events.put(Ready(self.pid, notes))
        # Only this thread waits for the process: of two that do, one finds it gone and never learns how it ended.
        self._process.join()
        self._has_ended.set()
        events.put(Ended(self.pid, self._process.exitcode or 0))

    def tell(self, signum: int) -> None:
        """Ask the worker to end; one that has ended already stays so, one that has not begun to serve need not tidy."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum if self._is_ready else signal.SIGTERM)

    def replace(self) -> None:
        """End the worker as `stop` does; its WebSockets are told that another worker follows."""
        if self._is_ready:
            with suppress(OSError):  # it has ended
                self._link.send("replaced")
            self._wait()
        else:
            self.stop(signal.SIGTERM)

    def stop(self, signum: int) -> None:
        """Ask the worker to end and wait until it has; one that overstays its grace is killed."""
        if not self._has_ended.is_set():
            self.tell(signum)
        self._wait()

    def _wait(self) -> None:
        if not self._has_ended.wait(self._grace_s + _OVERTIME_S):
            with suppress(ProcessLookupError):
                os.kill(self.pid, KILL)
            self._has_ended.wait()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """While open, SIGINT waits, here and in a process that is started: it lifts that once it can handle one.

    Otherwise a Ctrl-C in the first moments of a worker would end in a traceback of the interpreter's own start.
    """
    if sys.platform == "win32":
        yield
        return
    # Its own start, which the first worker's would bring about, lets SIGINT through again when it is done.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def signals_as_events(events: Events) -> Iterator[None]:
    """While open, SIGINT and SIGTERM arrive as Stop. `SimpleQueue.put` may be called from a signal handler."""

    def report(signum: int, frame: FrameType | None) -> None:
        events.put(Stop(signum))

    before = {signum: signal.signal(signum, report) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
