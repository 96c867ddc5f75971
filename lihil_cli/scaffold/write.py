"""A project on disk, all of it or nothing: written in a hidden folder beside its place, then moved there at once."""

import os
import shutil
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.scaffold.interrupts import Interrupts, StoppedError
from lihil_cli.scaffold.names import NameRefusal, parse_name
from lihil_cli.scaffold.plan import PlannedFile

_SHOWN_ENTRIES = 4
# O_NOFOLLOW and O_BINARY each exist on one family of systems only.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def check_target(target: Path) -> None:
    """Raise CliError unless `target` is free: it does not exist, or it is an empty folder and no link to one."""
    try:
        found = os.lstat(target)
        entries = sorted(os.listdir(target)) if stat.S_ISDIR(found.st_mode) else None
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failure(target, error) from error
    if entries is None:
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "a file"
        raise CliError(f"'{target.name}' is already {kind}{_other_name(target)}")
    if entries:
        raise CliError(f"the folder '{target.name}' is not empty: it holds {_listed(entries)}{_other_name(target)}")


def write_project(target: Path, files: Iterable[PlannedFile], *, first_commit: str = "") -> str:
    """Make `target` from `files`, with a git repository when `first_commit` gives its message.

    Answers what kept the repository from being made, or an empty string. Raises CliError when the target is taken,
    when the disk refuses, and when a signal comes (130, 143); then nothing is left behind.
    """
    check_target(target)
    stage = target.with_name(f".{target.name}.lihil-{os.urandom(4).hex()}")
    with Interrupts() as interrupts, _explained(target):
        os.mkdir(stage)
        try:
            for file in files:
                interrupts.check()
                _write_file(stage, file)
            note = _start_repository(stage, first_commit, interrupts) if first_commit else ""
            interrupts.check()
            _move(stage, target)
        finally:
            # Gone after the move; before it, nothing in here is anyone else's.
            shutil.rmtree(stage, ignore_errors=True)
    return note


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(target, error) from error
    except StoppedError as stop:
        code = ExitCode.INTERRUPTED if stop.signum == signal.SIGINT else ExitCode.TERMINATED
        raise CliError(f"stopped by {stop.signum.name}; nothing was left behind", code=code) from stop


def _start_repository(stage: Path, first_commit: str, interrupts: Interrupts) -> str:
    # Imported here: with it comes subprocess, which --no-git has no use for.
    from lihil_cli.scaffold.git import start_repository

    return start_repository(stage, first_commit, check=interrupts.check)


def _write_file(stage: Path, file: PlannedFile) -> None:
    path = stage / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, _CREATE, file.mode), "wb") as stream:
        stream.write(file.data)


def _move(stage: Path, target: Path) -> None:
    """One rename, which takes an empty folder's place; any other thing that has come there meanwhile refuses it."""
    with suppress(FileNotFoundError):
        os.chmod(stage, stat.S_IMODE(os.lstat(target).st_mode))
        if os.name == "nt":  # where a rename replaces no folder
            target.rmdir()
    os.rename(stage, target)


def _failure(target: Path, error: OSError) -> CliError:
    reason = error.strerror or type(error).__name__
    place = _escape(str(target.parent))
    return CliError(f"cannot make '{target.name}' in {place}: {reason}; nothing was left behind")


def _listed(entries: list[str]) -> str:
    shown = _escape(", ".join(entries[:_SHOWN_ENTRIES]))
    more = len(entries) - _SHOWN_ENTRIES
    return f"{shown} and {more} more" if more > 0 else shown


def _escape(text: str) -> str:
    return escape_terminal(text, keep_newlines=False)


def _other_name(target: Path) -> str:
    """The end of a refusal: a name beside `target` that is free."""
    for number in range(2, 100):
        name = f"{target.name}_{number}"
        if isinstance(parse_name(name), NameRefusal):
            break
        if not os.path.lexists(target.with_name(name)):
            return f"; try: lihil new {name}"
    return "; choose another name"
