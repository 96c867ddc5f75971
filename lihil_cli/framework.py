"""The framework's WebSocket core without the framework: `lihil ws-test` needs the one and not the other.

Importing any module below `lihil` first runs `lihil/__init__.py`, which loads the whole framework with starlette and
msgspec: more than all the rest of connecting costs. The same goes for `websockets`, of which the core wants one
compiled function.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGES = ("lihil", "websockets")


class _Deferred(ModuleType):
    """A package before its `__init__.py` has run, which happens as soon as one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        self.__class__ = ModuleType  # type: ignore[assignment]
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(self)
        return getattr(self, name)


def defer_framework() -> None:
    """Let `import lihil.rfc6455` load that room alone, until somebody uses a name of `lihil` itself."""
    for name in _PACKAGES:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            package = importlib.util.module_from_spec(spec)
            package.__class__ = _Deferred
            sys.modules[name] = package
