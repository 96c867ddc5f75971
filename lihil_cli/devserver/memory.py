"""What an app imported when it last ran, kept in `.lihil/packages.json`: a zygote need not wait to be told.

Only ever a head start. What the first worker says of itself is the truth, see Nursery.learn.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lihil_cli.devfile import FOLDER, write_private
from lihil_cli.loader import Target

NAME = "packages.json"


@dataclass(frozen=True, slots=True)
class Memory:
    """Packages in the order in which the app imports them, all before it makes this setting (see Variables)."""

    packages: tuple[str, ...]
    setting: str = ""

    def fits(self, packages: Collection[str], setting: str) -> bool:
        """Whether an app that is like this has nothing loaded ahead that it would not, or not yet, have loaded."""
        return setting in {"", self.setting} and set(self.packages) <= set(packages)


def read_memory(target: Target) -> Memory | None:
    """What is remembered of an app in this environment; None for nothing, or nothing that can be read."""
    with suppress(OSError, ValueError, RecursionError, AttributeError):
        found: Any = json.loads((target.root / FOLDER / NAME).read_bytes())
        packages, setting = found.get("packages"), found.get("setting")
        if found.get("of") == _key(target) and isinstance(packages, list) and isinstance(setting, str):
            return Memory(tuple(name for name in packages if isinstance(name, str)), setting)
    return None


def write_memory(target: Target, packages: Sequence[str], setting: str) -> None:
    """Keep it for the next run; a folder that cannot be written has no memory."""
    record = {"of": _key(target), "packages": packages, "setting": setting}
    with suppress(OSError):
        write_private(target.root, NAME, json.dumps(record))


def _key(target: Target) -> list[str]:
    """What makes a memory useless when it changes: the app, the interpreter, what is installed for it."""
    installed = []
    for name in ("purelib", "platlib"):
        with suppress(OSError):
            installed.append(str(os.stat(sysconfig.get_path(name)).st_mtime_ns))
    return [str(target), sys.version, sys.executable, os.environ.get("PYTHONPATH", ""), *installed]
