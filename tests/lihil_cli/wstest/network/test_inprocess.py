"""An app in this process behaves as over a socket: each app is tried both ways, and both have to come to the same."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from lihil.server.ws_protocol import WebSocketProtocol
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.connecting import Frame, open_connection
from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.handshake import (
    CannotConnectError,
    ConnectionEndedError,
    Handshake,
    Refusal,
    RefusedError,
)
from lihil_cli.wstest.network.inprocess import AppHost, load_target, open_app
from lihil_cli.wstest.network.target import Target

Outcome = tuple[str, list[str | bytes], object]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What is done stands in the path."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["greeting"] = "started"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    what = scope["path"]
    if what == "/refuse":
        await send({"type": "websocket.close", "code": 4001})
    elif what == "/deny":
        headers = [(b"x-why", b"because")]
        await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"no entry"})
    else:
        chosen = scope["subprotocols"][-1] if scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-accepted", b"1")]})
        await _talk(what, scope, receive, send)


async def _talk(what: str, scope: Any, receive: Any, send: Any) -> None:
    if what == "/greet":
        await send({"type": "websocket.send", "text": scope["state"]["greeting"]})
        await send({"type": "websocket.send", "bytes": scope["query_string"]})
        await send({"type": "websocket.close", "code": 4002, "reason": "bye"})
    elif what == "/headers":
        headers = dict(scope["headers"])
        shown = [headers[name].decode() for name in (b"x-token", b"origin", b"user-agent")]
        await send({"type": "websocket.send", "text": " ".join(shown)})
        await send({"type": "websocket.close"})
    elif what == "/crash":
        raise LookupError("no such room")
    elif what == "/large":
        await send({"type": "websocket.send", "text": "x" * 5000})
        await receive()
    else:
        while (message := await receive())["type"] == "websocket.receive":
            await send(message | {"type": "websocket.send"})


async def play(target: Target, handshake: Handshake, *says: str | bytes) -> Outcome:
    """Connect, say everything, take everything; close once all has been answered. What it came to."""
    try:
        connection = await open_connection(target, handshake, print)
    except RefusedError as error:
        refusal = error.refusal or Refusal("", 0, "", [], b"")
        why = [value for name, value in refusal.headers if name == "x-why"]
        return f"refused {refusal.status} {why}", [refusal.body], None
    opened = f"{connection.subprotocol} {connection.response.first('x-accepted')}"
    for say in says:
        await connection.send(say)
    taken: list[str | bytes] = []
    try:
        while True:
            taken.append(await connection.receive())
            if says and len(taken) == len(says):
                await connection.close(1000, "done")
    except ConnectionEndedError as end:
        return opened, taken, end.event
    finally:
        await connection.drop()


async def in_process(path: str, handshake: Handshake, *says: str | bytes) -> Outcome:
    host = AppHost(app, "main:app", Path())
    await host.start()
    outcome = await play(Target(f"ws://127.0.0.1:8000{path}", app=host), handshake, *says)
    await host.stop()
    return outcome


@contextmanager
def serving() -> Iterator[int]:
    config = uvicorn.Config(app, port=0, ws=WebSocketProtocol, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


HEADERS = Handshake((("X-Token", "abc"),), origin="http://127.0.0.1")


@pytest.mark.parametrize(
    ("path", "handshake", "says"),
    [
        ("/greet?a=1&b=%20", Handshake(), ()),
        ("/headers", HEADERS, ()),
        ("/echo", Handshake(), ("hi", b"\x00\xff", "")),
        ("/echo", Handshake(subprotocols=("a", "b")), ("hi",)),
        ("/refuse", Handshake(), ()),
        ("/deny", Handshake(), ()),
        ("/large", Handshake(max_bytes=4999), ()),
    ],
)
def test_an_app_does_the_same_in_this_process_as_over_a_socket(
    port: int, path: str, handshake: Handshake, says: tuple[str | bytes, ...]
) -> None:
    over_socket = asyncio.run(play(Target(f"ws://127.0.0.1:{port}{path}"), handshake, *says))
    here = asyncio.run(in_process(path, handshake, *says))
    assert here[0] == over_socket[0]
    assert here[2] == over_socket[2]
    if "refused 403" not in here[0]:  # whose body is the server's own
        assert here == over_socket


async def with_connection(path: str, handshake: Handshake | None = None) -> tuple[AppHost, Connection]:
    host = AppHost(app, "main:app", Path())
    await host.start()
    target = Target(f"ws://localhost{path}", app=host)
    return host, await open_connection(target, handshake or Handshake(), print)


def test_a_handler_that_crashes_leaves_its_own_exception() -> None:
    async def run() -> tuple[Closed, BaseException | None]:
        _, connection = await with_connection("/crash")
        with pytest.raises(ConnectionEndedError) as end:
            await connection.receive()
        with pytest.raises(ConnectionEndedError):
            await connection.receive()
        await connection.drop()
        return end.value.event, connection.failure

    event, failure = asyncio.run(run())
    assert event.code == 1011
    assert repr(failure) == "LookupError('no such room')"


def test_an_app_that_drops_its_client_while_it_waits_is_left_in_peace() -> None:
    async def run() -> BaseException | None:
        host, connection = await with_connection("/echo")
        await connection.drop()
        await host.stop()
        return connection.failure

    assert asyncio.run(run()) is None


def test_a_drop_that_is_cut_short_still_ends_the_handler() -> None:
    ended: list[str] = []

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("handler")

    async def run() -> None:
        host = AppHost(deaf, "main:deaf", Path())
        connection = await open_connection(Target("ws://localhost/", app=host), Handshake(), print)
        dropping = asyncio.create_task(connection.drop())
        await asyncio.sleep(0)
        dropping.cancel()
        await asyncio.wait([dropping])
        ended.append("drop")
        assert dropping.cancelled()

    asyncio.run(run())
    assert ended == ["handler", "drop"]


def test_what_has_no_meaning_without_a_wire_is_harmless_or_told() -> None:
    frames: list[Frame] = []

    async def run() -> list[str | bytes]:
        _, connection = await with_connection("/echo")
        connection.on_frame = frames.append
        assert await connection.ping() == 0.0
        await connection.pong(b"x")
        await connection.send_fragments("one message", 2)
        with pytest.raises(ValueError, match="need a server"):
            await connection.send_raw(b"x")
        connection.stall(0.01)
        taken = [await connection.receive()]
        await connection.close(4000, "bye")
        await connection.close(4000, "bye")
        await connection.send("too late")
        assert await connection.ping() is None
        with pytest.raises(ConnectionEndedError) as end:
            await connection.receive()
        assert end.value.event == Closed(4000, "bye", "client")
        await connection.drop()
        return taken

    assert asyncio.run(run()) == ["one message"]
    assert [(frame.is_outgoing, frame.name, frame.length) for frame in frames] == [
        (True, "text", 11),
        (False, "text", 11),
        (True, "close", 5),
    ]


def test_a_subprotocol_that_was_not_offered_is_a_refusal() -> None:
    async def chooses(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "other"})
        await receive()

    async def run() -> None:
        await AppHost(chooses, "main:app", Path()).connect(Target("ws://localhost/"), Handshake())

    with pytest.raises(RefusedError, match="main:app chose a subprotocol that was not offered: other"):
        asyncio.run(run())


def test_an_app_that_never_accepts_is_given_up_with_where_it_stands() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        host = AppHost(waits, "main:app", Path())
        await host.connect(Target("ws://localhost/"), Handshake(open_timeout_s=0.05))

    with pytest.raises(CannotConnectError, match=r"test_inprocess.py"):
        asyncio.run(run())


def test_a_crash_before_the_accept_is_a_refusal_with_the_exception() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("early")

    async def run() -> None:
        await AppHost(crashes, "main:app", Path()).connect(Target("ws://localhost/"), Handshake())

    with pytest.raises(RefusedError) as caught:
        asyncio.run(run())
    assert caught.value.refusal is not None
    assert (caught.value.refusal.status, repr(caught.value.failure)) == (500, "LookupError('early')")


# Opened from a project

APP = """\
import logging
print("imported")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {start}
        print("started")
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        {stop}
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    logging.getLogger("app").error("odd \\x1b[2J", exc_info=ValueError("x"))
"""


def project(folder: Path, name: str, *, start: str = "pass", stop: str = "pass") -> str:
    (folder / f"{name}.py").write_text(APP.format(start=start, stop=stop))
    return f"{name}:app"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("fresh")
def test_what_an_app_prints_never_meets_the_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = project(tmp_path, "talkative")

    async def run() -> str:
        async with open_app(name, tmp_path) as host:
            with pytest.raises(RefusedError):
                await host.connect(Target("ws://localhost/"), Handshake())
            return host.label

    assert asyncio.run(run()) == "talkative:app"
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "imported\nstarted\n"


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("phase", "code", "why"),
    [
        ("start", "raise OSError('no database')", "did not start\n  failing.py:7\n.*no database"),
        ("stop", "raise OSError('too late')", "did not shut down\n.*\n.*\n.*too late"),
        ("start", 'return await send({"type": "lifespan.startup.failed", "message": "no"})', "startup failed: no"),
        ("stop", 'return await send({"type": "lifespan.shutdown.failed", "message": "no"})', "shutdown failed: no"),
    ],
)
def test_an_app_whose_lifespan_fails_is_told_in_its_own_words(tmp_path: Path, phase: str, code: str, why: str) -> None:
    name = project(tmp_path, "failing", **{phase: code})

    async def run() -> None:
        async with open_app(name, tmp_path):
            pass

    with pytest.raises(CliError, match=f"(?s){why}"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("absent_app:app", ExitCode.USAGE),
        ("plain_app:nope", ExitCode.USAGE),
        ("plain_app:number", ExitCode.USAGE),
        ("plain_app:", ExitCode.USAGE),
        ("broken_app:app", ExitCode.FAILED),
    ],
)
def test_an_app_that_is_not_there_is_wrong_use_and_one_that_breaks_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: ExitCode
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plain_app.py").write_text("number = 1\n")
    (tmp_path / "broken_app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(CliError) as caught:
        load_target(name, tmp_path)
    sys.modules.pop("plain_app", None)
    assert caught.value.code == code
