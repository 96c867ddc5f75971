"""The command line, read in a process that ends: what that takes (typer, 6 MB) is not held while serving.

While it reads, the one that goes on loads what it needs itself.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from lihil_cli.errors import ExitCode

_reader: int | None = None
"""In the process that reads: where the flags are expected."""


def can_read_apart() -> bool:
    """Whether this process can be forked: it can, but for a debugger's threads."""
    return hasattr(os, "fork") and threading.active_count() == 1


def read_apart(carry_out: Callable[[], int]) -> dict[str, Any] | int:
    """Let a child `carry_out` the command line up to `hand_over`; gives what that got, or else the exit code."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _read(theirs, carry_out)
    os.close(theirs)
    import lihil_cli.devserver.start  # noqa: F401 - meanwhile

    with open(ours, "rb") as stream:
        flags = stream.read()
    _, status = os.waitpid(child, 0)
    if flags:
        read: dict[str, Any] = json.loads(flags)
        return read
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as shells have it for a signal


def hand_over(flags: Mapping[str, object]) -> None:
    """Let the process that goes on serve with these flags, and end; where this one goes on itself, do nothing."""
    if _reader is not None:
        with suppress(OSError):  # nobody waits for them any more
            os.write(_reader, json.dumps(flags).encode())
        os._exit(0)


def _read(expected: int, carry_out: Callable[[], int]) -> NoReturn:
    global _reader
    _reader = expected
    code: int = ExitCode.BUG
    try:
        code = carry_out()
        sys.stderr.flush()
    finally:
        os._exit(code)
