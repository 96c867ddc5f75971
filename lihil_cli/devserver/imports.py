"""What the user's code imported: files to be followed, packages that a zygote may load ahead, names not found."""

import importlib.machinery
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from lihil_cli.devserver.messages import Message
from lihil_cli.devserver.mode import cold_tool
from lihil_cli.devserver.variables import Variables

T = TypeVar("T")

_RELOADED = 64  # modules that may have been reloaded, or removed
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


class _NotFound:
    """The last finder on `sys.meta_path`: whatever is asked of it, nobody had."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        self.names.append(name)
        return None


class ImportRecord:
    """Everything that a process imports while it is watched and later, and what it had when this was made."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}{os.sep}"
        self._not_found = _NotFound()
        self._standard = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib"))
        # Looked at once, and here: whoever only looks at a module writes to its memory, which forked workers share.
        self._inherited = [file for _, file in _origins(sys.modules) if self._is_users(file)]
        self._variables = Variables(self._is_users)
        self._expected: str | None = None
        self._loaded: set[str] = set()
        self._environ: dict[str, str] = {}
        self._told: frozenset[str] | None = None  # modules, the first time
        self._size = 0  # of sys.modules, when it was told
        self._looked_at = 0.0
        self.settle()

    def settle(self) -> None:
        """What is there by now counts as there before; best called where it is not yet forked memory, see `_new`."""
        self._before = set(sys.modules)

    def expect(self, setting: str) -> None:
        """Packages were, or will be, loaded ahead: those that the app imports before it makes this setting."""
        self._expected = setting

    @property
    def is_misled(self) -> bool:
        """Whether packages were loaded ahead that may have to wait, for a variable which the app sets or for a tool."""
        if self._expected is None:
            return False
        is_late = self._variables.setting not in {"", self._expected}
        return is_late or bool(cold_tool(self._new()))

    def watch(self, load: Callable[[], T]) -> T:
        """Call `load`, and note which modules it looks for in vain, and when it changes the environment."""
        sys.meta_path.append(self._not_found)
        try:
            with self._variables.watched():
                return load()
        finally:
            sys.meta_path.remove(self._not_found)
            self._loaded, self._environ = set(self._new()), dict(os.environ)

    def has_grown(self) -> bool:
        """Whether anything was imported since this was told. Cheap, and the oftener it is asked the better it knows."""
        if len(sys.modules) != self._size:
            return True
        self._looked_at = time.time()
        return False

    def as_message(self) -> Message:
        """What was found out, as plain values; again when it has grown.

        `files`: the user's; `inherited`: those that were there before; `packages`: everybody else's modules, each
        behind those that it needs; `missing`: the last parts of names that were not found; `setting`: see Variables;
        `waiting`: how many more packages there are, which the app imports behind that; `since`: whatever was not told
        before was imported after this time. What is imported later than the first telling is not to be loaded ahead.
        """
        since, self._looked_at, self._size = self._looked_at, time.time(), len(sys.modules)
        new = {name: sys.modules.get(name) for name in self._new()}  # a thread may take one away: an import that failed
        origins = [(name, file, self._is_users(file)) for name, file in _origins(new)]
        files = [os.path.abspath(file) for _, file, is_users in origins if is_users]
        foreign = [name for name, _, is_users in origins if not is_users]
        if self._told is None:
            self._told = frozenset(foreign)
        foreign = [name for name in foreign if name in self._told]
        packages = [name for name in foreign if not self._variables.behind(name)]
        if self._environ != os.environ:  # what a lifespan imports may come behind what it sets
            packages = [name for name in packages if name in self._loaded]
        tops = {Path(file).stem for file in files} | {Path(file).parent.name for file in files}
        names = [name.split(".") for name in self._not_found.names]
        missing = sorted({parts[-1] for parts in names if len(parts) == 1 or parts[0] in tops})
        return {
            "files": files,
            "inherited": self._inherited,
            "packages": packages,
            "missing": missing,
            "setting": self._variables.setting,
            "waiting": len(foreign) - len(packages),
            "since": since,
        }

    def _new(self) -> list[str]:
        """The modules that were not there before, in their order.

        Found from the end, and not much further than needed: a reference to what was there before is a write to memory
        that forked workers share. Between and behind the new ones stand old ones that were reloaded.
        """
        last = len(sys.modules) - len(self._before) + _RELOADED
        names = list(islice(reversed(sys.modules), max(last, 0)))
        return [name for name in reversed(names) if name not in self._before]

    def _is_users(self, file: str) -> bool:
        if any(folder in file for folder in _INSTALLED):
            return False
        return file.startswith(self._root) or (os.path.isabs(file) and not file.startswith(self._standard))


def _origins(modules: Mapping[str, ModuleType | None]) -> list[tuple[str, str]]:
    """Name and origin of every module that an import by its name would give."""
    found = []
    for name, module in list(modules.items()):
        spec = getattr(module, "__spec__", None)
        if name != "__main__" and spec is not None and spec.name == name and spec.origin is not None:
            found.append((name, spec.origin))
    return found
