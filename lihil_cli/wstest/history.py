"""Where the lines typed at the prompt are kept: `.lihil/history` in the project, for its owner only."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import FOLDER

_NAME = "history"
_MARKS = ("pyproject.toml", FOLDER)


def open_history(start: Path) -> Path | None:
    """The history file of the project around `start` (0600, its folder 0700); None outside a project.

    None as well where it cannot be written, or is not an ordinary file of ours: a checkout must not be able to
    point it somewhere else by a link. History is then kept in memory.
    """
    here = start.resolve()
    root = next((folder for folder in (here, *here.parents) if _is_project(folder)), None)
    if root is None:
        return None
    with suppress(OSError):
        return _prepare(root / FOLDER)
    return None


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
    # O_NONBLOCK so that a named pipe in this place cannot make the open wait for ever.
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
    finally:
        os.close(descriptor)
    path.chmod(0o600)
    return path
