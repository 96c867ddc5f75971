"""The session's WebSocket: its path, its connection, its handler."""

import logging

from lihil import Annotated, AsyncResource, Ignore, WebSocket, WebSocketRoute, use

logger = logging.getLogger(__name__)

ws_route = WebSocketRoute("web_socket/{session_id}")


async def ws_factory(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
    """Open the connection before the handler runs, and close it when the handler is done."""
    await ws.accept()
    yield ws
    await ws.close()


@ws_route.ws_handler
async def ws_handler(
    ws: Annotated[WebSocket, use(ws_factory, reuse=False)],
    session_id: str,  # from the path
    max_users: int,  # from the query; a value that is no number refuses the handshake
) -> None:
    """Greet whoever connects."""
    logger.info("session %r is open to %d users", session_id, max_users)
    await ws.send_text("Hello, world!")
