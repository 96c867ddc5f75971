"""uvicorn as lihil runs it: the protocol classes of this room, and a stop that says why."""

import socket
from typing import Any, Final

import uvicorn
from uvicorn import Config

from lihil.asgi import ASGIApp
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.events import Close
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol

STOP: Final[Close] = WebSocketProtocol.shutdown_close
RELOAD: Final = Close(CloseCode.SERVICE_RESTART, "reload")


def make_config(app: ASGIApp, **settings: Any) -> Config:
    """uvicorn's settings for `app`, with our protocols and no `server` header; `settings` are uvicorn's and win."""
    ours = {"interface": "asgi3", "http": HTTPProtocol, "ws": WebSocketProtocol, "server_header": False, "workers": 1}
    return Config(app, **{**ours, **settings})


class Server(uvicorn.Server):
    """uvicorn's server; `closing` is what open WebSockets are told when it stops, and may be set until then."""

    closing: Close = STOP

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in self.server_state.connections:
            if isinstance(connection, WebSocketProtocol):
                connection.shutdown_close = self.closing
        await super().shutdown(sockets)
