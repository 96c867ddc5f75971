"""A server's side of the lifespan protocol, played by hand."""

import asyncio
from typing import Any

from lihil import Lihil
from lihil.asgi import Message
from tests.lihil.websocket.peer import run


class LifespanPeer:
    """A server's side of the lifespan protocol, by hand."""

    def __init__(self, app: Lihil, **scope: Any) -> None:
        self.scope: dict[str, Any] = {"type": "lifespan", "state": {}, **scope}
        self.sent: list[Message] = []
        self.app = app
        self._orders: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()

    async def start(self) -> Message:
        self.task = asyncio.ensure_future(self.app(self.scope, self._orders.get, self._send))
        return await self._order("startup")

    async def stop(self) -> Message:
        answer = await self._order("shutdown")
        await self.task
        return answer

    async def _order(self, what: str) -> Message:
        self._answered.clear()
        self._orders.put_nowait({"type": f"lifespan.{what}"})
        await self._answered.wait()
        return self.sent[-1]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._answered.set()


def last_word(message: Message) -> str:
    return str(message["type"].partition(".")[2])


def fails_to_start(app: Lihil, **scope: Any) -> str:
    """The text of a failed start; the call itself ends well, and nothing more is sent."""

    async def main() -> tuple[str, str]:
        server = LifespanPeer(app, **scope)
        answer = await server.start()
        await server.task
        assert len(server.sent) == 1
        return last_word(answer), answer["message"]

    word, text = run(main())
    assert word == "startup.failed"
    return text
