import sys
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
rooms: dict = {}


async def handler(ws):
    p = ws.request.path
    try:
        if p == "/echo":
            async for m in ws:
                await ws.send(m)
        elif p == "/json":
            async for m in ws:
                await ws.send(enc.encode(dec.decode(m)).decode())
        elif p.startswith("/room/"):
            r = rooms.setdefault(p, set())
            r.add(ws)
            try:
                async for m in ws:
                    broadcast(r, m)
            finally:
                r.discard(ws)
        else:
            u = urlsplit(p)
            assert u.path.rsplit("/", 1)[1] == "session123"
            assert int(parse_qs(u.query)["max_users"][0]) == 5
            await ws.send("Hello, world!")
            await ws.close()
    except ConnectionClosed:
        pass


async def main():
    async with serve(handler, "127.0.0.1", int(sys.argv[1])) as s:
        await s.serve_forever()


uvloop.run(main())
