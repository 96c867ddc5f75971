"""The whole life of a worker that is replaced when the code changes."""

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


def run_child(plan: Plan, listener: socket.socket, link: Connection) -> None:
    """The whole life of a worker process: serve, tell `link` when ready, and end when the parent has ended.

    Exit codes: 0 after a signal, 1 when the app cannot be served; the reason is on stderr.
    """
    signal.signal(signal.SIGINT, _ignore)  # Ctrl-C reaches the parent as well, which decides
    signal.signal(signal.SIGTERM, _raise_terminated)
    release_interrupts()
    orders = Orders()
    threading.Thread(target=_follow_parent, args=(link, orders), daemon=True).start()
    try:
        serve(plan, listener, lambda app: link.send(talk_hints(app)), orders=orders)
    except CliError as error:
        print(escape_terminal(error.text), file=sys.stderr, flush=True)  # noqa: T201 - no other reports it
        sys.exit(ExitCode.FAILED)
    except Terminated:
        sys.exit(ExitCode.OK)


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _ignore(signum: int, frame: FrameType | None) -> None:
    """A handler, where SIG_IGN would be inherited by the processes that the app starts."""


def _follow_parent(link: Connection, orders: Orders) -> None:
    """End when the parent has ended, or says the one thing it has to say: that another worker takes over."""
    order = Order.STOP
    with suppress(EOFError, OSError):
        link.recv()
        order = Order.REPLACE
    orders.give(order)
