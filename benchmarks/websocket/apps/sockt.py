import json
import sys

from socketify import App, CompressOptions, OpCode

app = App()


def echo_msg(ws, message, opcode):
    ws.send(message, opcode)


app.ws(
    "/echo",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 16 * 1024 * 1024,
        "idle_timeout": 60,
        "message": echo_msg,
    },
)
app.ws(
    "/json",
    {
        "compression": CompressOptions.DISABLED,
        "idle_timeout": 60,
        "message": lambda ws, m, op: ws.send(json.dumps(json.loads(m)), OpCode.TEXT),
    },
)


def room_open(ws):
    ws.subscribe("room")


def room_msg(ws, message, opcode):
    app.publish("room", message, opcode)


app.ws(
    "/room/:room",
    {
        "compression": CompressOptions.DISABLED,
        "idle_timeout": 60,
        "max_backpressure": 64 * 1024 * 1024,
        "open": room_open,
        "message": room_msg,
    },
)


def hs_open(ws):
    ws.send("Hello, world!", OpCode.TEXT)
    ws.end(1000)


app.ws("/web_socket/:session_id", {"compression": CompressOptions.DISABLED, "idle_timeout": 60, "open": hs_open})
app.get("/hello/:name", lambda res, req: res.end({"message": "Hello " + req.get_parameter(0)}))
app.listen({"port": int(sys.argv[1]), "host": "127.0.0.1"}, lambda c: None)
app.run()
