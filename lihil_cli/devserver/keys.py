"""Single keys from the terminal, where there is one and it is ours."""

import os
import sys
from contextlib import suppress
from typing import Any


class Keys:
    """The keyboard. It is taken only in the foreground: in the background, touching it would stop us."""

    def __init__(self) -> None:
        self._before: Any = None

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return 0

    def take(self) -> bool:
        """Read keys one by one from now on, without showing them; False where that cannot be."""
        if sys.platform == "win32" or not has_keyboard():
            return False
        import termios

        with suppress(termios.error, OSError):
            now = termios.tcgetattr(0)
            if self._before is None:
                self._before = now
            changed = list(now)
            changed[3] &= ~(termios.ICANON | termios.ECHO)  # signals stay: Ctrl-C and Ctrl-Z are the terminal's
            termios.tcsetattr(0, termios.TCSANOW, changed)
            return True
        return False

    def read(self) -> str | None:
        """What was pressed; None when the keyboard is ours no longer."""
        if not has_keyboard():
            return None
        try:
            pressed = os.read(0, 64)
        except OSError:
            return None
        return pressed.decode(errors="replace") if pressed else None

    def give_back(self) -> None:
        """Leave the terminal as it was found."""
        before, self._before = self._before, None
        if before is not None and has_keyboard():
            import termios

            with suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, before)


def has_keyboard() -> bool:
    """Whether somebody sits at a terminal that is ours to read from, and sees what we say."""
    try:
        return os.isatty(0) and sys.stderr.isatty() and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
