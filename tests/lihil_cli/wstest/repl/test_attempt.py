import asyncio
import socket

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.devfile import DevFile
from lihil_cli.errors import ExitCode
from lihil_cli.wstest.crash import Crash
from lihil_cli.wstest.network.connecting import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.repl.attempt import Attempt, Outgoing
from lihil_cli.wstest.repl.events import (
    Closed,
    Event,
    Failed,
    FrameSeen,
    Opened,
    Ponged,
    Received,
    Send,
    SendClose,
    SendPong,
    Told,
)
from tests.lihil_cli.wstest.conftest import Servers


def run(
    port: int, *outgoing: Outgoing, trace: bool = False, ping_interval_s: float | None = None, is_verbose: bool = False
) -> list[Event]:
    """What an attempt tells, from beginning to end."""
    events: list[Event] = []

    async def explain(answer: object, failure: BaseException | None) -> Crash | None:
        return Crash("handler", "ValueError: no") if isinstance(answer, object) and failure is None else None

    async def attempt() -> None:
        one = Attempt(
            "ws", Target(f"ws://127.0.0.1:{port}/x"), Handshake(), events.append, explain, is_verbose=is_verbose
        )
        one.trace(on=trace)
        for each in outgoing:
            one.put(each)
        record = DevFile(1, "127.0.0.1", port, False, None, "main:app", 3, "token", ("main.py",))
        await one.run(record, ping_interval_s)

    asyncio.run(asyncio.wait_for(attempt(), 20))
    return events


async def echo_two(connection: ServerConnection) -> None:
    for _ in range(2):
        await connection.send(await connection.recv())
    await connection.close(4000, "bye")


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def test_a_connection_is_told_from_its_handshake_to_its_end(servers: Servers) -> None:
    events = run(servers.websocket(echo_two), Send("ws", "hi"), Send("ws", b"abc", 2))
    opened, text, data, closed = events
    assert isinstance(opened, Opened)
    assert (opened.about.generation, opened.about.extensions) == (3, "deflate")
    assert isinstance(text, Received)
    assert isinstance(data, Received)
    assert (text.payload, data.payload) == ("hi", b"abc")
    assert closed == Closed("ws", 4000, "bye", "server")


def test_what_cannot_be_sent_is_told_and_the_rest_goes_on(servers: Servers) -> None:
    sent: list[Outgoing] = [Send("ws", "\ud800"), SendPong("ws", b"x"), Send("ws", "ok"), Send("ws", "more")]
    events = run(servers.websocket(echo_two), *sent)
    assert [type(event) for event in events] == [Opened, Told, Received, Received, Closed]


def test_frames_are_told_while_they_are_wanted(servers: Servers) -> None:
    events = run(servers.websocket(echo, compression=None), SendClose("ws", 1000), trace=True)
    assert [event.text for event in events if isinstance(event, FrameSeen)] == [
        "frame > close fin masked 2 bytes",
        "frame < close fin 2 bytes",
    ]


def test_a_ping_now_and_then_measures_the_way(servers: Servers) -> None:
    async def wait_for_pings(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close()

    port = servers.websocket(wait_for_pings)
    events = run(port, Send("ws", "go"), ping_interval_s=20.0)
    assert all(event.rtt_s > 0 for event in events if isinstance(event, Ponged))
    assert isinstance(events[-1], Closed)


def test_a_refusal_is_told_with_the_reason_of_the_app(servers: Servers) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(500, "broken\n")

    (failed,) = run(servers.websocket(echo, process_request=refuse))
    assert isinstance(failed, Failed)
    assert failed.code == ExitCode.REFUSED
    assert failed.lines[0] == "handshake refused: HTTP 500 Internal Server Error"
    assert "  ValueError: no" in failed.lines
    assert "content-length" not in "".join(failed.lines)
    (failed,) = run(servers.websocket(echo, process_request=refuse), is_verbose=True)
    assert isinstance(failed, Failed)
    assert "  content-length: " in "".join(failed.lines)


def test_a_server_that_is_not_there_is_told_as_absent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and no listen(): the port is refused, and nobody else can take it
        port = taken.getsockname()[1]
        (failed,) = run(port)
    text = f"no server on 127.0.0.1:{port} · start `lihil run`, or give --app main:app"
    assert failed == Failed("ws", (text,), ExitCode.CANNOT_CONNECT, absent=True, near=True)
