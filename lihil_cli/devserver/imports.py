"""What the user's code imported: files to be followed, packages that a zygote may load ahead, names not found."""

import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from lihil_cli.devserver.messages import Message

T = TypeVar("T")

_INSTALLED = ("site-packages", "dist-packages")


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
    """Everything that a process has imported since this was made, and before."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._inherited = set(sys.modules)
        self._not_found = _NotFound()
        self._standard = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]

    def watch(self, load: Callable[[], T]) -> T:
        """Call `load`, and note which modules it looks for in vain."""
        sys.meta_path.append(self._not_found)
        try:
            return load()
        finally:
            sys.meta_path.remove(self._not_found)

    def as_message(self) -> Message:
        """`files`: the user's; `inherited`: those of them that were there before; `packages`: everybody else's modules,
        in the order of their import; `missing`: the last parts of names that were not found."""
        files: list[str] = []
        inherited: list[str] = []
        packages: list[str] = []
        for name, module in list(sys.modules.items()):
            spec = getattr(module, "__spec__", None)
            origin = getattr(spec, "origin", None)
            if name == "__main__" or spec is None or spec.name != name:
                continue
            if origin is not None and self._is_users(origin):
                (inherited if name in self._inherited else files).append(os.path.abspath(origin))
            elif name not in self._inherited and origin is not None:
                packages.append(name)
        tops = {Path(file).stem for file in files} | {Path(file).parent.name for file in files}
        names = [name.split(".") for name in self._not_found.names]
        missing = sorted({parts[-1] for parts in names if len(parts) == 1 or parts[0] in tops})
        return {"files": files, "inherited": inherited, "packages": packages, "missing": missing}

    def _is_users(self, file: str) -> bool:
        parts = Path(file).parts
        if any(part in _INSTALLED for part in parts):
            return False
        if file.startswith(self._root + os.sep):
            return True
        return not any(file.startswith(folder + os.sep) for folder in self._standard) and os.path.isabs(file)
