"""Tools for testing an ASGI app in the process of its tests."""

import sys

from lihil.testing.errors import AppTimeout, HandshakeRefused, LifespanError, ReceiveTimeout
from lihil.testing.websocket import WebSocketSession

# The HTTP library behind TestClient costs more to import than the rest of lihil, and an app in production that takes
# a name from `lihil.vendors` never needs it: so TestClient waits until it is asked for, or its library is there.
# (An import statement, though conditional, is what type checkers and editors understand.)
if sys.modules.keys() & {"httpx", "httpx2"}:
    from lihil.testing.client import TestClient


def __getattr__(name: str) -> object:
    if name == "TestClient":
        from lihil.testing.client import TestClient

        return TestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AppTimeout",
    "HandshakeRefused",
    "LifespanError",
    "ReceiveTimeout",
    "TestClient",
    "WebSocketSession",
]
