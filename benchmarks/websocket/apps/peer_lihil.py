"""The published lihil 0.2.41 (PyPI), in an environment of its own: see BENCH_PEER_LIHIL_PYTHON."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from lihil.socket import InMemorySocketBus, SocketBus

from lihil import ChannelBase, Ignore, Lihil, Route, SocketHub, Topic, WebSocket, WebSocketRoute, use
from lihil.vendors import WebSocketDisconnect


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
echo = WebSocketRoute("echo")
js = WebSocketRoute("json")
hs = WebSocketRoute("web_socket/{session_id}")
# with the default bus_factory every connection gets its own bus and a publish reaches only its sender
BUS = InMemorySocketBus()


def get_bus() -> SocketBus:
    return BUS


hub = SocketHub("hub", bus_factory=get_bus)
hello = Route("hello/{name}")


@echo.endpoint
async def _echo(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect:
        pass


@js.endpoint
async def _js(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text(enc.encode(dec.decode(await ws.receive_text())).decode())
    except WebSocketDisconnect:
        pass


async def ws_factory(ws: Ignore[WebSocket]) -> Ignore[AsyncGenerator[WebSocket, None]]:
    await ws.accept()
    yield ws
    await ws.close()


@hs.endpoint
async def _hs(ws: Annotated[WebSocket, use(ws_factory, reuse=False)], session_id: str, max_users: int):
    assert session_id == "session123"
    assert max_users == 5
    await ws.send_text("Hello, world!")


class Room(ChannelBase):
    topic = Topic("room:{room_id}")

    async def on_chat(self, payload: Any) -> None:
        await self.publish(payload, event="chat")


hub.channel(Room)


@hello.get
async def _hello(name: str) -> dict[str, str]:
    return {"message": "Hello " + name}


app = Lihil(hello, echo, js, hs, hub)
