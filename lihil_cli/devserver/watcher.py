"""Source files under watch, by the cheapest means that the platform and the file system have.

On Linux that is inotify, folder by folder: what is skipped is never registered. Elsewhere watchfiles does it, and on
file systems that tell nobody of changes (network, shared folders) it polls, there and only there.
"""

import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lihil_cli.devserver.inotify import Inotify, Seen
from lihil_cli.devserver.mounts import polled_folders
from lihil_cli.serving.report import say

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_SKIPPED = {"node_modules", "__pycache__", "site-packages", "__pypackages__"}
_STEP_MS, _POLL_MS = 10, 300


class Source(Protocol):
    """One way to learn of changes; `fileno` becomes readable when there are some."""

    def fileno(self) -> int: ...
    def changes(self) -> Iterator[Seen]: ...
    def follow(self, folder: str) -> bool: ...
    def close(self) -> None: ...


def is_skipped(folder: str) -> bool:
    """Whether nothing in this folder can be the user's code: hidden, made by tools, or a virtual environment."""
    name = os.path.basename(folder)
    return name.startswith(".") or name in _SKIPPED or os.path.exists(f"{folder}/pyvenv.cfg")


def open_sources(root: Path, *, platform: str = sys.platform) -> list[Source]:
    """Watch everything below `root` that may be code. Raises OSError when that cannot be done."""
    top = str(root)
    if platform != "linux":
        return [Notified([top], polls=False)]
    with suppress(OSError):
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        polled = polled_folders(mounts, top)
        sources: list[Source] = [Notified(polled, polls=True, is_alone=top in polled)] if polled else []
        return sources if top in polled else [Watched(top, skipped=polled), *sources]
    return [Watched(top, skipped=())]


class Watched:
    """By inotify: a folder with all that is below it, and single folders elsewhere."""

    def __init__(self, top: str, *, skipped: Sequence[str]) -> None:
        self._top = top
        self._skipped = set(skipped)
        self._inotify = Inotify()
        self._is_set_up = False
        self._has_complained = False
        try:
            for _ in self._walk(top):
                pass
        except OSError:
            self._inotify.close()
            raise
        self._is_set_up = True

    def fileno(self) -> int:
        return self._inotify.fileno()

    def follow(self, folder: str) -> bool:
        """Watch a folder too that lies elsewhere, or is skipped otherwise; whether it was not watched before."""
        return folder not in self._inotify and self._add(folder)

    def _add(self, folder: str) -> bool:
        """Watch a folder; where that cannot be done, while the server runs, it is said once and the rest goes on."""
        try:
            self._inotify.add(folder)
        except OSError as error:
            if not self._is_set_up:
                raise
            if not self._has_complained:
                self._has_complained = True
                where = os.path.relpath(folder, self._top)
                why = f"{error.strerror}; a change there comes with the next one elsewhere"
                say(f"note: {where} cannot be watched, and may not be the only one: {why}")
            return False
        return True

    def changes(self) -> Iterator[Seen]:
        overflown: list[bool] = []
        for seen in self._inotify.read(lambda: overflown.append(True)):
            yield seen
            if seen.is_folder and seen.is_gone:
                self._inotify.forget(seen.path)
            elif seen.is_folder:
                for path in self._walk(seen.path):
                    yield Seen(path)
        if overflown:
            yield Seen(self._top, is_folder=True)

    def _walk(self, folder: str) -> Iterator[str]:
        """Watch a folder and those below it; every file that is there already."""
        if folder in self._skipped or (folder != self._top and is_skipped(folder)):
            return
        self._add(folder)  # before it is listed, so that nothing is missed in between
        below = []
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                else:
                    yield entry.path
        for path in below:
            yield from self._walk(path)

    def close(self) -> None:
        self._inotify.close()


class Notified:
    """By watchfiles, in threads: where there is no inotify, or, with `polls`, where it stays silent.

    `is_alone` when no other source follows what lies outside of these folders.
    """

    def __init__(self, folders: Sequence[str], *, polls: bool, is_alone: bool = True) -> None:
        self._polls = polls
        self._is_alone = is_alone
        self._bell, self._far_bell = socket.socketpair()
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._tops = tuple(folders)
        self._followed: set[str] = set()
        self._threads: list[threading.Thread] = []
        self._watch(list(folders), recursive=True)

    def _watch(self, folders: list[str], *, recursive: bool) -> None:
        from watchfiles._rust_notify import RustNotify

        notify = RustNotify(folders, False, self._polls, _POLL_MS, recursive, True)
        self._threads.append(threading.Thread(target=self._listen, args=(notify,), daemon=True))
        self._threads[-1].start()

    def fileno(self) -> int:
        return self._bell.fileno()

    def follow(self, folder: str) -> bool:
        """Watch a folder too that lies elsewhere, or is skipped otherwise; whether it was not watched before."""
        if self._is_wanted(f"{folder}/any") or not self._is_alone or not os.path.isdir(folder):
            return False
        self._followed.add(folder)
        if self._top_of(folder) is None:
            with suppress(OSError, RuntimeError):  # it has gone by now, or there are too many
                self._watch([folder], recursive=False)
        return True

    def changes(self) -> Iterator[Seen]:
        self._bell.recv(4096)
        with self._lock:
            seen, self._seen = self._seen, []
        yield from seen

    def _listen(self, notify: "RustNotify") -> None:
        while True:
            found = notify.watch(_STEP_MS, _STEP_MS, 500, self._stopped)
            if found == "stop" or found == "signal":
                notify.close()
                return
            if found == "timeout":
                continue
            seen = [Seen(path, os.path.isdir(path), is_gone=kind == 3) for kind, path in found if self._is_wanted(path)]
            with self._lock:
                self._seen += seen
            if seen:
                self._far_bell.send(b"!")

    def _is_wanted(self, path: str) -> bool:
        """Whether it lies in a folder that is followed, or below ours with none between that is skipped."""
        if os.path.dirname(path) in self._followed:
            return True
        top = self._top_of(path)
        if top is None:
            return False
        parts = path[len(top) :].strip(os.sep).split(os.sep)[:-1]
        return not any(part.startswith(".") or part in _SKIPPED for part in parts)

    def _top_of(self, path: str) -> str | None:
        return next((top for top in self._tops if f"{path}/".startswith(f"{top}/")), None)

    def close(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._bell.close()
        self._far_bell.close()


def read_file(path: str) -> bytes | None:
    """The content of a file; None when there is none, or none that may be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def forget_bytecode(path: str) -> None:
    """Remove the cached bytecode of one source file.

    CPython takes it for valid while size and modification time, in whole seconds, agree: two saves within a second
    may leave the first one's bytecode in use (PEP 3147, PEP 552).
    """
    with suppress(OSError, NotImplementedError):
        os.unlink(importlib.util.cache_from_source(path))
