"""Which changes of files are changes of the code, and when a burst of them is over.

Nothing here reads a file: contents come in through a function that is handed in, time as an argument.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from os.path import basename, dirname, splitext
from typing import Final, TypeAlias

from lihil_cli.record import Record

QUIET_S: Final = 0.008
"""An editor's save is over after this much silence."""
BURST_QUIET_S: Final = 0.1
"""The same for a checkout, a formatter, or a file that has vanished and may come back."""
BURST_LIMIT_S: Final = 2.0
FEW: Final = 3

Read: TypeAlias = Callable[[str], bytes | None]
"""The content of a file; None when there is none."""

_BESIDE: Final = (".swp", ".swo", ".swn", ".swx", ".bak", ".orig", ".tmp", "~")
"""What editors put beside a file while it is open, or was saved: its name, and one of these."""

_ABSENT: Final = -1  # which no hash is


def may_count(path: str) -> bool:
    """Whether a file of this name can be code or settings at all."""
    name = basename(path)
    return name.endswith((".py", ".toml")) or is_settings(path)


def is_settings(path: str) -> bool:
    """Whether a file of this name holds what is read before any code runs."""
    name = basename(path)
    if name.startswith(".env."):
        return not name.endswith(_BESIDE)
    return name in {".env", "pyproject.toml"}


class Burst:
    """Changed paths, gathered until nothing more comes."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}
        self.began = 0.0
        self._last = 0.0
        self._gone: set[str] = set()
        self._is_locked = False

    def add(self, path: str, now: float, *, is_gone: bool = False) -> None:
        """Take one more; `is_gone` when it has vanished, as it does for a moment when some editors save."""
        if not self.paths:
            self.began = now
        self.paths[path] = None
        self._last = now
        if is_gone:
            self._gone.add(path)
        else:
            self._gone.discard(path)

    def lock(self, now: float) -> None:
        """More will come: a tool that writes many files has said so."""
        self._is_locked = True
        self._last = now

    @property
    def deadline(self) -> float | None:
        """When it is over, if nothing more comes; None when there is nothing."""
        if not self.paths:
            return None
        if self._is_locked or self._gone or len(self.paths) > FEW:
            return min(self._last + BURST_QUIET_S, self.began + BURST_LIMIT_S)
        return self._last + QUIET_S

    def take(self) -> tuple[str, ...]:
        """All of them, oldest first; empty from now on."""
        paths, self.paths = tuple(self.paths), {}
        self._gone.clear()
        self._is_locked = False
        return paths


class Verdict(Record):
    """What is to be loaded again: these files; `is_fresh` when nothing may be inherited by who loads them."""

    files: tuple[str, ...]
    is_fresh: bool


class Ledger:
    """What the code is made of, and what each file of it contained when it was looked at last."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.inherited: set[str] = set()
        self.missing: set[str] = set()
        self._digests: dict[str, int] = {}
        self._real: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}  # the same the other way round
        self._overlooked: dict[str, float] = {}
        self._is_known = False  # until a worker has said what it imported, any code may be the app's
        self._is_broken = False

    def learn(
        self,
        *,
        files: Collection[str],
        inherited: Collection[str],
        missing: Collection[str],
        whole: bool,
        is_broken: bool = False,
    ) -> None:
        """Note what a worker has imported; `whole` when that is all of the newest code, and not only a part.

        The rest is to come where newer code is being loaded; where it `is_broken`, any file may be the rest.
        """
        for path in self.files.difference(files, inherited, self.inherited) if whole else ():
            self._digests.pop(path, None)  # its changes are not followed; when it is imported again, it is a new file
        self.missing = set(missing) if whole else self.missing | set(missing)
        self.files = set(files) if whole else self.files | set(files)
        self.inherited |= set(inherited)
        self._is_known = self._is_known or not is_broken
        self._is_broken = is_broken or (self._is_broken and not whole)

    def unread(self) -> set[str]:
        """Files whose content was never looked at."""
        return (self.files | self.inherited) - self._digests.keys()

    def note(self, path: str, content: bytes | None) -> None:
        """Remember what is, or was, in a file."""
        self._digests[path] = _digest(content)

    def holds(self, path: str) -> bool:
        """Whether a file is one that a worker has loaded."""
        return path in self.files or path in self.inherited

    def is_part(self, path: str) -> bool:
        """Whether a file of this name belongs to the code, or would if it were there."""
        if self.holds(path) or not self._is_known:
            return True
        if is_settings(path) or path.endswith(".toml") or (self._is_broken and path.endswith(".py")):
            return True
        name = basename(dirname(path)) if basename(path) == "__init__.py" else splitext(basename(path))[0]
        return name in self.missing

    def locate(self, real: Mapping[str, str]) -> None:
        """Note where files really lie: those that the code knows by way of a link."""
        self._real, self._names = dict(real), {}
        for path, place in real.items():
            self._names.setdefault(place, []).append(path)

    def concerned(self, path: str, at: float, *, is_folder: bool = False) -> list[str]:
        """The files of the code that change when something happens to `path`, at this time; to a folder as a whole."""
        found = self.below(path) if is_folder else []
        found += [name for name in self._named(path) if (may_count(name) or self.holds(name)) and self.is_part(name)]
        if not found and path.endswith(".py"):
            self._overlooked[path] = at
        return found

    def _named(self, path: str) -> list[str]:
        """What the code calls a file; where that really lies only if the code loads it from there too."""
        names = self._names.get(path, [])
        return names if names and not self.holds(path) else [path, *names]

    def overlooked(self, since: float) -> list[str]:
        """Files that changed since this time, when nobody knew yet that they belong to the code, as is known now."""
        self._overlooked = {path: at for path, at in self._overlooked.items() if at >= since}  # it only ever grows
        return sorted(name for path in self._overlooked for name in self._named(path) if self.is_part(name))

    def below(self, folder: str) -> list[str]:
        """The files of the code in a folder, which has come or gone as a whole."""
        inside = f"{folder}/"
        return sorted(
            path
            for path in self.files | self.inherited
            if path.startswith(inside) or self._real.get(path, "").startswith(inside)
        )

    def judge(self, paths: Iterable[str], read: Read) -> Verdict | None:
        """What of these paths is to be loaded again; None when it is nothing."""
        changed = [path for path in paths if self.is_part(path) and self._has_changed(path, read)]
        if not changed:
            return None
        return Verdict(tuple(changed), any(is_settings(path) or path in self.inherited for path in changed))

    def _has_changed(self, path: str, read: Read) -> bool:
        digest = _digest(read(path))
        # A file that nobody has looked at and that is gone was a temporary one.
        before = self._digests.get(path, None if path in self.files else _ABSENT)
        self._digests[path] = digest
        return digest != before


def _digest(content: bytes | None) -> int:
    """64 bits of SipHash, with a key of this process's own: enough to see a change, and hashlib would load OpenSSL."""
    return _ABSENT if content is None else hash(content)
