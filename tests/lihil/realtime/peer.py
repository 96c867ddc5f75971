"""The other end of a room's WebSockets, in memory."""

import asyncio
from collections.abc import Callable
from typing import Any

from lihil import Broadcaster, WebSocket
from lihil.asgi import DIRECT, WS_SEND, Message, Scope
from lihil.rfc6455.connection import Connection, Role


class Transport:
    """A `DirectTransport` in memory that is as far behind as the test says."""

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self.frames: list[bytes] = []
        self.has_gone = False
        self._takes_one = False
        self._can_write = asyncio.Event()
        self._can_write.set()

    async def receive(self) -> Message:
        return await self._peer.receive()

    async def send(self, message: Message) -> None:
        await self._peer.send(message)

    def stall(self) -> None:
        self._can_write.clear()

    def catch_up(self) -> None:
        self._takes_one = False
        self._can_write.set()

    def take_one(self) -> None:
        self._takes_one = True
        self._can_write.set()

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        raise NotImplementedError

    def send_now(self, payload: str | bytes) -> bool:
        raise NotImplementedError

    def write_prepared(self, frame: bytes) -> bool:
        if self.has_gone:
            raise OSError
        if not self._can_write.is_set():
            return False
        self.frames.append(frame)
        if self._takes_one:
            self.stall()
        return True

    async def drained(self) -> None:
        await self._can_write.wait()

    def messages(self) -> list[Any]:
        return Connection(Role.CLIENT).receive(b"".join(self.frames))


class Peer:
    """A WebSocket in memory; `transport` is None where the server has no short way."""

    def __init__(self, *, is_direct: bool = True) -> None:
        self.transport = Transport(self) if is_direct else None
        self.sent: list[Message] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.error: Exception | None = None
        extensions = {DIRECT: self.transport} if is_direct else {}
        scope: Scope = {"type": "websocket", "path": "/", "headers": [], "extensions": extensions}
        server = self.transport or self  # as with our server, whose short way is the object behind receive and send
        self.ws = WebSocket(scope, server.receive, server.send)

    async def receive(self) -> Message:
        return {"type": "websocket.connect"}

    async def send(self, message: Message) -> None:
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    def stall(self) -> None:
        self.may_send.clear()
        if self.transport is not None:
            self.transport.stall()

    def catch_up(self) -> None:
        self.may_send.set()
        if self.transport is not None:
            self.transport.catch_up()

    def got(self) -> list[Any]:
        if self.transport is not None:
            return self.transport.messages()
        return [message.get("text", message.get("bytes")) for message in self.sent if message["type"] == WS_SEND]

    def closes(self) -> list[int]:
        return [message["code"] for message in self.sent if message["type"] == "websocket.close"]


class Hasty(Broadcaster):
    stall_s = 0.02
    patience_s = 0.1


async def join(room: Broadcaster, *, is_direct: bool = True) -> Peer:
    peer = Peer(is_direct=is_direct)
    await peer.ws.accept()
    room.add(peer.ws)
    return peer


def nothing_runs() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}
