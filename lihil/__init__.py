"""lihil: a WebSocket-first ASGI framework.

PYTEST_DONT_REWRITE: there is a pytest plugin beside it, but what stands here are no tests.
"""

from msgspec import Struct, field
from starlette import status
from starlette.requests import Request
from starlette.responses import Response

from lihil.app import Lihil
from lihil.di.graph import Graph
from lihil.di.node import DependentNode
from lihil.di.scope import AsyncScope, Resolver
from lihil.errors import HTTPException, LihilError, SetupError, WebSocketDisconnect
from lihil.http.responses import HTML, EventStream, Json, Text
from lihil.http.route import Route
from lihil.http.sse import SSE
from lihil.markers import AsyncResource, Ignore, NodeMeta, Param, Resource, use
from lihil.realtime.broadcaster import Broadcaster
from lihil.realtime.outbox import WhenFull
from lihil.version import VERSION
from lihil.websocket.connection import WebSocket
from lihil.websocket.route import WebSocketRoute

# Last, because pyright's check of the public types loses every metaclass when it meets this name first.
from typing import Annotated  # isort: skip

__version__ = VERSION

__all__ = [
    "HTML",
    "SSE",
    "Annotated",
    "AsyncResource",
    "AsyncScope",
    "Broadcaster",
    "DependentNode",
    "EventStream",
    "Graph",
    "HTTPException",
    "Ignore",
    "Json",
    "Lihil",
    "LihilError",
    "NodeMeta",
    "Param",
    "Request",
    "Resolver",
    "Resource",
    "Response",
    "Route",
    "SetupError",
    "Struct",
    "Text",
    "WebSocket",
    "WebSocketDisconnect",
    "WebSocketRoute",
    "WhenFull",
    "__version__",
    "field",
    "status",
    "use",
]
