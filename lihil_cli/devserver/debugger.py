"""A debugger gets the keyboard, which the supervisor reads otherwise, for as long as it may have something to ask.

All debuggers that are asked for in a program's text, pdb first of all, are kinds of `bdb.Bdb`. What is added to that
class leaves the frames as they are: a debugger stops where the user's code asks for it.
"""

import bdb
import os
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Final

from lihil_cli.devserver.messages import Link

_PATIENCE_S: Final = 1.0  # with a supervisor that does not let go of the keyboard
_LOOK_S: Final = 0.005
_STAYS: Final = "note: the keys stay the debugger's, because it has breakpoints; without them, continue gives them back"
_UNKNOWN: Final = "note: the keys are the debugger's now; if it does not give them back, the next reload does"


def lend_keyboard(link: Link) -> None:
    """From now on ask the supervisor at the other end of `link` for the keyboard whenever a debugger begins."""
    borrowers = _Borrowers(link)
    set_trace, set_continue, set_quit = bdb.Bdb.set_trace, bdb.Bdb.set_continue, bdb.Bdb.set_quit

    def begin(self: bdb.Bdb, frame: FrameType | None = None) -> None:
        borrowers.add(self)
        set_trace(self, frame or sys._getframe(1))  # last: from here on each call is a step

    def go_on(self: bdb.Bdb) -> None:
        set_continue(self)
        borrowers.let_go(self, for_good=not self.breaks)

    def leave(self: bdb.Bdb) -> None:
        set_quit(self)
        borrowers.let_go(self)

    bdb.Bdb.set_trace, bdb.Bdb.set_continue, bdb.Bdb.set_quit = begin, go_on, leave  # type: ignore[method-assign]
    if os.environ.get("PYTHONBREAKPOINT", "0") not in {"", "0"}:  # it may be of any kind
        sys.addaudithook(borrowers.hear)


class _Borrowers:
    """The debuggers that have the keyboard, each with whether it was said that it keeps it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._told: dict[int, bool] = {}

    def hear(self, event: str, given: tuple[Any, ...]) -> None:
        """`breakpoint()` says so before it calls anything, see the table of audit events."""
        if event == "builtins.breakpoint":
            self._link.send({"note": _UNKNOWN})
            self._ask()

    def add(self, debugger: bdb.Bdb) -> None:
        self._told.setdefault(id(debugger), False)
        self._ask()

    def let_go(self, debugger: bdb.Bdb, *, for_good: bool = True) -> None:
        """One that has breakpoints may stop again at any time."""
        if for_good:
            self._told.pop(id(debugger), None)
            if not self._told:
                self._link.send({"breakpoint": False})
        elif not self._told.get(id(debugger)):
            self._told[id(debugger)] = True
            self._link.send({"note": _STAYS})

    def _ask(self) -> None:
        """There is no answer, for what would read it is what stops here; but a terminal shows who reads it, and how."""
        self._link.send({"breakpoint": True})
        until = time.monotonic() + _PATIENCE_S
        while _is_read_by_keys() and time.monotonic() < until:
            time.sleep(_LOOK_S)


def _is_read_by_keys() -> bool:
    """Whether the terminal gives each key at once, which is how the supervisor reads."""
    if sys.platform == "win32":
        return False
    import termios

    with suppress(termios.error, OSError):
        return not termios.tcgetattr(0)[3] & termios.ICANON
    return False
