"""Our own lihil, as a user who has read its documentation writes it."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Annotated

import msgspec

from lihil import Broadcaster, Ignore, Lihil, Route, WebSocket, WebSocketDisconnect, WebSocketRoute, use


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


echo = WebSocketRoute("echo")
js = WebSocketRoute("json")
room = WebSocketRoute("room/{name}")
hs = WebSocketRoute("web_socket/{session_id}")
hello = Route("hello/{name}")
rooms: defaultdict[str, Broadcaster] = defaultdict(Broadcaster)


@echo.ws_handler
async def echo_handler(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect:
        pass


@js.ws_handler
async def json_handler(ws: WebSocket[Msg, Msg]):
    await ws.accept()
    async for message in ws:
        await ws.send(message)


@room.ws_handler
async def room_handler(ws: WebSocket, name: str):
    await ws.accept()
    members = rooms[name]
    members.add(ws)
    try:
        async for text in ws.iter_text():
            await members.send(text)
    finally:
        members.discard(ws)


async def opened(ws: Ignore[WebSocket]) -> Ignore[AsyncGenerator[WebSocket, None]]:
    await ws.accept()
    yield ws
    await ws.close()


@hs.ws_handler
async def hs_handler(ws: Annotated[WebSocket, use(opened, reuse=False)], session_id: str, max_users: int):
    assert session_id == "session123" and max_users == 5
    await ws.send_text("Hello, world!")


@hello.get
async def hello_handler(name: str) -> dict[str, str]:
    return {"message": "Hello " + name}


app = Lihil(echo, js, room, hs, hello)
