"""ASGI's types and messages. No other module of lihil spells a message type.

Source: the ASGI specification, HTTP & WebSocket message format 2.5 and lifespan protocol 2.0.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Middleware: TypeAlias = Callable[[ASGIApp], ASGIApp]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]

HTTP = "http"
WEBSOCKET = "websocket"
LIFESPAN = "lifespan"

HTTP_REQUEST = "http.request"
HTTP_DISCONNECT = "http.disconnect"
HTTP_RESPONSE_START = "http.response.start"
HTTP_RESPONSE_BODY = "http.response.body"

WS_CONNECT = "websocket.connect"
WS_ACCEPT = "websocket.accept"
WS_RECEIVE = "websocket.receive"
WS_SEND = "websocket.send"
WS_CLOSE = "websocket.close"
WS_DISCONNECT = "websocket.disconnect"

# The denial response: an HTTP answer to a refused opening handshake (ASGI extension "websocket.http.response").
WS_DENIAL = "websocket.http.response"
WS_DENIAL_START = "websocket.http.response.start"
WS_DENIAL_BODY = "websocket.http.response.body"

LIFESPAN_STARTUP = "lifespan.startup"
LIFESPAN_STARTUP_COMPLETE = "lifespan.startup.complete"
LIFESPAN_STARTUP_FAILED = "lifespan.startup.failed"
LIFESPAN_SHUTDOWN = "lifespan.shutdown"
LIFESPAN_SHUTDOWN_COMPLETE = "lifespan.shutdown.complete"
LIFESPAN_SHUTDOWN_FAILED = "lifespan.shutdown.failed"

# A scope extension of our own: `scope["extensions"]["lihil.error"]` is a callable that is given each exception
# which a handler did not catch. The test client uses it to show the real cause; servers leave it out.
ERROR_HOOK = "lihil.error"

# The broadcast lane, a scope extension of our server: {"write": bytes -> bool, "drained": () -> awaitable}.
PREPARED = "lihil.prepared"
