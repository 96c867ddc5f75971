"""What an app imported when it last ran, kept in `.lihil/packages.json`: the first worker finds it loaded already.

A memory is believed while the interpreter, what is installed and the app's own import statements are the same.
"""

import json
import os
import re
import sys
import sysconfig
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

from lihil_cli.devfile import FOLDER, write_private
from lihil_cli.loader import Target
from lihil_cli.record import Record

NAME = "packages.json"
_IMPORTS = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([^#\n]*)", re.MULTILINE)
_WORDS = re.compile(rb"\w+")


class Memory(Record):
    """Modules in the order in which they were loaded, and the app's setting that has to come behind (see Variables).

    `named` are the packages that the app imports by itself, each with one of its files that does so.
    """

    packages: list[str]
    setting: str
    named: dict[str, str]


NOTHING = Memory([], "", {})


def read_memory(target: Target) -> Memory | None:
    """What is remembered of an app; None for nothing, nothing that can be read, or what is not true any more."""
    with suppress(OSError, ValueError, RecursionError, TypeError, AttributeError, KeyError):
        found: Any = json.loads((target.root / FOLDER / NAME).read_bytes())
        if found.pop("of") == _key(target):
            memory = Memory(**found)
            return memory if _is_whole(memory) and _still_holds(memory) else None
    return None


def write_memory(target: Target, memory: Memory) -> None:
    """Keep it for the next run; a folder that cannot be written has no memory."""
    with suppress(OSError):
        write_private(target.root, NAME, json.dumps({"of": _key(target), **vars(memory)}))


def forget_memory(target: Target) -> None:
    """Keep nothing for the next run."""
    with suppress(OSError):
        (target.root / FOLDER / NAME).unlink()


def find_named(modules: Iterable[str], files: Collection[str]) -> dict[str, str]:
    """The packages of these modules that import statements in these files name, each with such a file."""
    tops = {name.partition(".")[0] for name in modules}
    return {name: file for file in files for name in tops & _imports_of(file)}


def _imports_of(file: str) -> set[str]:
    try:
        with open(file, "rb") as stream:
            source = stream.read()
    except OSError:
        return set()
    return {word.decode(errors="replace") for line in _IMPORTS.findall(source) for word in _WORDS.findall(line)}


def _still_holds(memory: Memory) -> bool:
    return all(name in _imports_of(file) for name, file in memory.named.items())


def _is_whole(memory: Memory) -> bool:
    texts = [*memory.packages, memory.setting, *memory.named.values()]
    return isinstance(memory.packages, list) and all(isinstance(text, str) for text in texts)


def _key(target: Target) -> list[str]:
    """What makes a memory worthless when it changes: the app, the interpreter, what is installed for it."""
    installed = []
    for name in ("purelib", "platlib"):
        with suppress(OSError):
            installed.append(str(os.stat(sysconfig.get_path(name)).st_mtime_ns))
    return [str(target), sys.version, sys.executable, os.environ.get("PYTHONPATH", ""), *installed]
