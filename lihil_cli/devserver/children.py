"""Python processes of ours: like this one, over a link, deaf to Ctrl-C until they can handle it.

Also the head start: the process that takes longest to come to life is begun before the command line is even read.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_HOME = str(Path(__file__).resolve().parents[2])

_head_start: "tuple[Child, socket.socket] | None" = None


class Child:
    """One such process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal, once it has ended."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has asked for it
                pid, status = self.pid, 0
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Return once it has ended."""
        while self.poll() is None:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)


def reap_orphans(known: Collection[int]) -> None:
    """Let those processes go that have ended and are nobody's any more; `known` are waited for by somebody."""
    with suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if ended.si_pid in known:
                return
            os.waitpid(ended.si_pid, 0)


def start_child(module: str) -> tuple[Child, socket.socket]:
    """Run `main(descriptor)` of a module of this room in a new process; returns it and our end of its link.

    Its search path is ours without the folder of the script that runs here: never the working folder, where a file of
    the user's could stand in the way of an import. Raises OSError.
    """
    path = [entry for entry in (sys.path if sys.flags.safe_path else sys.path[1:]) if entry]
    path += [] if _HOME in path else [_HOME]
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        script = (
            f"import sys; sys.path[:] = {path!r}; "
            f"from lihil_cli.devserver.{module} import main; main({theirs.fileno()})"
        )
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-P", "-c", script]
        try:
            pid = os.posix_spawn(sys.executable, command, os.environ, setsigmask=[signal.SIGINT])
        except OSError:
            ours.close()
            raise
    return Child(pid), ours


def give_head_start() -> None:
    """Begin a zygote, which `take_zygote` then finds at work; nobody asks for it, it ends with this process."""
    global _head_start
    if hasattr(os, "posix_spawn") and sys.platform == "linux":
        _head_start = start_child("zygote")
        from lihil_cli.serving.hard_end import at_hard_end  # now that it is on its way

        at_hard_end(_head_start[0].kill)


def take_zygote() -> tuple[Child, socket.socket]:
    """A zygote and our end of its link: the one that was begun early, or a new one."""
    global _head_start
    begun, _head_start = _head_start, None
    return begun or start_child("zygote")


def drop_head_start() -> None:
    """No zygote is wanted after all."""
    global _head_start
    begun, _head_start = _head_start, None
    if begun is not None:
        begun[1].close()
        begun[0].kill()
        begun[0].wait()
