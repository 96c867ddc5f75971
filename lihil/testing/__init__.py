"""Tools for testing an ASGI app in the process of its tests."""

from typing import TYPE_CHECKING

from lihil.testing.errors import AppTimeout, HandshakeRefused, LifespanError, ReceiveTimeout
from lihil.testing.websocket import WebSocketSession

if TYPE_CHECKING:
    from lihil.testing.client import TestClient
else:

    def __getattr__(name: str) -> object:
        # Late, because the HTTP library behind it costs more to import than the rest of lihil.
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
