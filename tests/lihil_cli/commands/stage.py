"""An app for tests of production: what it does is in the path, and what it is asked for it tells of itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.lihil_cli.commands.serving import DEADLINE_S

STAGE = """\
import asyncio, os, sys, time

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"x-pid", str(os.getpid()).encode())]}

async def lifespan(receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            if os.environ.get("STAGE_SHUTDOWN") == "endless":
                await asyncio.sleep(3600)
            print(f"shut down {os.getpid()}", flush=True)
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return

async def talk(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "open"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})

async def answer(scope, send, body):
    await send(HEAD)
    await send({"type": "http.response.body", "body": body.encode()})

async def begin(send):
    await send(HEAD)
    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["type"] == "websocket":
        return await talk(receive, send)
    match scope["path"].rpartition("/")[2]:
        case "short":
            await begin(send)
            await asyncio.sleep(0.5)
            await send({"type": "http.response.body", "body": b"and done"})
        case "slow":
            await begin(send)
            await asyncio.sleep(3600)
        case "events":
            await begin(send)
            while True:
                await send({"type": "http.response.body", "body": b"data: x\\n\\n", "more_body": True})
                await asyncio.sleep(0.05)
        case "much":
            await begin(send)
            while True:
                await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        case "stubborn":
            await begin(send)
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    pass
        case "block":
            await begin(send)
            await asyncio.sleep(0)
            time.sleep(3600)
        case "thread":
            await begin(send)
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
        case "die":
            os._exit(9)
        case "client":
            await answer(scope, send, f"{scope['client'] and scope['client'][0]} {scope['scheme']}")
        case "paths":
            await answer(scope, send, f"{scope['root_path']} {scope['path']}")
        case "variable":
            await answer(scope, send, os.environ.get("STAGE", "") + " " + os.environ.get("STAGE_TOO", ""))
        case _:
            await answer(scope, send, str(os.getpid()))
"""


@contextmanager
def begun(address: str, path: str) -> Iterator[socket.socket]:
    """A GET whose handler is known to have begun; what else comes is not read."""
    host, _, port = address.rpartition(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(DEADLINE_S)
        client.connect((host, int(port)))
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        seen = b""
        while b"begun " not in seen:
            more = client.recv(16)
            assert more, seen
            seen += more
        yield client


def rest(client: socket.socket) -> bytes:
    """All that comes up to the connection's end, by reset or not."""
    received = b""
    with suppress(ConnectionResetError):
        while data := client.recv(65_536):
            received += data
    return received


def get_over(path: Path, target: str = "/", **fields: str) -> str:
    """The body of an answer over a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        connection = HTTPConnection("x")
        connection.sock = client
        connection.request("GET", target, headers={name.replace("_", "-"): value for name, value in fields.items()})
        with connection.getresponse() as answer:
            return answer.read().decode()
