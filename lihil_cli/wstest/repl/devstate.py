"""What the dev server of this project serves, as its files below `.lihil/` tell."""

import json
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import FOLDER, find_dev_file
from lihil_cli.record import Record

_MAX_FILE_BYTES = 16 * 2**20
_MAX_LINES = 12


class DevState(Record):
    """The generation that is served, None without a server, and in words why newer code cannot be."""

    generation: int | None
    error: tuple[str, ...] = ()


def read_dev_state(start: Path) -> DevState:
    """The state of the server that runs for the project around `start`."""
    record = find_dev_file(start)
    if record is None:
        return DevState(None)
    return DevState(record.generation, _error_lines(_read(start, "reload_error.json")))


def _read(start: Path, name: str) -> bytes:
    """The nearest file of that name in a `.lihil`, b"" for none."""
    here = start.resolve()
    for folder in (here, *here.parents):
        with suppress(OSError), (folder / FOLDER / name).open("rb") as stream:
            return stream.read(_MAX_FILE_BYTES)
    return b""


def _error_lines(content: bytes) -> tuple[str, ...]:
    try:
        error = json.loads(content)
        lines = str(error["text"]).splitlines()[:_MAX_LINES]
        return (str(error["summary"]), *lines)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
