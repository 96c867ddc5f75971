"""The files that an app is made of, under watch: from what happened to them to the changes that count."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from lihil_cli.devserver.changes import Burst, Ledger
from lihil_cli.devserver.events import Change
from lihil_cli.devserver.messages import Message
from lihil_cli.devserver.watcher import Source, read_file

_GRAIN_S: Final = 0.02  # by how much a file's time may lie behind the clock
_LOCKED_S: Final = 1.9  # how long git is waited for
_STALE_S: Final = 10  # an older lock was left behind: git makes it as it begins


class Following:
    """Takes what `sources` tell, and what workers say that they have loaded."""

    def __init__(self, root: Path, sources: Sequence[Source]) -> None:
        self._ledger = Ledger()
        self._root = str(root)
        self._sources = sources
        self._burst = Burst()
        self._settings: set[str] = set()

    @property
    def files(self) -> set[str]:
        """Those that the app is made of, as far as is known."""
        return self._ledger.files

    @property
    def deadline(self) -> float | None:
        """When `judge` is due; None when nothing has happened."""
        return self._burst.deadline

    def follow_settings(self, files: Sequence[str]) -> None:
        """Follow these env files, whatever their names are, and no others; one that is not there may come."""
        self._ledger.inherited -= self._settings.difference(files)
        self._settings = set(files)
        self._ledger.inherited |= self._settings
        self._locate()

    def see(self, source: Source) -> None:
        """Take what a source has to tell."""
        now = time.monotonic()
        for seen in source.changes():
            may_hold_more = seen.is_folder or os.path.islink(seen.path)
            for path in self._ledger.concerned(seen.path, time.time(), is_folder=may_hold_more):
                self._burst.add(path, now, is_gone=seen.is_gone)

    def learn(self, imports: Message, loaded_at: float, *, whole: bool, is_broken: bool = False) -> None:
        """Follow what a worker has imported; `whole` and `is_broken` as in `Ledger.learn`.

        What was not known before it has read after the time `loaded_at`: what changed later may be newer than that.
        """
        self._ledger.learn(
            files=imports["files"],
            inherited=imports["inherited"],
            missing=imports["missing"],
            whole=whole,
            is_broken=is_broken,
        )
        unwatched = self._locate()  # before they are looked at, so that nothing is missed in between
        doubtful = self._ledger.overlooked(loaded_at)
        for path in self._ledger.unread():
            with suppress(OSError):
                if os.stat(path).st_ctime < loaded_at - _GRAIN_S:
                    self._ledger.note(path, read_file(path))
                elif path in unwatched:
                    doubtful.append(path)
        now = time.monotonic()
        for path in doubtful:
            self._burst.add(path, now)

    def _locate(self) -> set[str]:
        """Watch every file where it really lies, and every link to one; returns those that were not watched before."""
        paths = self._ledger.files | self._ledger.inherited
        folders = {folder: os.path.realpath(folder) for folder in {os.path.dirname(path) for path in paths}}
        real = {}
        for path in paths:
            folder, name = os.path.split(path)
            real[path] = os.path.realpath(path) if os.path.islink(path) else os.path.join(folders[folder], name)
        self._ledger.locate({path: place for path, place in real.items() if path != place})
        wanted = {*folders.values(), *map(os.path.dirname, real.values())}
        new = {folder for folder in wanted for source in self._sources if source.follow(folder)}
        return {path for path, place in real.items() if os.path.dirname(place) in new}

    def judge(self, now: float) -> Change | None:
        """The change that has come about, once it is over; None while it is not, and when nothing counts."""
        if now < self._burst.began + _LOCKED_S and _is_young(f"{self._root}/.git/index.lock"):
            self._burst.lock(now)
            return None
        began = self._burst.began
        verdict = self._ledger.judge(self._burst.take(), read_file)
        return None if verdict is None else Change(verdict.files, began, verdict.is_fresh)


def _is_young(lock: str) -> bool:
    try:
        return time.time() - os.stat(lock).st_mtime < _STALE_S
    except OSError:
        return False
