"""The whole life of one worker of a pool: serve, tell the parent when ready, and end with the parent at the latest."""

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NoReturn

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import App
from lihil_cli.production.events import Alive, Debugged, Ready, Standing
from lihil_cli.production.vitals import Vitals, is_debugged
from lihil_cli.serving.ending import SIGNALS, Orders, ignore_signal, leave, release_interrupts
from lihil_cli.serving.orders import Order
from lihil_cli.serving.server import Plan, serve, talk_hints

PROBE: Final = "probe"
"""What the parent sends beside the values of Order: does the event loop turn?"""


def run_worker(plan: Plan, listener: socket.socket, link: Connection) -> NoReturn:
    """Serve until the parent says otherwise through `link`, is gone, or SIGTERM comes from somebody else.

    `link` is told with events what the parent has to know. Exit codes: 0 after an order, 1 when the app cannot be
    served; the reason is on stderr.
    """
    orders = Orders()
    # Ctrl-C and SIGHUP reach the parent as well, which decides.
    orders.hear(dict.fromkeys(SIGNALS, ignore_signal) | {signal.SIGTERM: lambda signum, frame: orders.give(Order.STOP)})
    release_interrupts()
    parent = _Parent(link, plan.target.root)
    threading.Thread(target=parent.heed, args=(orders,), daemon=True).start()
    try:
        code = serve(plan, listener, parent.tell_ready, orders)
    except CliError as error:
        print(escape_terminal(error.text), file=sys.stderr, flush=True)  # noqa: T201 - no other reports it
        code = ExitCode.FAILED
    leave(code)


@dataclass(slots=True)
class _Parent:
    """The other end of the link."""

    link: Connection
    root: Path
    vitals: Vitals | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def heed(self, orders: Orders) -> None:
        """Pass each order on; a parent that has gone says nothing more, and is no reason to serve on."""
        with suppress(EOFError, OSError):
            while True:
                word = self.link.recv()
                if word == PROBE:
                    self._take_probe()
                else:
                    orders.give(Order(word))
        orders.give(Order.STOP)

    def tell_ready(self, app: App) -> None:
        """In the event loop, once it accepts connections."""
        self.vitals = Vitals(asyncio.get_running_loop(), self.root)
        self._tell(Ready(os.getpid(), talk_hints(app)))

    def _take_probe(self) -> None:
        pid = os.getpid()
        if is_debugged():
            self._tell(Debugged(pid))
        elif self.vitals is not None:
            self.vitals.probe(lambda: self._tell(Alive(pid)), lambda place: self._tell(Standing(pid, place)))

    def _tell(self, news: Ready | Alive | Standing | Debugged) -> None:
        with self.lock, suppress(OSError):
            self.link.send(news)
