"""The HTTP client library under the test client: httpx2 where it is installed, else httpx.

Type checkers see httpx, which lihil depends on; what is used here is the same in both.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
else:
    httpx = import_module("httpx2" if find_spec("httpx2") else "httpx")

__all__ = ["httpx"]
