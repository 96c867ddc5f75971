"""gunicorn's worker with the protocol classes of this room: `gunicorn -k lihil.server.gunicorn.Worker main:app`.

Needs gunicorn and uvicorn-worker, which lihil does not bring along.
"""

from typing import Any

from uvicorn_worker import UvicornWorker

from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol


class Worker(UvicornWorker):
    """One of gunicorn's processes: uvicorn with our protocols and no `server` header; the rest is set as ever."""

    CONFIG_KWARGS: dict[str, Any] = {
        "http": HTTPProtocol,
        "ws": WebSocketProtocol,
        "server_header": False,
    }
