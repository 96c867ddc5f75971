"""A server with a short way, played by hand (lihil.asgi.DirectTransport)."""

from collections.abc import Callable
from typing import Any

from lihil.asgi import DIRECT, ASGIApp, Message
from tests.lihil.websocket.peer import Peer


class DirectPeer(Peer):
    """As Peer. `taken` is what went the short way; `is_behind` and `is_lost` say how it ends there."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        super().__init__(app, **options)
        self.scope["extensions"][DIRECT] = self
        self.taken: list[str | bytes] = []
        self.is_behind = False
        self.is_lost = False
        self.drains = 0

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        self.on_message = on_message
        self._changed.set()

    def send_now(self, payload: str | bytes) -> bool:
        if self.is_lost:
            raise OSError("the client has gone")
        self.taken.append(payload)
        return not self.is_behind

    async def send(self, message: Message) -> None:
        if self.is_lost and message["type"] == "websocket.send":
            raise OSError("the client has gone")
        await super().send(message)

    async def drained(self) -> None:
        self.drains += 1
