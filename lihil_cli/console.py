"""The terminal's boundary: what may be coloured, and how foreign text is made harmless.

The only module that makes a rich Console. rich itself is imported when one is asked for, because it costs more than
the rest of a command's start.
"""

import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# C0 and C1 controls with DEL, but for tab and newline; the bidirectional overrides and isolates that can forge the
# look of a line (Unicode UAX #9, "Trojan Source"); the line and paragraph separators; lone surrogates.
UNSAFE = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def escape_terminal(text: str, *, keep_newlines: bool = True) -> str:
    """Make text from the network or a file safe to print: every control becomes visible as `\\x1b` or `\\u202e`."""
    safe = UNSAFE.sub(_visible, text)
    return safe if keep_newlines else safe.replace("\n", "\\n")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def colour_allowed(stream: TextIO) -> bool:
    """Whether escapes may be written: a terminal that is not dumb, and no NO_COLOR (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def make_console(stream: TextIO | None = None) -> "Console":
    """A rich console on `stream` (stdout when None) that writes no escape at all where colour is not allowed."""
    from rich.console import Console

    out = sys.stdout if stream is None else stream
    allowed = colour_allowed(out)
    return Console(
        file=out,
        color_system="auto" if allowed else None,
        force_terminal=True if allowed else None,
        no_color=not allowed,
        highlight=False,
        emoji=False,
    )
