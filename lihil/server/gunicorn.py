"""gunicorn's worker with the protocol classes of this room: `gunicorn -k lihil.server.gunicorn.Worker main:app`.

Needs gunicorn and uvicorn-worker: `pip install lihil[gunicorn]`.
"""

from typing import Any, Final

import uvicorn_worker  # type: ignore[import-untyped]

from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol

_SETTINGS: Final[dict[str, Any]] = {"http": HTTPProtocol, "ws": WebSocketProtocol, "server_header": False}

# Made by a call, because the class it derives from comes from a package without types.
Worker: type = type("Worker", (uvicorn_worker.UvicornWorker,), {"CONFIG_KWARGS": _SETTINGS})
"""One of gunicorn's processes: uvicorn with our protocols and no `server` header; the rest is set as ever."""
