"""The HTTP client library under the test client: httpx2 where it is installed, else httpx.

What is used of it here is the same in both, so type checkers see httpx, which lihil depends on.
"""

from importlib import import_module
from importlib.util import find_spec

if find_spec("httpx2") is None:
    import httpx
else:
    globals()["httpx"] = import_module("httpx2")

__all__ = ["httpx"]
