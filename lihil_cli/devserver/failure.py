"""Why code cannot be served, or a handler failed: the user's own lines, few enough to be read."""

import errno
import linecache
from pathlib import Path
from types import TracebackType
from typing import Any

from lihil_cli.errors import CliError
from lihil_cli.loader import is_users, short_path

_LINES = 10  # of 12: one is left for the headline of who reports it, one for what is served meanwhile
# What two generations of one app get from the system when only one of them can have it.
_EXCLUSIVE_ERRORS = {errno.EADDRINUSE, errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.EDEADLK}
_EXCLUSIVE_WORDS = ("locked", "in use", "already running", "another instance", "conflict", "busy", "lock on")


def frames_of(error: BaseException, root: Path) -> list[dict[str, Any]]:
    """The user's frames of a traceback, outermost first; all of them when none is the user's."""
    trace: TracebackType | None = error.__traceback__
    frames = []
    while trace is not None:
        code, line = trace.tb_frame.f_code, trace.tb_lineno
        source = linecache.getline(code.co_filename, line).strip()
        frames.append({"file": code.co_filename, "line": line, "function": code.co_name, "source": source})
        trace = trace.tb_next
    own = [frame for frame in frames if is_users(str(frame["file"]), root)]
    return [{**frame, "file": short_path(str(frame["file"]), root)} for frame in own or frames]


def summary_of(error: BaseException, root: Path) -> str:
    """One line: `SyntaxError: invalid syntax (chat.py:31)`."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{type(error).__name__}: {error.msg} ({short_path(error.filename or '<unknown>', root)}:{error.lineno})"
    words = f"{type(error).__name__}: {error}".partition("\n")[0]
    frames = frames_of(error, root)
    return f"{words} ({frames[-1]['file']}:{frames[-1]['line']})" if frames else words


def is_exclusive(error: BaseException | None) -> bool:
    """Whether an exception says that somebody else, such as the generation before, holds what was asked for."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in _EXCLUSIVE_ERRORS:
            return True
        text = str(error).lower()
        if any(word in text for word in _EXCLUSIVE_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def shorten(text: str) -> str:
    """At most as many lines as leave room for a headline and a last line."""
    lines = text.splitlines()
    if len(lines) <= _LINES:
        return text
    return "\n".join([*lines[: _LINES - 1], f"  ... {len(lines) - _LINES + 1} more lines"])


def failure_message(error: CliError, cause: BaseException | None, root: Path, *, at_start_up: bool) -> dict[str, Any]:
    """What a worker says to its supervisor about code that cannot be served."""
    return {
        "failed": {
            "summary": summary_of(cause, root) if cause is not None else error.message.partition("\n")[0],
            "text": shorten(error.text),
            "exclusive": at_start_up and is_exclusive(cause),
        }
    }
