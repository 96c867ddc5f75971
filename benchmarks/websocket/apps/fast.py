from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel


class Msg(BaseModel):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


app = FastAPI()
rooms: dict = {}


@app.websocket("/echo")
async def echo(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect:
        pass


@app.websocket("/json")
async def js(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            m = Msg.model_validate_json(await ws.receive_text())
            await ws.send_text(m.model_dump_json())
    except WebSocketDisconnect:
        pass


@app.websocket("/room/{room}")
async def room_(ws: WebSocket, room: str):
    await ws.accept()
    r = rooms.setdefault(room, set())
    r.add(ws)
    try:
        while True:
            t = await ws.receive_text()
            for w in list(r):
                try:
                    await w.send_text(t)
                except Exception:
                    r.discard(w)
    except WebSocketDisconnect:
        pass
    finally:
        r.discard(ws)


async def opened(ws: WebSocket):
    await ws.accept()
    yield ws
    await ws.close()


@app.websocket("/web_socket/{session_id}")
async def hs(ws: Annotated[WebSocket, Depends(opened)], session_id: str, max_users: int):
    assert session_id == "session123"
    assert max_users == 5
    await ws.send_text("Hello, world!")


@app.get("/hello/{name}")
async def hello(name: str):
    return {"message": "Hello " + name}
