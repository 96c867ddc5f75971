"""The same script means the same over a socket and in process: one app, every kind of step, every kind of failure."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.devfile import DevFile
from lihil_cli.errors import CliError
from lihil_cli.wstest.network.target import Target, resolve_target
from lihil_cli.wstest.script.files import Loaded, load_file
from lihil_cli.wstest.script.outcome import Outcome
from lihil_cli.wstest.script.servers import Enter, in_process, over_sockets
from lihil_cli.wstest.script.suite import Options, run_script
from tests.lihil_cli.commands.serving import Running
from tests.lihil_cli.wstest.conftest import Servers

APP = """\
import asyncio
import json

from lihil import Annotated, HTTPException, Lihil, Param, WebSocket, WebSocketRoute

chat = WebSocketRoute("chat/{room}")
members: list[WebSocket] = []


@chat.ws_handler
async def talk(ws: WebSocket, room: str, user: Annotated[str, Param("query", min_length=1)]) -> None:
    await ws.accept(subprotocol=ws.scope["subprotocols"][0] if ws.scope["subprotocols"] else None)
    members.append(ws)
    await ws.send_text(json.dumps({"type": "welcome", "room": room, "user": user}))
    try:
        while True:
            message = await ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                await ws.close(1003, "text only")
                return
            await answer(ws, message["text"])
    finally:
        members.remove(ws)


async def answer(ws: WebSocket, text: str) -> None:
    if text == "crash":
        raise RuntimeError("this handler breaks")
    if text == "teapot":
        raise HTTPException(418)
    if text == "bytes":
        await ws.send_bytes(b"\\x00\\x01\\xff")
    elif text == "headers":
        await ws.send_text(ws.headers.get("x-token", "none"))
    elif text == "big":
        await ws.send_text("x" * 100_000)
    elif text == "two":
        await ws.send_text("one")
        await ws.send_text("two")
    elif text == "wait":
        await asyncio.sleep(0.1)
        await ws.send_text("waited")
    elif text.startswith("all "):
        for member in members:
            await member.send_text(text)
    else:
        await ws.send_text(text)


shut = WebSocketRoute("shut")


@shut.ws_handler
async def refuse(ws: WebSocket) -> None:
    raise HTTPException(403, detail="members only")


broken = WebSocketRoute("broken")


@broken.ws_handler
async def fall(ws: WebSocket) -> None:
    raise RuntimeError("before it was accepted")


app = Lihil(chat, shut, broken)
"""

ONE = """\
@target /chat/{room} room="a b"
@timeout 3s
@client a ?user=ann
a< {"type":"welcome","room":"a b","user":<str:me>}
"""
TWO = ONE + '@client b ?user=bob [X-Token: t]\nb< {"user":"bob", ...}\n'

# Each ends at another place; what passes and what fails must do so alike.
SCRIPTS = {
    "an echo": ONE + "a> hi ${me}\na< hi ann",
    "json and numbers": ONE
    + 'a> {"n": [1, 2.5, null], "me": "${me}"}\na< {"n": [<int:n>, <float>, null], ...}\na> ${n}\na< 1',
    "binary": ONE + "a> bytes\na< hex: 00 01 ff",
    "a long message": ONE + "a> big\na< /^x{100000}$/",
    "several clients": TWO + "a> all hello\n@unordered { a< all hello b< all <str> }\na!< 50ms",
    "a header": TWO + "b> headers\nb< t\na> headers\na< none",
    "a subprotocol": "@client a /chat/x?user=u [Sec-WebSocket-Protocol: v2, v1]\na< {...}",
    "a close of the server": ONE + 'a> hex: 00\na< close 1003 "text only"',
    "a close of ours": ONE + 'a> close 4001 "done"\na< close 4001',
    "a close without a code": ONE + "a> close\na< close 1000",
    "one more connection": ONE + "a> close\na< close\n@connect a ?user=again\na< {...}",
    "rounds": ONE + "@repeat 40 { a> ping   a< ping }",
    "two for one": ONE + "a> two\n@unordered { a< two a< one }",
    "a refusal": '@connect a /chat/x?user= expect 422 {"title": "Invalid parameters", "status": 422, ...}',
    "a refusal of the app": '@connect a /shut expect 403 {"detail": "members only", ...}',
    "an unknown path": "@connect a /nowhere expect 404",
    "a handler that breaks early": "@connect a /broken expect 500",
    "HTTPException": ONE + "a> teapot\na< close 4418",
    # Failures
    "another text": ONE + "a> hi\na< ho",
    "another value": ONE + 'a> {"a": {"b": [1, 2]}}\na< {"a": {"b": [1, 3]}}',
    "text for binary": ONE + "a> hi\na< hex: 00",
    "binary for text": ONE + "a> bytes\na< bytes",
    "a crash": ONE + "a> crash\na< pong",
    "another code": ONE + "a> hex: 00\na< close 1000",
    "another reason": ONE + 'a> hex: 00\na< close 1003 "no"',
    "nothing": ONE + "@timeout 50ms\na< more",
    "not silent": ONE + "a> wait\na!< 2s",
    "not enough": ONE + "@timeout 50ms\na> hi\n@unordered { a< hi a< ho }",
    "none of them": ONE + "a> hi\n@unordered { a< he a< ho }",
    "too early": ONE + "a< close\n",
    "after the end": ONE + "a> hex: 00\na< close\na> hi",
    "refused": "@client a /chat/x?user=",
    "refused by the app": "@client a /shut",
    "broken early": "@client a /broken",
    "nowhere": "@client a /nowhere",
    "another status": "@connect a /nowhere expect 403",
    "another body": '@connect a /shut expect 403 {"detail": "no", ...}',
    "not refused": "@connect a /chat/x?user=u expect 403",
    "another name": ONE + "a> two\na< <str:x>\na< <str:x>",
}
FAILING = list(SCRIPTS).index("another text")


@dataclass(frozen=True)
class Both:
    """The app behind a socket, and the app in this process."""

    folder: Path
    sockets: Enter
    here: Enter


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "talking.py").write_text(APP)
    running = Running(["run", "talking:app", "--port", "0"], folder, dict(os.environ))
    try:
        address = running.address
        sockets = over_sockets(lambda text: resolve_target(text, None, base=f"http://{address}", port=None))
        yield Both(folder, sockets, in_process("talking:app", folder))
    finally:
        running.tell(signal.SIGINT)
        running.ends()


def load(folder: Path, text: str) -> Loaded:
    path = folder / "script.wst"
    path.write_text(text)
    return load_file(str(path), {})


def verdict_of(outcome: Outcome) -> tuple[object, ...]:
    """All that a report says, but for times and what only a server says in its headers."""
    failure = outcome.ending.failure
    if failure is None:
        return (outcome.ending.steps, list(outcome.transcript))
    heading = "got" if failure.heading.startswith("got (after ") else failure.heading
    body = [line for line in failure.got if not line.startswith("  server: ")]
    return (outcome.ending.steps, failure.line, failure.step, failure.wanted, heading, body)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_same_verdict_over_a_socket_and_in_process(name: str, both: Both) -> None:
    loaded = load(both.folder, SCRIPTS[name])
    over_socket = run_script(loaded, both.sockets, Options(environ={}))
    here = run_script(loaded, both.here, Options(environ={}))
    assert verdict_of(over_socket) == verdict_of(here)
    assert here.passed == (list(SCRIPTS).index(name) < FAILING)


def test_in_process_a_handler_that_broke_is_shown(both: Both) -> None:
    outcome = run_script(load(both.folder, ONE + "a> crash\na< pong"), both.here, Options(environ={}))
    assert list(outcome.trace) == [
        *("talking.py:30 in answer", '   30 |         raise RuntimeError("this handler breaks")'),
        "RuntimeError: this handler breaks",
    ]


def test_in_process_what_broke_before_the_handshake_is_shown_too(both: Both) -> None:
    outcome = run_script(load(both.folder, "@client a /broken"), both.here, Options(environ={}))
    assert outcome.trace[-1] == "RuntimeError: before it was accepted"


def test_of_an_address_with_a_server_only_the_path_counts_in_process(both: Both) -> None:
    script = load(both.folder, "@target ws://example.com:99/chat/x?user=u\n< {...}")
    assert run_script(script, both.here, Options(environ={})).passed


def test_an_app_that_cannot_be_found_is_told(both: Both) -> None:
    with pytest.raises(CliError, match="no module named 'absent'"):
        run_script(load(both.folder, "@client a /"), in_process("absent:app", both.folder), Options(environ={}))


def test_of_a_dev_server_it_is_asked_why_a_handler_broke(servers: Servers, tmp_path: Path) -> None:
    crash = {
        "handler": "talk",
        "exception": "KeyError: 'text'",
        "frames": [{"file": "chat.py", "line": 9, "function": "talk", "source": "say(message['text'])"}],
    }

    async def break_down(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011)

    def answer(socket: ServerConnection, request: Request) -> Response | None:
        if request.path != "/_lihil/errors/c7":
            return None
        allowed = request.headers.get("Authorization") == "Bearer secret"
        return socket.respond(200, json.dumps(crash)) if allowed else socket.respond(404, "")

    def name(socket: ServerConnection, request: Request, response: Response) -> None:
        response.headers["X-Lihil-Conn"] = "c7"

    port = servers.websocket(break_down, process_request=answer, process_response=name)
    script = load(tmp_path, "@client a /chat\na> hi\na< ho")
    dev = DevFile(os.getpid(), "127.0.0.1", port, False, None, "main:app", 1, "secret")

    def resolve(text: str) -> Target:
        return resolve_target(text, None, base=None, port=port)

    told = run_script(script, over_sockets(resolve, dev), Options(environ={}))
    assert told.trace == ("chat.py:9 in talk", "    9 | say(message['text'])", "KeyError: 'text'")
    assert run_script(script, over_sockets(resolve), Options(environ={})).trace == ()


def test_a_redirect_is_told(servers: Servers, tmp_path: Path) -> None:
    def redirect(socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/here":
            return None
        response = socket.respond(307, "")
        response.headers["Location"] = "/here"
        return response

    async def greet(socket: ServerConnection) -> None:
        await socket.send("hi")

    port = servers.websocket(greet, process_request=redirect)
    told: list[str] = []
    enter = over_sockets(lambda address: resolve_target(address, None, base=None, port=port), tell=told.append)
    path = tmp_path / "a.wst"
    path.write_text("@target /there\n< hi\n")
    assert run_script(load_file(str(path)), enter, Options(environ={})).passed
    assert told == [f"redirected to ws://127.0.0.1:{port}/here"]
