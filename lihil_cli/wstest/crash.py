"""Why a handler died: its exception and where it was raised, from the dev server or from an app in this process."""

import linecache
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lihil_cli.record import Record

_MAX_FRAMES = 50
_MAX_CHARACTERS = 400


class Frame(Record):
    """One place in the source; `source` is the line's text, perhaps empty."""

    file: str
    line: int
    function: str
    source: str = ""


class Crash(Record):
    """What a handler raised. `frames` are in the order of the calls, the last one is where it happened."""

    handler: str
    exception: str
    frames: tuple[Frame, ...] = ()


def read_crash(content: object) -> Crash | None:
    """The dev server's record of an error; None where it is none."""
    if not isinstance(content, Mapping):
        return None
    try:
        frames = tuple(_read_frame(frame) for frame in content["frames"][-_MAX_FRAMES:])
        return Crash(str(content.get("handler") or ""), str(content["exception"]), frames)
    except (KeyError, TypeError, ValueError):
        return None


def _read_frame(content: Mapping[str, Any]) -> Frame:
    return Frame(str(content["file"]), int(content["line"]), str(content["function"]), str(content.get("source") or ""))


def crash_of(error: BaseException, root: Path) -> Crash:
    """An exception as it was raised here. The frames are those of the project below `root`, or else all of them."""
    found = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in found if _is_own(frame.filename, root)] or list(found)
    frames = tuple(
        Frame(_short(frame.filename, root), frame.lineno or 0, frame.name, _line(frame)) for frame in own[-_MAX_FRAMES:]
    )
    words = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return Crash(own[-1].name if own else "", words[-1] if words else type(error).__name__, frames)


def crash_lines(crash: Crash, *, is_whole: bool = False) -> list[str]:
    """The last place, or with `is_whole` every one, with its source, and the exception."""
    lines: list[str] = []
    for frame in crash.frames if is_whole else crash.frames[-1:]:
        lines.append(f"  {frame.file}:{frame.line} in {frame.function}")
        if frame.source:
            lines.append(f"  {frame.line:>5} | {_cut(frame.source)}")
    return [*lines, *(f"  {_cut(line)}" for line in crash.exception.splitlines())]


def _line(frame: traceback.FrameSummary) -> str:
    """The line with its indentation, which the summary has cut off."""
    return linecache.getline(frame.filename, frame.lineno or 0).rstrip() or frame.line or ""


def _is_own(file: str, root: Path) -> bool:
    path = Path(file)
    return path.is_relative_to(root) and not {"site-packages", ".venv", "venv"} & set(path.parts)


def _short(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_CHARACTERS else f"{line[:_MAX_CHARACTERS]}..."
