import msgspec
from blacksheep import Application, WebSocket, WebSocketDisconnectError, get, ws


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
app = Application(show_error_details=False)
rooms: dict = {}


@ws("/echo")
async def echo(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnectError:
        pass


@ws("/json")
async def js(websocket: WebSocket):
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(enc.encode(dec.decode(await websocket.receive_text())).decode())
    except WebSocketDisconnectError:
        pass


@ws("/room/{room}")
async def room_(websocket: WebSocket, room: str):
    await websocket.accept()
    r = rooms.setdefault(room, set())
    r.add(websocket)
    try:
        while True:
            t = await websocket.receive_text()
            for w in list(r):
                try:
                    await w.send_text(t)
                except Exception:
                    r.discard(w)
    except WebSocketDisconnectError:
        pass
    finally:
        r.discard(websocket)


@ws("/web_socket/{session_id}")
async def hs(websocket: WebSocket, session_id: str, max_users: int):
    assert session_id == "session123"
    assert max_users == 5
    await websocket.accept()
    await websocket.send_text("Hello, world!")
    await websocket.close()


@get("/hello/{name}")
async def hello(name: str):
    return {"message": "Hello " + name}
