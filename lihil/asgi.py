"""ASGI's types and messages. No other module of lihil spells a message type.

Source: the ASGI specification, HTTP & WebSocket message format 2.5 and lifespan protocol 2.0.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class PendingMiddleware(Protocol):
    """What starlette.middleware.Middleware is: a class and the arguments it takes behind the app."""

    cls: Any
    args: Any
    kwargs: Any


Middleware: TypeAlias = Callable[[ASGIApp], ASGIApp] | PendingMiddleware
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

# A scope extension of our own server: `scope["extensions"]["lihil.direct"]` is a `DirectTransport`.
DIRECT = "lihil.direct"


class DirectTransport(Protocol):
    """The short way to one open WebSocket, past ASGI's queues and tasks. Absent on other servers and in memory.

    Messages sent here and messages sent through ASGI keep their order: it is the same transport. Every call is made in
    the event loop's thread and, but for `drained`, comes back at once.
    """

    def arrival(self) -> Awaitable[object] | None:
        """What to await before asking again; None when there is something to `take`."""

    def take(self) -> str | bytes | Message:
        """The next message's payload; once there is none, the ASGI message that says how the connection ended.

        It is for after the handshake, and only right after `arrival` gave None. Cancelling who awaits loses nothing.
        """

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        """From now on call `on_message` for each message as it is read; `receive` gives only the disconnect.

        Messages that wait already are delivered first. Reading stops while the peer does not take what is sent.
        `on_message` must not raise: nobody would tell the peer why its connection ends.
        """

    def send_now(self, payload: str | bytes) -> bool:
        """Send a message as ASGI's send would, compressed where that was agreed; False when the peer is behind.

        The message is taken in either case. Raises OSError when the peer has gone.
        """

    def write_prepared(self, frame: bytes) -> bool:
        """Write a whole frame that is framed already; False, and nothing written, while the peer is behind.

        Raises OSError when the peer has gone.
        """

    async def drained(self) -> None:
        """Wait until the peer has caught up, or is gone."""
