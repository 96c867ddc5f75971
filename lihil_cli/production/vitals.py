"""What a worker answers when its parent asks whether its event loop turns, and what a parent can see by itself."""

import subprocess
import sys
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from lihil_cli.loader import is_users, short_path

_DEBUGGERS: Final = ("debugpy", "pydevd", "_pydevd_bundle")


class Vitals:
    """Answers for one event loop. A second question before the first has been answered is one for its place."""

    def __init__(self, loop: AbstractEventLoop, root: Path) -> None:
        self._loop = loop
        self._root = root
        self._is_asked = False

    def probe(self, alive: Callable[[], None], standing: Callable[[str], None]) -> None:
        """Call `alive` in the event loop, or, where it has not turned since the last time, `standing` here."""
        if self._is_asked:
            standing(place_of(_main_frame(), self._root))
            return
        self._is_asked = True
        self._loop.call_soon_threadsafe(self._answer, alive)

    def _answer(self, alive: Callable[[], None]) -> None:
        self._is_asked = False
        alive()


def is_debugged() -> bool:
    """Whether a debugger is in this process, which stops its threads as it likes."""
    return any(name in sys.modules for name in _DEBUGGERS)


def place_of(frame: FrameType | None, root: Path) -> str:
    """`main.py:12, in block`: the innermost line of the user's own code, or else of anybody's; "" for no frame."""
    innermost = frame
    while frame is not None and not is_users(frame.f_code.co_filename, root):
        frame = frame.f_back
    if (found := frame or innermost) is None:
        return ""
    return f"{short_path(found.f_code.co_filename, root)}:{found.f_lineno}, in {found.f_code.co_name}"


def _main_frame() -> FrameType | None:
    return sys._current_frames().get(threading.main_thread().ident or 0)


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped the process, by SIGSTOP or with a debugger; proc(5), ps(1)."""
    if sys.platform == "win32":
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].strip()
    except OSError:
        state = _ask_ps(pid)
    return state[:1] in {"T", "t"}


def _ask_ps(pid: int) -> str:
    """The state where there is no /proc, as on macOS."""
    try:
        asked = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        return ""
    return asked.stdout.strip()
