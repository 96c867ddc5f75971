"""A worker that is a process of its own from the start: where forking is not possible, or not wise."""

import contextlib
import importlib
import signal
import socket
import sys

from lihil_cli.devserver.generation import Prepared, end_with_supervisor, live, warm_up
from lihil_cli.devserver.messages import Link
from lihil_cli.devserver.plan import read_plan
from lihil_cli.serving.ending import ignore_signal


def main(descriptor: int) -> None:
    """Load what the supervisor names, and go on as every worker does."""
    signal.signal(signal.SIGINT, ignore_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    link = Link(socket.socket(fileno=descriptor))
    end_with_supervisor(link)
    first = link.receive()
    if not first:
        return
    plan = read_plan(first[0]["plan"])
    listener = socket.socket(fileno=link.take_descriptor())
    sys.argv[:] = plan.argv
    warm_up()
    prepared = Prepared(plan)  # first: it puts variables in place that packages may read
    if first[0]["packages"]:
        prepared.record.expect(first[0]["setting"])
    for name in first[0]["packages"]:
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
    prepared.record.settle()
    live(prepared, link, listener, first[1:])
