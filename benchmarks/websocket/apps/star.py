import msgspec
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
rooms: dict = {}


async def echo(ws):
    await ws.accept()
    try:
        while True:
            await ws.send_text(await ws.receive_text())
    except WebSocketDisconnect:
        pass


async def js(ws):
    await ws.accept()
    try:
        while True:
            await ws.send_text(enc.encode(dec.decode(await ws.receive_text())).decode())
    except WebSocketDisconnect:
        pass


async def room(ws):
    await ws.accept()
    r = rooms.setdefault(ws.path_params["room"], set())
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


async def hs(ws):
    assert ws.path_params["session_id"] == "session123"
    assert int(ws.query_params["max_users"]) == 5
    await ws.accept()
    await ws.send_text("Hello, world!")
    await ws.close()


async def hello(req):
    return JSONResponse({"message": "Hello " + req.path_params["name"]})


app = Starlette(
    routes=[
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/json", js),
        WebSocketRoute("/room/{room}", room),
        WebSocketRoute("/web_socket/{session_id}", hs),
        Route("/hello/{name}", hello),
    ]
)
