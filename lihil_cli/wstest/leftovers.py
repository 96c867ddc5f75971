"""What an app in this process still does when everything else is over: said, and left."""

import sys
from collections.abc import Sequence

from lihil_cli.console import escape_terminal
from lihil_cli.serving.hard_end import HardEnd

_PATIENCE_S = 0.5  # for what is still to be said; a thread that never ends would keep the interpreter for ever


def leave_behind(places: Sequence[str], code: int, *, is_quiet: bool = False) -> None:
    """Say where the app stands, and let the process end with `code` soon, whatever goes on in it."""
    for place in () if is_quiet else places:
        line = f"the app does not end, and is left{f': at {place}' if place else ''}"
        print(escape_terminal(line, keep_newlines=False), file=sys.stderr)  # noqa: T201 - behind everything else
    HardEnd().within(_PATIENCE_S, code)
