from collections.abc import AsyncGenerator

import msgspec
from litestar import Litestar, WebSocket, get, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.di import Provide
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import websocket_listener


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


@websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


@websocket_listener("/json")
async def js(data: Msg) -> Msg:
    return data


@websocket("/room/{room:str}")
async def room_(socket: WebSocket, channels: ChannelsPlugin, room: str) -> None:
    await socket.accept()
    try:
        async with channels.start_subscription([room]) as sub, sub.run_in_background(socket.send_text):
            while True:
                channels.publish(await socket.receive_text(), room)
    except WebSocketDisconnect:
        pass


async def opened(socket: WebSocket) -> AsyncGenerator[WebSocket, None]:
    await socket.accept()
    yield socket
    await socket.close()


@websocket("/web_socket/{session_id:str}", dependencies={"ws": Provide(opened)})
async def hs(socket: WebSocket, ws: WebSocket, session_id: str, max_users: int) -> None:
    assert session_id == "session123"
    assert max_users == 5
    await ws.send_text("Hello, world!")


@get("/hello/{name:str}")
async def hello(name: str) -> dict[str, str]:
    return {"message": "Hello " + name}


app = Litestar(
    [echo, js, room_, hs, hello],
    plugins=[ChannelsPlugin(backend=MemoryChannelsBackend(), arbitrary_channels_allowed=True)],
    openapi_config=None,
    logging_config=None,
)
