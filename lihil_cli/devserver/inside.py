"""What the dev server adds to an app: the failures of its WebSocket handlers, kept for who asks, and `/_lihil/`.

Nothing below `/_lihil/` answers without the token of dev.json, or to another machine: both get a 404, and nothing of it
exists without --reload.
"""

import hmac
import ipaddress
import json
from collections import OrderedDict
from collections.abc import Awaitable
from pathlib import Path

from lihil.asgi import (
    DIRECT,
    ERROR_HOOK,
    HTTP,
    HTTP_RESPONSE_BODY,
    HTTP_RESPONSE_START,
    WEBSOCKET,
    Receive,
    Scope,
    Send,
)
from lihil_cli.devserver.failure import frames_of
from lihil_cli.devserver.messages import Message
from lihil_cli.devserver.sockets import WatchedWebSocket
from lihil_cli.serving.lifespan import WatchedApp

PREFIX = "/_lihil/"
_KEPT = 256


class DevApp:
    """An ASGI app around the user's. `news` is what `/_lihil/dev` tells; the supervisor keeps it up to date."""

    def __init__(self, app: WatchedApp, root: Path, token: str) -> None:
        self.app = app
        self.news: Message = {}
        self._root = root
        self._token = f"Bearer {token}".encode()
        self._failures: OrderedDict[str, Message] = OrderedDict()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Not a coroutine function: what passes through here keeps its stack as short as without --reload.
        kind = scope["type"]
        if kind == HTTP and PREFIX in scope["path"]:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            if path.startswith(PREFIX):
                return self._answer(path, scope, send)
        if kind == WEBSOCKET:
            return self._watch(scope, receive, send)
        return self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        protocol = scope["extensions"].get(DIRECT)
        if not isinstance(protocol, WatchedWebSocket):
            await self.app(scope, receive, send)
            return
        connection = protocol.connection_id
        scope["extensions"][ERROR_HOOK] = lambda error: self._keep(connection, scope, error)
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self._keep(connection, scope, error)
            raise

    def _keep(self, connection: str, scope: Scope, error: Exception) -> None:
        frames = frames_of(error, self._root)
        self._failures[connection] = {
            "connection": connection,
            "route": scope["path"],
            "handler": frames[0]["function"] if frames else "",
            "exception": f"{type(error).__name__}: {error}",
            "frames": frames,
        }
        while len(self._failures) > _KEPT:
            self._failures.popitem(last=False)

    async def _answer(self, path: str, scope: Scope, send: Send) -> None:
        found = self._find(path) if self._may_ask(scope) else None
        body = json.dumps(found if found is not None else {"title": "Not Found", "status": 404}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": HTTP_RESPONSE_START, "status": 404 if found is None else 200, "headers": headers})
        await send({"type": HTTP_RESPONSE_BODY, "body": b"" if scope["method"] == "HEAD" else body})

    def _may_ask(self, scope: Scope) -> bool:
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        client = scope.get("client")
        is_near = not client or not client[0] or _is_loopback(client[0])  # a Unix socket's peers have no address
        return (
            is_near
            and scope["method"] in {"GET", "HEAD"}
            and len(shown) == 1
            and hmac.compare_digest(shown[0], self._token)
        )

    def _find(self, path: str) -> Message | None:
        name = path.removeprefix(PREFIX)
        if name == "dev":
            return self.news
        return self._failures.get(name.removeprefix("errors/")) if name.startswith("errors/") else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
