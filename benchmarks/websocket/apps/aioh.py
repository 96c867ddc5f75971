import sys

import msgspec
import uvloop
from aiohttp import web


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
rooms: dict = {}


async def echo(req):
    ws = web.WebSocketResponse()
    await ws.prepare(req)
    async for m in ws:
        await ws.send_str(m.data)
    return ws


async def js(req):
    ws = web.WebSocketResponse()
    await ws.prepare(req)
    async for m in ws:
        await ws.send_str(enc.encode(dec.decode(m.data)).decode())
    return ws


async def room_(req):
    ws = web.WebSocketResponse()
    await ws.prepare(req)
    r = rooms.setdefault(req.match_info["room"], set())
    r.add(ws)
    try:
        async for m in ws:
            for w in list(r):
                try:
                    await w.send_str(m.data)
                except Exception:
                    r.discard(w)
    finally:
        r.discard(ws)
    return ws


async def hs(req):
    assert req.match_info["session_id"] == "session123"
    assert int(req.query["max_users"]) == 5
    ws = web.WebSocketResponse()
    await ws.prepare(req)
    await ws.send_str("Hello, world!")
    await ws.close()
    return ws


async def hello(req):
    return web.json_response({"message": "Hello " + req.match_info["name"]})


app = web.Application()
app.add_routes(
    [
        web.get("/echo", echo),
        web.get("/json", js),
        web.get("/room/{room}", room_),
        web.get("/web_socket/{session_id}", hs),
        web.get("/hello/{name}", hello),
    ]
)
uvloop.install()
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
