"""Serving while the code changes: one worker that follows the source files."""

import os
import signal
import socket
from queue import SimpleQueue

from lihil_cli.devserver.processes import (
    Changed,
    Ended,
    Events,
    Ready,
    Stop,
    WorkerProcess,
    signals_as_events,
)
from lihil_cli.devserver.watcher import Watcher, forget_bytecode
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.report import Place, Traces, say, show_banner
from lihil_cli.serving.server import Plan

_NAMED = 3  # changed files, before the rest is only counted


def serve_following(plan: Plan, listener: socket.socket, place: Place, traces: Traces) -> ExitCode:
    """Serve in one worker that is replaced whenever a source file below the root changes, until a signal.

    The socket stays open meanwhile, so clients wait instead of being refused. An app that cannot be served is
    reported by its worker, and the next change is waited for. Returns 0 after SIGINT and 143 after SIGTERM.
    Raises CliError when the files cannot be watched.
    """
    events: Events = SimpleQueue()
    with signals_as_events(events):
        watcher = Watcher(place.root, events)
        try:
            return _Follower(plan, listener, place, traces, events).run(watcher)
        finally:
            watcher.stop()


class _Follower:
    def __init__(self, plan: Plan, listener: socket.socket, place: Place, traces: Traces, events: Events) -> None:
        self._plan = plan
        self._listener = listener
        self._place = place
        self._traces = traces
        self._events = events
        self._worker = WorkerProcess(plan, listener, events)
        self._generation = 1
        self._served = False

    def run(self, watcher: Watcher) -> ExitCode:
        watcher.wait_until_watching()
        if watcher.failure:
            self._worker.stop(signal.SIGTERM)
            raise CliError(f"{self._place.root} cannot be watched: {watcher.failure}", hint="run it with --no-reload")
        while True:
            match self._events.get():
                case Stop() as stop:
                    self._worker.stop(stop.signum)
                    return stop.code
                case Changed(paths):
                    self._reload(paths)
                case Ready(pid, notes) if pid == self._worker.pid:
                    self._tell_ready(notes)
                case Ended(pid, code) if pid == self._worker.pid:
                    why = "" if code == ExitCode.FAILED else f"the worker ended {ending(code)}; "
                    say(f"{why}waiting for a change to try again")

    def _reload(self, paths: tuple[str, ...]) -> None:
        names = [os.path.relpath(path, self._place.root) for path in paths[:_NAMED]]
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        say(f"changed: {', '.join(names)}{more}; loading")
        self._worker.replace()
        for path in paths:
            forget_bytecode(path)
        self._generation += 1
        self._worker = WorkerProcess(self._plan, self._listener, self._events)

    def _tell_ready(self, notes: tuple[str, ...]) -> None:
        self._traces.write(self._generation)
        if self._served:
            say(f"ready, generation {self._generation}")
        else:
            show_banner(self._place, ("loads changed source files", *notes))
        self._served = True


def ending(code: int) -> str:
    """How a process ended, in words, from its exit code (negative: the number of a signal)."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"
