"""A listening socket that somebody else has opened: systemd's socket activation, or any parent that passes one on."""

import errno
import os
import socket

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.listener import BACKLOG

# What systemd says about the sockets it passes, sd_listen_fds(3); not for the processes that the app starts.
_TOLD = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def adopt_listener(descriptor: int) -> socket.socket:
    """The listening stream socket with that file descriptor; the first that systemd passes has number 3.

    Raises CliError with exit code 3 when there is none.
    """
    try:
        listener = socket.socket(fileno=descriptor)
        is_stream = listener.type == socket.SOCK_STREAM
    except OSError as error:
        reason = "is not open" if error.errno == errno.EBADF else "is no socket"
        raise _refusal(descriptor, reason) from error
    if not is_stream:
        listener.detach()
        raise _refusal(descriptor, "is no stream socket")
    try:
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listener.listen(BACKLOG)
    except OSError as error:
        listener.detach()
        raise _refusal(descriptor, "is a socket that cannot listen") from error
    listener.setblocking(False)
    os.set_inheritable(descriptor, False)
    for name in _TOLD:
        os.environ.pop(name, None)
    return listener


def _refusal(descriptor: int, reason: str) -> CliError:
    hint = "systemd's first socket is --fd 3" if descriptor != 3 else "is a .socket unit of that name active?"
    return CliError(f"file descriptor {descriptor} {reason}", hint=hint, code=ExitCode.CANNOT_CONNECT)
