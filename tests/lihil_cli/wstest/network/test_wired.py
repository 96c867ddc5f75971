"""An open connection: messages, frames, and the ways to misbehave. The server is the `websockets` library's, or raw."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.connecting import ConnectionEndedError, Frame, Handshake, open_connection
from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.target import Target
from tests.lihil_cli.wstest.conftest import Servers, accept

T = TypeVar("T")


def talk(port: int, work: Callable[[Connection], Awaitable[T]], handshake: Handshake | None = None) -> T:
    async def run() -> T:
        target = Target(f"ws://127.0.0.1:{port}/")
        connection = await open_connection(target, handshake or Handshake(close_timeout_s=0.2), print)
        try:
            return await work(connection)
        finally:
            await connection.drop()

    return asyncio.run(run())


async def echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def end_of(connection: Connection) -> Closed:
    try:
        while True:
            await connection.receive()
    except ConnectionEndedError as end:
        return end.event


@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("payload", ["", "мир", "x" * 70_000, b"", b"\x00\xff" * 300])
def test_messages_of_both_kinds_and_any_size_come_back(
    servers: Servers, payload: str | bytes, compression: bool
) -> None:
    async def work(connection: Connection) -> tuple[bool, str | bytes]:
        await connection.send(payload)
        return connection.is_compressed, await connection.receive()

    assert talk(servers.websocket(echo), work, Handshake(compression=compression)) == (compression, payload)


def test_the_answer_to_the_handshake_can_be_looked_at(servers: Servers) -> None:
    async def work(connection: Connection) -> tuple[int, str | None]:
        return connection.response.status, connection.response.first("upgrade")

    assert talk(servers.websocket(echo), work) == (101, "websocket")


@pytest.mark.parametrize("compression", [True, False])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_message_in_fragments_is_one_message_of_frames_of_that_size(
    servers: Servers, size: int, compression: bool
) -> None:
    frames: list[Frame] = []

    async def work(connection: Connection) -> list[str | bytes]:
        connection.on_frame = lambda frame: frames.append(frame) if frame.is_outgoing else None
        await connection.send_fragments("при" * 50, size)
        sent = len(frames)
        await connection.send_fragments(b"", size)
        del frames[sent:]
        return [await connection.receive(), await connection.receive()]

    assert talk(servers.websocket(echo), work, Handshake(compression=compression)) == ["при" * 50, b""]
    frames = [frame for frame in frames if frame.name in {"text", "continuation"}]
    assert {frame.length for frame in frames[:-1]} <= {size}
    assert 0 < frames[-1].length <= size
    assert [frame.rsv1 for frame in frames] == [compression, *[False] * (len(frames) - 1)]


def test_every_frame_of_both_directions_is_shown(servers: Servers) -> None:
    frames: list[Frame] = []

    async def greet_and_echo(connection: ServerConnection) -> None:
        await connection.send("hello")
        await echo(connection)

    async def work(connection: Connection) -> None:
        connection.on_frame = frames.append
        await connection.receive()
        await connection.send_fragments(b"abc", 2)
        await connection.receive()
        await connection.close(1000, "")
        await end_of(connection)

    talk(servers.websocket(greet_and_echo), work, Handshake(compression=False))
    assert [(frame.is_outgoing, frame.name, frame.fin, frame.length, frame.masked) for frame in frames] == [
        (False, "text", True, 5, False),
        (True, "binary", False, 2, True),
        (True, "continuation", True, 1, True),
        (False, "binary", True, 3, False),
        (True, "close", True, 2, True),
        (False, "close", True, 2, False),
    ]


def test_bytes_that_are_no_frame_make_the_server_close(servers: Servers) -> None:
    async def work(connection: Connection) -> Closed:
        await connection.send_raw(b"\x83\x80abcd")  # reserved opcode 3
        return await end_of(connection)

    assert talk(servers.websocket(echo), work).code == 1002


def test_who_stalls_reads_nothing_until_the_time_is_over(servers: Servers) -> None:
    async def work(connection: Connection) -> tuple[bool, bool]:
        connection.stall(0.3)
        await connection.send("hi")
        early, _ = await asyncio.wait([asyncio.ensure_future(connection.receive())], timeout=0.05)
        return bool(early), await connection.ping() is not None

    assert talk(servers.websocket(echo), work) == (False, True)


def test_a_pong_that_nobody_asked_for_is_no_trouble(servers: Servers) -> None:
    async def work(connection: Connection) -> str | bytes:
        await connection.pong(b"x")
        await connection.send("still here")
        return await connection.receive()

    assert talk(servers.websocket(echo), work) == "still here"


def test_a_ping_is_measured_although_nobody_receives(servers: Servers) -> None:
    async def work(connection: Connection) -> float | None:
        rtts = await asyncio.gather(connection.ping(), connection.ping())
        return min(rtt for rtt in rtts if rtt is not None)

    assert (talk(servers.websocket(echo), work) or 0) > 0


def test_a_server_that_is_asked_keeps_the_connection_alive(servers: Servers) -> None:
    pinged = asyncio.Event()

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        for _ in range(2):
            assert (await reader.readexactly(6))[0] == 0x89
        writer.write(b"\x81\x01x\x88\x00")
        pinged.set()
        await reader.read()

    async def work(connection: Connection) -> str | bytes:
        return await connection.receive()

    assert talk(servers.raw(count), work, Handshake(ping_interval_s=0.01)) == "x"


def test_a_flood_that_nobody_takes_is_held_back(servers: Servers) -> None:
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        with suppress(ConnectionClosed):
            for _ in range(3000):
                await connection.send("x" * 10_000)
                sent += 1

    async def work(connection: Connection) -> tuple[int, int]:
        await connection.receive()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        count = 1
        while count < 3000:
            await connection.receive()
            count += 1
        return before, count

    held_at, taken = talk(servers.websocket(flood, compression=None), work)
    assert held_at < 3000
    assert taken == 3000


def test_a_flood_of_pings_that_reads_no_pong_is_held_back(servers: Servers) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await accept(reader, writer)
        writer.write(b"\x81\x00")
        ping = (b"\x89\x7d" + b"x" * 125) * 1000
        for _ in range(1000):
            writer.write(ping)
            await writer.drain()
            sent += 1

    async def work(connection: Connection) -> int:
        await connection.receive()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        return before

    assert talk(servers.raw(flood), work) < 1000


@pytest.mark.parametrize(
    ("bytes_sent", "end"),
    [
        (b"\x81\x82abcdxx", Closed(1002, "a masked frame", "client")),
        (b"\x88\x02\x0f\xa1", Closed(4001, "", "server")),
        (b"\xc1\x02hi", Closed(1002, "a reserved bit is set", "client")),
    ],
)
def test_a_broken_rule_of_the_server_is_named(servers: Servers, bytes_sent: bytes, end: Closed) -> None:
    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(bytes_sent)
        await reader.read()

    assert talk(servers.raw(misbehave), end_of) == end
