"""Registry of servers under test. One entry = a command line with {port}; everything else has a default.

Contract every app follows (leave a workload out with `skip`):
  ws  /echo                               echoes text messages
  ws  /json                               decode, validate, encode: echo of {"id","user","text","tags","ts"}
  ws  /web_socket/session123?max_users=5  accept, "Hello, world!", close (typed path+query, one dependency)
  ws  /room/<name>                        any text received goes to everyone in the room, the sender included
  GET /hello/<name>                       {"message": "Hello <name>"}
Servers whose rooms need an envelope give room_path, join and publish.

Environment:
  BENCH_PYTHON             interpreter whose packages are measured (default: the one that runs the benchmark)
  BENCH_LIHIL              our program (default: `lihil` beside BENCH_PYTHON, or on PATH)
  BENCH_PEER_LIHIL_PYTHON  interpreter of a separate environment with the published lihil 0.2.41: it is
                           imported under the same name as ours, so both cannot live in one environment
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = os.path.join(HERE, "apps")
PY = os.environ.get("BENCH_PYTHON") or sys.executable
PEER_LIHIL_PY = os.environ.get("BENCH_PEER_LIHIL_PYTHON", "")


@dataclass
class Server:
    cmd: str
    skip: tuple[str, ...] = ()  # of: echo json hs fan mem http
    room_path: str = "/room/r1"
    join: str | None = None  # sent by every subscriber, must be answered
    publish: str | None = None  # what the publisher sends; must hold %TS%
    binary: bool = False  # the rooms take binary frames
    env: dict[str, str] = field(default_factory=dict)
    needs: str = ""  # an environment variable without which the server cannot run
    note: str = ""


def uvicorn(app: str, options: str = "", python: str = PY, **kw) -> Server:
    """An ASGI app on uvicorn: its defaults, no access log."""
    return Server(
        f"{shlex.quote(python)} -m uvicorn --app-dir {shlex.quote(APPS)} --host 127.0.0.1 --port {{port}} "
        f"--log-level warning --no-access-log {options} {app}",
        **kw,
    )


def granian(app: str, interface: str = "asgi") -> Server:
    return Server(
        f"{shlex.quote(PY)} -m granian --interface {interface} --host 127.0.0.1 --port {{port}} --workers 1 "
        f"--runtime-threads 1 --backlog 4096 --no-access-log --log-level warning --loop uvloop "
        f"--working-dir {shlex.quote(APPS)} {app}"
    )


def script(name: str, program: str = PY, **kw) -> Server:
    """A program in apps/ that takes the port as its argument."""
    return Server(f"{shlex.quote(program)} {shlex.quote(os.path.join(APPS, name))} {{port}}", **kw)


def lihil(app: str, **kw) -> Server:
    """Our own server, as quiet as the others."""
    beside = os.path.join(os.path.dirname(PY), "lihil")
    program = os.environ.get("BENCH_LIHIL") or (shlex.quote(beside) if os.path.exists(beside) else "lihil")
    return Server(
        f"{program} run {app} --host 127.0.0.1 --port {{port}} --log-level warning", env={"PYTHONPATH": APPS}, **kw
    )


SERVERS: dict[str, Server] = {
    # ours
    "lihil": lihil("ours:app"),
    "lihil-listener": lihil("ours_listener:app", skip=("hs", "fan", "http"), note="a call for each message"),
    "lihil-bare": lihil("bare:app", note="a bare ASGI callable on our server: what the framework costs"),
    "lihil-on-uvicorn": uvicorn("ours:app", note="our framework on stock uvicorn"),
    # the reference, and other servers under the same bare app
    "bare": uvicorn("bare:app", note="a bare ASGI callable on stock uvicorn: the ceiling for a framework there"),
    "bare-websockets": uvicorn("bare:app", "--ws websockets"),
    "bare-wsproto": uvicorn("bare:app", "--ws wsproto"),
    "bare-asyncio": uvicorn("bare:app", "--loop asyncio", note="no uvloop"),
    "bare-h11": uvicorn("bare:app", "--http h11"),
    "bare-nodeflate": uvicorn("bare:app", "--ws-per-message-deflate false"),
    "granian": granian("bare:app"),
    # frameworks
    "starlette": uvicorn("star:app"),
    "fastapi": uvicorn("fast:app"),
    "litestar": uvicorn("lite:app"),
    "blacksheep": uvicorn("bshp:app"),
    "lihil-0.2.41": uvicorn(
        "peer_lihil:app",
        python=PEER_LIHIL_PY or PY,
        needs="BENCH_PEER_LIHIL_PYTHON",
        room_path="/hub",
        binary=True,  # its hub cannot take text frames on uvicorn
        join='{"topic":"room:r1","event":"join","payload":{},"ref":"1"}',
        publish='{"topic":"room:r1","event":"chat","payload":{"text":"%TS%' + "x" * 160 + '"},"ref":"2"}',
    ),
    # servers of their own
    "aiohttp": script("aioh.py"),
    "picows": script("pico.py", skip=("http",), note="raw callbacks, no tasks: the limit in Python"),
    "websockets": script("wslib.py", skip=("http",), note="the websockets library's own server"),
    "socketify": script("sockt.py", skip=("hs",), note="uWebSockets (C++) through cffi"),
    "node-ws": script("node_ws.js", program="node", note="run `npm install` in this folder first"),
}
