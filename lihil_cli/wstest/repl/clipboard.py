"""Putting text into the clipboard, by whichever means this machine has."""

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

_TIMEOUT_S = 2.0
_MAX_OSC_BYTES = 74_994  # what terminals that know the sequence commonly take


def clipboard_command(environ: os._Environ[str] | dict[str, str]) -> Sequence[str] | None:
    """The program that takes what is to be copied on its standard input; None where there is none."""
    commands: list[tuple[str, ...]] = []
    if sys.platform == "darwin":
        commands.append(("pbcopy",))
    if environ.get("WAYLAND_DISPLAY"):
        commands.append(("wl-copy",))
    if environ.get("DISPLAY"):
        commands += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    commands.append(("clip.exe",))
    return next((command for command in commands if shutil.which(command[0])), None)


def copy_by_program(command: Sequence[str], text: str) -> bool:
    """Whether the program took it."""
    try:
        done = subprocess.run(  # noqa: S603 - one of the names above
            command, input=text.encode("utf-8", "replace"), timeout=_TIMEOUT_S, check=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def osc52(text: str) -> str | None:
    """The sequence that makes the terminal itself take the text (xterm's OSC 52); None for more than it would take."""
    data = text.encode("utf-8", "replace")
    return None if len(data) > _MAX_OSC_BYTES else f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
