"""The lines typed at the prompt, kept in the project: `.lihil/history`, for its owner only, without secrets.

A record is one line of JSON: the path of the route that was talked to, and the text. What was typed on a route comes
first there.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import FOLDER

MAX_LINES = 2000
"""What is kept; the oldest go first, when the file has become twice as long."""

MAX_BYTES = 4 * 2**20
"""What the file may hold; beyond it, the newest half is kept. A longer line than a sixteenth is not written."""

_NAME = "history"
_MARKS = ("pyproject.toml", FOLDER)


class History:
    """The lines of one project. `file` None keeps them in memory alone.

    `path` is the route whose lines come first, `path_of` gives the one that a line belongs to; None for the same.
    """

    def __init__(self, file: Path | None, path: str, path_of: Callable[[str], str] | None = None) -> None:
        self._file = file
        self._path = path
        self._path_of = path_of or (lambda line: path)

    def newest_first(self) -> Iterator[str]:
        """The lines typed on this path, then those typed elsewhere; a line that cannot be read is passed over."""
        known = list(self._load())
        seen: set[str] = set()
        for ours in (True, False):
            for path, text in reversed(known):
                if (path == self._path) is ours and text not in seen:
                    seen.add(text)
                    yield text

    def append(self, text: str) -> None:
        """Keep a line; where that fails nobody's typing is lost for it."""
        if self._file is None or len(text) > MAX_BYTES // 16:
            return
        from lihil_cli.wstest.redact import redact  # late: its patterns are compiled for those who type

        record = json.dumps([self._path_of(text), redact(text)], ensure_ascii=False)
        with suppress(OSError):
            descriptor = _open(self._file, os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as stream:
                stream.write(record + "\n")

    def _load(self) -> Iterator[tuple[str, str]]:
        if self._file is None:
            return
        lines, is_whole = _read_end(self._file)
        if not is_whole or len(lines) > 2 * MAX_LINES:
            lines = _newest(lines)
            self._rewrite(lines)
        for line in lines[-MAX_LINES:]:
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, list) and len(record) == 2 and all(isinstance(part, str) for part in record):
                    yield record[0], record[1]

    def _rewrite(self, lines: list[str]) -> None:
        file = self._file
        if file is None:
            return
        temporary = file.with_suffix(f".{os.getpid()}.tmp")
        with suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
                stream.writelines(f"{line}\n" for line in lines)
            temporary.replace(file)


def _read_end(file: Path) -> tuple[list[str], bool]:
    """The lines in the last bytes of a file, and whether these are all of it."""
    data, start = b"", 0
    with suppress(OSError), os.fdopen(_open(file, os.O_RDONLY), "rb") as stream:
        start = max(stream.seek(0, os.SEEK_END) - MAX_BYTES, 0)
        stream.seek(start)
        data = stream.read(MAX_BYTES)
    if start:
        _, _, data = data.partition(b"\n")  # the rest of a line
    # By "\n" alone: JSON leaves other ends of a line, U+2028 for one, as they are.
    return [line for line in data.decode("utf-8", "replace").split("\n") if line], not start


def _newest(lines: list[str]) -> list[str]:
    """As many of the last lines as may stay, in half of the room that there is."""
    room, first = MAX_BYTES // 2, len(lines)
    for line in reversed(lines[-MAX_LINES:]):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        first -= 1
    return lines[first:]


def open_history(start: Path, path: str, path_of: Callable[[str], str] | None = None) -> History:
    """The history of the project around `start` (0600, its folder 0700) for what is typed on `path`, or `path_of` it.

    Kept in memory outside a project, and where the file cannot be written or is not an ordinary file of ours: a
    checkout must not be able to point it somewhere else by a link.
    """
    here = start.resolve()
    root = next((folder for folder in (here, *here.parents) if _is_project(folder)), None)
    if root is not None:
        with suppress(OSError):
            return History(_prepare(root / FOLDER), path, path_of)
    return History(None, path)


def _is_project(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)


def _prepare(folder: Path) -> Path | None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink():
        return None
    folder.chmod(0o700)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="ascii")
    path = folder / _NAME
    descriptor = _open(path, os.O_WRONLY | os.O_CREAT)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
    finally:
        os.close(descriptor)
    path.chmod(0o600)
    return path


def _open(path: Path, flags: int) -> int:
    # O_NONBLOCK so that a named pipe in this place cannot make the open wait for ever.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
