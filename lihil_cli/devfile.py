"""`.lihil/dev.json`: how a running dev server lets itself be found by the other commands.

One small record in the project root, for its owner only, replaced in one step, removed when the server ends.
Standard library only, because `lihil ws-test` reads it before anything else.
"""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from lihil_cli.record import Record

FOLDER = ".lihil"
NAME = "dev.json"


class DevFile(Record):
    """Where one dev server listens. `uds` is the path of a Unix socket, or None when `host` and `port` count.

    `generation` counts how often the code was loaded, from 1; `token` opens the routes below `/_lihil/`; `changed` are
    the files, as seen from the project's root, whose change that generation was loaded for.
    """

    pid: int
    host: str
    port: int
    tls: bool
    uds: str | None
    app: str
    generation: int
    token: str
    changed: tuple[str, ...] = ()


def write_dev_file(root: Path, record: DevFile) -> Path:
    """Put `record` into `root/.lihil/dev.json` (0600; the folder 0700, ignored by git) and return that path.

    Readers see the old record or the new one, never half of one. Raises OSError where it cannot be written.
    """
    return write_private(root, NAME, json.dumps(vars(record)))


def write_private(root: Path, name: str, text: str) -> Path:
    """Put `text` into `root/.lihil/name` for its owner only, in one step. Raises OSError where it cannot be written."""
    folder = root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)  # a folder made by other hands may be wider, and the token is worth guarding
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="ascii")
    target = folder / name
    temporary = folder / f"{name}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(target)
    return target


def remove_dev_file(root: Path, pid: int) -> None:
    """Take `root/.lihil/dev.json` away if process `pid` wrote it; another server's file stays."""
    path = root / FOLDER / NAME
    record = _read(path)
    if record is not None and record.pid == pid:
        with suppress(OSError):
            path.unlink()


def find_dev_file(start: Path) -> DevFile | None:
    """The nearest record of a living server in `start` or a folder above it; None when there is none.

    A record whose process has ended, or that cannot be read, counts as absent.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        record = _read(folder / FOLDER / NAME)
        if record is not None and _is_alive(record.pid):
            return record
    return None


_TYPES: dict[str, tuple[type, ...]] = {
    "pid": (int,),
    "host": (str,),
    "port": (int,),
    "tls": (bool,),
    "uds": (str, type(None)),
    "app": (str,),
    "generation": (int,),
    "token": (str,),
}


def _read(path: Path) -> DevFile | None:
    """The record in `path`, or None: no file, no JSON, a key absent or of another type."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    values: dict[str, Any] = {name: content.get(name) for name in _TYPES}
    if not all(type(values[name]) in accepted for name, accepted in _TYPES.items()):
        return None
    changed = content.get("changed")
    names = changed if isinstance(changed, list) else []
    return DevFile(**values, changed=tuple(name for name in names if isinstance(name, str)))


def _is_alive(pid: int) -> bool:
    """Whether process `pid` exists. Windows has no harmless probe, so there the connection decides."""
    if pid <= 0:
        return False  # 0 and below mean process groups, see kill(2)
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # it exists, and belongs to somebody else
    except (OSError, OverflowError):
        return False
    return True
