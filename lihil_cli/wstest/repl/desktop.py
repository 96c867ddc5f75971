"""What the terminal does on this machine for its user: files, and the clipboard."""

import asyncio
import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lihil_cli.wstest.repl.events import FileRead, ReadFile, Told, WriteFile

_MAX_SEND_BYTES = 2**30
_COPY_S = 2.0
_NO_FILE = (OSError, ValueError, RuntimeError)  # the latter for a NUL in a path, and for ~ of somebody unknown
_MAX_OSC_BYTES = 74_994  # what terminals that know the sequence commonly take


async def read_file(request: ReadFile) -> FileRead:
    """The content of the file that is to be sent, or why there is none."""

    def read() -> bytes:
        with Path(request.path).expanduser().open("rb") as stream:
            return stream.read(_MAX_SEND_BYTES)

    try:
        return FileRead(request, await asyncio.to_thread(read))
    except _NO_FILE as error:
        return FileRead(request, reason=_reason(error))


async def write_file(action: WriteFile) -> Told:
    """Write the file with the folders around it, and say so."""

    def write() -> None:
        path = Path(action.path).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(action.text, encoding="utf-8", newline="\n")

    try:
        await asyncio.to_thread(write)
    except _NO_FILE as error:
        return Told(f"cannot write {action.path}: {_reason(error)}", "bad")
    return Told(action.done)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


async def copy_text(text: str, write: Callable[[str], None]) -> Told:
    """Put the text into the clipboard by a program of this machine, or by asking the terminal itself."""
    command = clipboard_command(os.environ)
    if command is not None and await asyncio.to_thread(_run, command, text):
        return Told(f"{_count(text)} copied")
    data = text.encode("utf-8", "replace")
    if len(data) > _MAX_OSC_BYTES:
        return Told("too much to be copied by way of the terminal: /save has it all", "bad")
    write(f"\x1b]52;c;{base64.b64encode(data).decode()}\x07")  # xterm's OSC 52
    return Told(f"{_count(text)} given to the terminal to be copied")


def _count(text: str) -> str:
    return f"{len(text)} character{'' if len(text) == 1 else 's'}"


def clipboard_command(environ: Mapping[str, str], platform: str = sys.platform) -> Sequence[str] | None:
    """The program that takes what is to be copied on its standard input; None where there is none."""
    commands: list[tuple[str, ...]] = [("pbcopy",)] if platform == "darwin" else []
    if environ.get("WAYLAND_DISPLAY"):
        commands.append(("wl-copy",))
    if environ.get("DISPLAY"):
        commands += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    commands.append(("clip.exe",))
    return next((command for command in commands if shutil.which(command[0], path=environ.get("PATH"))), None)


def _run(command: Sequence[str], text: str) -> bool:
    """Whether the program took it."""
    nowhere = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 - one of the names above
            command, input=text.encode("utf-8", "replace"), timeout=_COPY_S, check=False, stdout=nowhere, stderr=nowhere
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
