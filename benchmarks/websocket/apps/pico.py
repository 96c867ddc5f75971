import sys
from urllib.parse import parse_qs, urlsplit

import msgspec
import uvloop
from picows import (
    WSListener,
    WSMsgType,
    WSUpgradeRequest,
    ws_create_server,
)


class Msg(msgspec.Struct):
    id: int
    user: str
    text: str
    tags: list[str]
    ts: float


dec = msgspec.json.Decoder(Msg)
enc = msgspec.json.Encoder()
rooms: dict = {}


class Base(WSListener):
    def on_ws_frame(self, transport, frame):
        t = frame.msg_type
        if t == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif t == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        else:
            self.data(transport, frame)


class Echo(Base):
    def data(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


class Js(Base):
    def data(self, transport, frame):
        transport.send(WSMsgType.TEXT, enc.encode(dec.decode(frame.get_payload_as_memoryview())))


class Room(Base):
    def __init__(self, path):
        self.r = rooms.setdefault(path, set())

    def on_ws_connected(self, transport):
        self.r.add(transport)

    def on_ws_disconnected(self, transport):
        self.r.discard(transport)

    def data(self, transport, frame):
        b = frame.get_payload_as_bytes()
        for w in self.r:
            w.send(WSMsgType.TEXT, b)


class Hs(WSListener):
    def on_ws_connected(self, transport):
        transport.send(WSMsgType.TEXT, b"Hello, world!")
        transport.send_close(1000, b"")

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def factory(req: WSUpgradeRequest):
    p = req.path.decode()
    if p == "/echo":
        return Echo()
    if p == "/json":
        return Js()
    if p.startswith("/room/"):
        return Room(p)
    u = urlsplit(p)
    assert u.path.rsplit("/", 1)[1] == "session123"
    assert int(parse_qs(u.query)["max_users"][0]) == 5
    return Hs()


async def main():
    srv = await ws_create_server(factory, "127.0.0.1", int(sys.argv[1]))
    await srv.serve_forever()


uvloop.run(main())
