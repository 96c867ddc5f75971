"""A listening Unix socket: made with its mode from the first moment on, and never in the place of a living one."""

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.hard_end import in_any_case
from lihil_cli.serving.listener import BACKLOG

MAX_PATH_BYTES: Final = 107 if sys.platform == "linux" else 103
"""sun_path with its closing zero, unix(7)."""


@contextmanager
def unix_listener(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listen on `path` with permissions `mode`; at the end the file goes, if it is still ours.

    A socket that nobody listens on any more is replaced. Raises CliError with exit code 3 when somebody does, when
    another kind of file is there, or when the path cannot be had.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise _refusal("this system has no Unix sockets", "--host and --port")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise _refusal(f"{path} is too long for a Unix socket: {MAX_PATH_BYTES} bytes at most")
    try:
        with _folder_locked(path.parent):
            _remove_stale(path)
            listener = _bind(path, mode)
    except OSError as error:
        raise _refusal(f"cannot listen on {path}: {error.strerror or error}") from error
    with in_any_case(partial(_remove, path, _identity(path))), listener:
        yield listener


def _remove(path: Path, mark: tuple[int, int] | None) -> None:
    """Take the file away unless another one has come into its place since `mark` was its (device, inode)."""
    with suppress(OSError), _folder_locked(path.parent):
        if mark is not None and _identity(path) == mark:
            path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bind(path: Path, mode: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(str(path))
        path.chmod(mode)  # not every system makes it of the umask alone
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise _refusal(f"{path} is there, and no socket", hint="remove it, or name another path with --uds")
    if _is_alive(path):
        raise _refusal(f"{path} is in use by a server that answers", hint="stop that one, or name another path")
    path.unlink()


def _is_alive(path: Path) -> bool:
    """Whether somebody listens there; a queue that is full, or that we may not join, is a sign of life as well."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
        return True


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """One at a time: between the look at a stale socket and its removal, another server could come to life there."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refusal(message: str, hint: str = "") -> CliError:
    return CliError(message, hint=hint, code=ExitCode.CANNOT_CONNECT)
