"""The process that workers are forked from: it has loaded what they need, and none of the user's code.

It runs one thread only, for a lock that another one holds at the fork would never be released in the child. A package
that starts a thread when it is imported is therefore reported, and the supervisor does without a zygote then.
"""

import contextlib
import fcntl
import gc
import importlib
import os
import random
import selectors
import signal
import socket
import sys
import threading
import warnings
from collections import deque
from types import FrameType

from lihil_cli.devserver.generation import Prepared, end_with_supervisor, live, warm_up
from lihil_cli.devserver.messages import Link, Message
from lihil_cli.devserver.plan import read_plan
from lihil_cli.serving.ending import ignore_signal

# Packages whose own threads are known to survive a fork: they take care of it themselves (pthread_atfork(3)).
_FORK_SAFE = ("numpy",)


def main(descriptor: int) -> None:
    """Serve the supervisor until its end of the link is closed."""
    signal.signal(signal.SIGINT, ignore_signal)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    link = Link(socket.socket(fileno=descriptor))
    _end_with(link)
    warm_up()
    first = link.receive()
    if not first:
        return
    plan = read_plan(first[0]["plan"])
    listener = socket.socket(fileno=link.take_descriptor())
    sys.argv[:] = plan.argv
    prepared = Prepared(plan)
    zygote = _Zygote(prepared, link, first[1:])
    while (child := zygote.wait()) is None:
        pass
    if isinstance(child, Link):
        end_with_supervisor(child)
        live(prepared, child, listener)


def _end_with(link: Link) -> None:
    """Leave as soon as the supervisor has ended, also in the middle of an import, which may take its time.

    Where no thread may watch, the kernel tells of news on a socket by a signal, see socket(7), O_ASYNC.
    """

    def leave(signum: int, frame: FrameType | None) -> None:
        if link.wait_for_end(0):
            os._exit(0)

    signal.signal(signal.SIGIO, leave)
    fcntl.fcntl(link, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(link, fcntl.F_SETFL, fcntl.fcntl(link, fcntl.F_GETFL) | os.O_ASYNC)


class _Zygote:
    def __init__(self, prepared: Prepared, link: Link, messages: list[Message]) -> None:
        self._record = prepared.record
        self._link = link
        self._messages = deque(messages)
        self._workers: dict[int, int] = {}
        self._wanted: deque[str] = deque()
        self._learned: list[str] = []
        self._child: Link | None = None
        self._bell, far_bell = socket.socketpair()
        self._bell.setblocking(False)
        far_bell.setblocking(False)
        self._far_bell = far_bell
        signal.signal(signal.SIGCHLD, ignore_signal)
        signal.set_wakeup_fd(far_bell.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(link, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def wait(self) -> "Link | bool | None":
        """Take the next news; in a forked child its link, True when the supervisor has gone, None otherwise."""
        while self._messages:
            self._obey(self._messages.popleft())
            if self._child is not None:
                return self._child
        for key, _ in self._selector.select(0 if self._wanted else None):
            if key.fileobj is self._bell:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
                self._reap()
                continue
            messages = self._link.receive()
            if messages is None:
                return True
            self._messages.extend(messages)
        if self._wanted and not self._messages:
            self._learn(self._wanted.popleft())
        return None

    def _obey(self, message: Message) -> None:
        if "fork" in message:
            self._fork(message["fork"])
        elif "learn" in message:
            self._record.expect(message["setting"])
            self._wanted.extend([*message["learn"], ""])
            while self._wanted and "ahead" in message:
                self._learn(self._wanted.popleft(), ahead=True)

    def _fork(self, worker: int) -> None:
        end = self._link.take_descriptor()
        gc.freeze()
        try:
            pid = _fork_quietly()
        except OSError as error:
            os.close(end)
            self._link.send({"ended": worker, "how": f"before it began: {error.strerror}"})
            return
        if pid == 0:
            self._become(end)
            return
        os.close(end)
        self._workers[pid] = worker
        self._link.send({"forked": worker, "pid": pid})

    def _become(self, end: int) -> None:
        """In the child: keep nothing of the zygote's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        self._selector.close()
        self._bell.close()
        self._far_bell.close()
        self._link.close()
        gc.enable()
        random.seed()
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.seed()  # or every worker would draw the same numbers
        self._child = Link(socket.socket(fileno=end))

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                worker = self._workers.pop(pid, None)
                if worker is not None:
                    self._link.send({"ended": worker, "code": os.waitstatus_to_exitcode(status)})

    def _learn(self, name: str, *, ahead: bool = False) -> None:
        """Import one package; an empty name ends a list and is answered with what was learned.

        `ahead` of the first worker there is no thread to be told of: this process ends, and one that knows nothing
        follows.
        """
        if not name:
            self._record.settle()
            gc.collect()
            gc.freeze()
            self._link.send({"learned": self._learned})
            self._learned = []
            return
        if name in sys.modules:
            return
        before = _threads()
        is_loaded = False
        with contextlib.suppress(Exception, SystemExit):
            importlib.import_module(name)
            is_loaded = True
        if _has_unsafe_threads(before):
            if ahead:
                os._exit(1)
            self._link.send({"threads": name})
        elif is_loaded:
            self._learned.append(name)


def _has_unsafe_threads(before: tuple[int, int, int]) -> bool:
    """Whether threads came since; the kernel's that came along with a package that is safe are taken for its own."""
    after = _threads()
    return after[1] > before[1] or (after[0] > before[0] and after[2] == before[2])


def _threads() -> tuple[int, int, int]:
    """How many there are for the kernel and for Python, and how many packages whose threads are safe."""
    try:
        native = len(os.listdir("/proc/self/task"))
    except OSError:
        native = 0
    return native, threading.active_count(), sum(name in sys.modules for name in _FORK_SAFE)


def _fork_quietly() -> int:
    """Since Python 3.12 a fork beside any thread warns; ours are numpy's, which are known to be safe."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
