"""The whole life of one worker of a pool: serve, tell the parent when ready, and end with the parent at the latest."""

import atexit
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.serving.interrupts import release_interrupts
from lihil_cli.serving.orders import Order
from lihil_cli.serving.server import Orders, Plan, serve, talk_hints


def run_worker(plan: Plan, listener: socket.socket, link: Connection) -> None:
    """Serve until the parent says otherwise through `link`, is gone, or SIGTERM comes from somebody else.

    `link` is told the lines for the banner, once it serves. Exit codes: 0 after an order, 1 when the app cannot be
    served; the reason is on stderr.
    """
    signal.signal(signal.SIGINT, _ignore)  # Ctrl-C reaches the parent as well, which decides
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _ignore)  # for the parent, too
    release_interrupts()
    orders = Orders()
    threading.Thread(target=_obey, args=(link, orders), daemon=True).start()
    try:
        signal.signal(signal.SIGTERM, _raise_terminated)
        serve(plan, listener, lambda app: link.send(talk_hints(app)), orders=orders)
    except CliError as error:
        print(escape_terminal(error.text), file=sys.stderr, flush=True)  # noqa: T201 - no other reports it
        sys.exit(ExitCode.FAILED)
    except Terminated:
        # As sys.exit(), but without the interpreter's own end, in which no thread can help one that hangs any more.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(ExitCode.OK)


def _obey(link: Connection, orders: Orders) -> None:
    """Pass each order on; a parent that has gone says nothing more, and is no reason to serve on."""
    with suppress(EOFError, OSError):
        while True:
            orders.give(Order(link.recv()))
    orders.give(Order.STOP)


def _leave(signum: int, frame: FrameType | None) -> None:
    """Before anything has begun there is nothing to end."""
    os._exit(ExitCode.OK)


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, _ignore)  # one exception is enough, and a second one would meet nobody
    raise Terminated


def _ignore(signum: int, frame: FrameType | None) -> None:
    """A handler, where SIG_IGN would be inherited by the processes that the app starts."""
