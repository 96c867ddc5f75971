"""How a serving process is told to end, by signals and by a parent, at every stage of its life.

No signal raises an exception: one would come out wherever the main thread stands just then, in a callback of the
garbage collector that prints and drops it, in the event loop's own end, or in the interpreter's. So a handler only
passes an order on, and what that means depends on the stage:

    the app is imported        nothing has begun, and the process is left at once, by the hard end
    the server lives           it is the server's: see `server`
    the server has ended       the same; all it can change any more is to hurry
"""

import atexit
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn, TypeAlias

from lihil_cli.errors import ExitCode
from lihil_cli.serving.hard_end import HardEnd
from lihil_cli.serving.orders import Order

Take: TypeAlias = Callable[[Order, ExitCode], None]
Handler: TypeAlias = Callable[[int, FrameType | None], None]

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""What a server heeds: Ctrl-C, a stop, a terminal that is closed, and Windows' Ctrl-Break."""


class Orders:
    """Takes orders from any thread and from signal handlers, and hands them to whom they concern."""

    def __init__(self) -> None:
        self.hard_end: HardEnd = HardEnd()
        self._take: Take = self._leave
        self._is_leaving = False
        self._handlers: dict[int, Handler] = {}
        self._bell: socket.socket | None = None

    def hear(self, handlers: Mapping[int, Handler]) -> None:
        """Set these handlers for signals, which are to give orders."""
        self._handlers.update(handlers)
        self.hear_again()

    def hear_again(self) -> None:
        """Set them once more, where code of the app's has had the opportunity to set its own."""
        for number in self._handlers:
            signal.signal(number, self._heed)

    def hear_beside(self) -> None:
        """From now on, with the event loop running, hear signals in a thread.

        The main thread does not notice one that comes when it is just about to block in a call; a byte in a socket is
        noticed always. For the main thread; where code of the app's takes that away, the handlers still serve.
        """
        near, far = socket.socketpair()
        far.setblocking(False)
        self._bell = far
        loop = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(near, loop), daemon=True).start()

    def _listen(self, near: socket.socket, loop: int) -> None:
        while numbers := near.recv(64):
            for number in numbers:
                if number in self._handlers:
                    self._handlers[number](number, None)
            with suppress(OSError):  # the loop has handlers of the app's
                os.write(loop, numbers)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        if not self._is_heard_beside():
            self._handlers[number](number, frame)

    def _is_heard_beside(self) -> bool:
        if self._bell is None:
            return False
        ours = self._bell.fileno()
        now = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)  # the one way to learn whose it is
        if now != ours:
            signal.set_wakeup_fd(now)
        return now == ours

    def give(self, order: Order, code: ExitCode = ExitCode.OK) -> None:
        """End in this way, and with this exit code if it is the first order."""
        self._take(order, code)

    def hand_to(self, take: Take) -> None:
        """From now on there is something to end, and `take` does it; after an order nothing begins any more."""
        self._take = take
        if self._is_leaving:
            self.hard_end.wait()

    def _leave(self, order: Order, code: ExitCode) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self.hard_end.within(0, code)


def heed_signals(orders: Orders) -> None:
    """From now on SIGINT hurries and every other signal stops; one that is ignored, as by nohup, stays so."""

    def pass_on(signum: int, frame: FrameType | None) -> None:
        orders.give(Order.HURRY if signum == signal.SIGINT else Order.STOP, code_after(signum))

    heeded = [n for n in SIGNALS if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]
    orders.hear(dict.fromkeys(heeded, pass_on))


def code_after(signum: int) -> ExitCode:
    """The exit code of a server that a signal has ended; Ctrl-C is how it is meant to end."""
    return ExitCode.OK if signum == signal.SIGINT else ExitCode.TERMINATED


def ignore_signal(signum: int, frame: FrameType | None) -> None:
    """A handler, where SIG_IGN would be inherited by the processes that are started."""


def leave(code: int) -> NoReturn:
    """As sys.exit(), but without the interpreter's own end: it waits for threads, and none can help one that hangs."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """While open, SIGINT waits, here and in a process that is started: `release_interrupts` there lets it through.

    The interpreter itself would answer a Ctrl-C in the first moments of a process with a traceback.
    """
    if sys.platform == "win32":
        yield
        return
    # Its own start, which the first worker's would bring about, lets SIGINT through again when it is done.
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def release_interrupts() -> None:
    """Let SIGINT through that the parent held; once a handler is set for it."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
