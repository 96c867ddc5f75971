"""The whole life of one worker of a pool: serve, tell the parent when ready, and end with the parent at the latest."""

import atexit
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.ending import Orders, ignore_signal, release_interrupts
from lihil_cli.serving.orders import Order
from lihil_cli.serving.server import Plan, serve, talk_hints


def run_worker(plan: Plan, listener: socket.socket, link: Connection) -> None:
    """Serve until the parent says otherwise through `link`, is gone, or SIGTERM comes from somebody else.

    `link` is told the lines for the banner, once it serves. Exit codes: 0 after an order, 1 when the app cannot be
    served; the reason is on stderr.
    """
    orders = Orders()
    signal.signal(signal.SIGINT, ignore_signal)  # Ctrl-C reaches the parent as well, which decides
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, ignore_signal)  # for the parent, too
    signal.signal(signal.SIGTERM, lambda signum, frame: orders.give(Order.STOP))
    release_interrupts()
    threading.Thread(target=_obey, args=(link, orders), daemon=True).start()
    try:
        code = serve(plan, listener, lambda app: link.send(talk_hints(app)), orders)
    except CliError as error:
        print(escape_terminal(error.text), file=sys.stderr, flush=True)  # noqa: T201 - no other reports it
        code = ExitCode.FAILED
    # As sys.exit(), but without the interpreter's own end, in which no thread can help one that hangs any more.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _obey(link: Connection, orders: Orders) -> None:
    """Pass each order on; a parent that has gone says nothing more, and is no reason to serve on."""
    with suppress(EOFError, OSError):
        while True:
            orders.give(Order(link.recv()))
    orders.give(Order.STOP)
