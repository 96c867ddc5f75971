"""Bare ASGI callable: the ceiling for any framework on the same server."""

import json
import re
from urllib.parse import parse_qs

import msgspec


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
rooms: dict = {}
HS = re.compile(r"^/web_socket/([^/]+)$")


async def app(scope, receive, send):
    t = scope["type"]
    if t == "websocket":
        path = scope["path"]
        await receive()
        if path == "/echo":
            await send({"type": "websocket.accept"})
            while True:
                m = await receive()
                if m["type"] != "websocket.receive":
                    return
                await send({"type": "websocket.send", "text": m["text"]})
        elif path == "/json":
            await send({"type": "websocket.accept"})
            while True:
                m = await receive()
                if m["type"] != "websocket.receive":
                    return
                await send({"type": "websocket.send", "text": enc.encode(dec.decode(m["text"])).decode()})
        elif path.startswith("/room/"):
            await send({"type": "websocket.accept"})
            room = rooms.setdefault(path, set())
            room.add(send)
            try:
                while True:
                    m = await receive()
                    if m["type"] != "websocket.receive":
                        return
                    out = {"type": "websocket.send", "text": m["text"]}
                    for s in list(room):
                        try:
                            await s(out)
                        except Exception:
                            room.discard(s)
            finally:
                room.discard(send)
        else:
            sid = HS.match(path).group(1)
            mx = int(parse_qs(scope["query_string"].decode())["max_users"][0])
            assert sid == "session123"
            assert mx == 5
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "Hello, world!"})
            await send({"type": "websocket.close", "code": 1000})
    elif t == "http":
        name = scope["path"].rsplit("/", 1)[1]
        body = json.dumps({"message": "Hello " + name}).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})
    elif t == "lifespan":
        while True:
            m = await receive()
            if m["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return
