"""Which environment variable the user's code sets while it is imported, and what had been imported by then.

Packages read variables when they are imported (`OMP_NUM_THREADS`, `DJANGO_SETTINGS_MODULE`), many of them in C, where
nobody sees it. So whatever the app imports behind its own change of the environment has to wait for it. What a package
sets itself happens again wherever that is imported.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Variables:
    """`setting` is the first change of the user's, as `NAME in file:line`; "" while there is none.

    `behind(name)` says whether a module's import was not over by then.
    """

    def __init__(self, is_users: Callable[[str], bool]) -> None:
        self.setting = ""
        self._is_users = is_users
        self._before: set[str] = set()

    def behind(self, name: str) -> bool:
        return bool(self.setting) and name not in self._before

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at every change of the environment that is made meanwhile."""
        real = {name: getattr(os, name) for name in ("putenv", "unsetenv")}  # which os.environ calls by these names

        def watching(change: Callable[..., None]) -> Callable[..., None]:
            def changing(name: Any, *value: Any) -> None:
                if not self.setting and os.environ.get(os.fsdecode(name)) != next(map(os.fsdecode, value), None):
                    self._note(os.fsdecode(name))
                change(name, *value)

            return changing

        vars(os).update({name: watching(change) for name, change in real.items()})
        try:
            yield
        finally:
            vars(os).update(real)

    def _note(self, variable: str) -> None:
        """Whose doing it is: that of the module whose import it happens in."""
        frame = sys._getframe()
        while frame.f_code.co_name != "<module>":
            if frame.f_back is None:
                return
            frame = frame.f_back
        if self._is_users(frame.f_code.co_filename):
            self.setting = f"{variable} in {frame.f_code.co_filename}:{frame.f_lineno}"
            self._before = {name for name, module in list(sys.modules.items()) if not _is_under_way(module)}


def _is_under_way(module: object) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
