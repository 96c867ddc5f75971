"""The two ways to serve that follow no source files: in this process, or in a pool of workers."""

import signal
import socket
from queue import SimpleQueue

from lihil_cli.devserver.processes import (
    Ended,
    Events,
    Ready,
    Stop,
    WorkerProcess,
    signals_as_events,
)
from lihil_cli.devserver.report import Place, say, show_banner
from lihil_cli.devserver.worker import Plan, serve, talk_hints
from lihil_cli.errors import ExitCode


def serve_here(plan: Plan, listener: socket.socket, place: Place) -> ExitCode:
    """Serve in this process until a signal, which comes out as an exception of the handler that is set for it.

    Raises CliError when the app cannot be imported or its lifespan fails.
    """
    serve(plan, listener, lambda app: show_banner(place, talk_hints(app)))
    return ExitCode.OK


def serve_pool(plan: Plan, listener: socket.socket, place: Place, *, workers: int) -> ExitCode:
    """Keep `workers` processes serving until a signal; one that dies is replaced, and the terminal told.

    Returns 0 after SIGINT and 143 after SIGTERM, 1 when a worker cannot start (it has said why).
    """
    events: Events = SimpleQueue()
    with signals_as_events(events):
        return _Pool(plan, listener, place, events).run(workers)


class _Pool:
    def __init__(self, plan: Plan, listener: socket.socket, place: Place, events: Events) -> None:
        self._plan = plan
        self._listener = listener
        self._place = place
        self._events = events
        self._crew: dict[int, WorkerProcess] = {}
        self._served: set[int] = set()

    def run(self, workers: int) -> ExitCode:
        self._start(1)  # the others follow once it serves, so that an app which cannot start says so only once
        while True:
            match self._events.get():
                case Stop() as stop:
                    return self._end(stop.signum, stop.code)
                case Ready(pid, notes):
                    if not self._served:
                        show_banner(self._place, (f"{workers} workers", *notes))
                        self._start(workers - 1)
                    self._served.add(pid)
                case Ended(pid, code):
                    del self._crew[pid]
                    if pid not in self._served:
                        return self._end(signal.SIGTERM, ExitCode.FAILED)
                    say(f"worker {pid} ended {ending(code)}; starting another")
                    self._start(1)

    def _start(self, count: int) -> None:
        for _ in range(count):
            worker = WorkerProcess(self._plan, self._listener, self._events)
            self._crew[worker.pid] = worker

    def _end(self, signum: int, code: ExitCode) -> ExitCode:
        for worker in self._crew.values():
            worker.tell(signum)
        for worker in self._crew.values():
            worker.stop(signum)
        return code


def ending(code: int) -> str:
    """How a process ended, in words, from its exit code (negative: the number of a signal)."""
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"
