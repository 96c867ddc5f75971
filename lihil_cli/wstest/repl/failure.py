"""Why a handler failed, in lines: from what the dev server says, or from the exception itself."""

import json
import linecache
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_FRAMES = 50
_MAX_TEXT = 2000
_LIBRARIES = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on the way to the exception."""

    file: str
    line: int
    function: str
    source: str

    def lines(self) -> Iterator[str]:
        """Where it is, and the source."""
        yield f"{self.file}:{self.line} in {self.function}"
        if self.source:
            yield f"{self.line:5} │     {self.source.strip()}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A handler's exception; the frames in order, the one that raised last."""

    handler: str
    exception: str
    frames: tuple[Frame, ...]

    def short(self) -> tuple[str, ...]:
        """The place that matters most: the last frame of the user's own code."""
        own = [frame for frame in self.frames if not _LIBRARIES & set(Path(frame.file).parts)] or list(self.frames)
        return (*(own[-1].lines() if own else ()), _first_line(self.exception))

    def full(self) -> tuple[str, ...]:
        """Every frame."""
        lines = [line for frame in self.frames for line in frame.lines()]
        return (*lines, *self.exception.splitlines())


def parse_failure(body: bytes) -> Failure | None:
    """What the dev server answered; None for what is no such answer."""
    try:
        content = json.loads(body)
        frames = tuple(_frame(entry) for entry in content["frames"][-_MAX_FRAMES:])
        return Failure(_cut(content["handler"]), _cut(content["exception"]), frames)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def failure_of(error: BaseException, handler: str = "") -> Failure:
    """The failure that an exception in this process is."""
    here = Path.cwd()
    frames = tuple(
        Frame(_relative(summary.filename, here), summary.lineno or 0, summary.name, summary.line or "")
        for summary in traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    )
    linecache.checkcache()
    text = "".join(traceback.format_exception_only(error)).strip()
    return Failure(handler or (frames[-1].function if frames else ""), text, frames)


def _relative(name: str, here: Path) -> str:
    path = Path(name)
    return str(path.relative_to(here)) if path.is_relative_to(here) else name


def _frame(entry: dict[str, Any]) -> Frame:
    return Frame(_cut(entry["file"]), int(entry["line"]), _cut(entry["function"]), _cut(entry.get("source") or ""))


def _cut(text: object) -> str:
    return str(text)[:_MAX_TEXT]


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
