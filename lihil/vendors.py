"""What apps and tests take from lihil's foundations: starlette's names, the test client, `use`."""

import sys

from starlette.datastructures import URL, Address, FormData, Headers, QueryParams, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.responses import Response, StreamingResponse
from starlette.routing import compile_path
from starlette.types import Lifespan
from starlette.websockets import WebSocketState

from lihil.errors import WebSocketDisconnect
from lihil.markers import use
from lihil.testing import HandshakeRefused
from lihil.websocket.connection import WebSocket

if sys.modules.keys() & {"httpx", "httpx2"}:  # see lihil.testing: else imported when it is asked for
    from lihil.testing import TestClient


def __getattr__(name: str) -> object:
    if name == "TestClient":
        from lihil.testing import TestClient

        return TestClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "URL",
    "Address",
    "FormData",
    "HTTPConnection",
    "HandshakeRefused",
    "Headers",
    "Lifespan",
    "MultiPartException",
    "QueryParams",
    "Request",
    "Response",
    "StreamingResponse",
    "TestClient",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketState",
    "compile_path",
    "cookie_parser",
    "use",
]
