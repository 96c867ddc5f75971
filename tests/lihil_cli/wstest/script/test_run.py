"""A run over sockets, with servers that behave badly: bounded in time and memory, and nothing is left behind."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.script.occurrences import Open
from lihil_cli.wstest.script.parse import parse_script
from lihil_cli.wstest.script.run import Connection, Run
from tests.lihil_cli.wstest.conftest import Servers, accept
from tests.lihil_cli.wstest.script.conftest import Play


def test_open_connections_are_closed_when_the_script_has_ended(play: Play, servers: Servers) -> None:
    ended: list[int | None] = []

    async def greet(socket: ServerConnection) -> None:
        await socket.send("hi")
        await socket.wait_closed()
        ended.append(socket.close_code)

    assert play(servers.websocket(greet), "@target /\n< hi\n").code == ExitCode.OK
    servers.finish()
    assert ended == [1000]


def test_a_server_that_never_answers_a_close_does_not_hold_up_the_end(play: Play, servers: Servers) -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(b"\x81\x02hi")
        await reader.read()

    assert play(servers.raw(ignore), "@target /\n< hi\n").code == ExitCode.OK


def test_a_flood_that_nobody_asks_for_is_not_read_on(play: Play, servers: Servers) -> None:
    sent = 0
    sent_by_then: list[int] = []

    async def serve(socket: ServerConnection) -> None:
        nonlocal sent
        assert socket.request is not None
        if socket.request.path == "/calm":
            await socket.wait_closed()
            sent_by_then.append(sent)
            return
        while True:
            await socket.send("x" * 10_000)
            sent += 1
            await asyncio.sleep(0)

    told = play(
        servers.websocket(serve, compression=None), "@client loud /loud\n@client calm /calm\ncalm!< 500ms\nloud< /x/\n"
    )
    assert told.code == ExitCode.OK
    servers.finish()
    assert sent_by_then[0] < 5000  # an inbox of a thousand, and what fits into the buffers on the way


def test_a_message_that_nobody_reads_is_told(play: Play, servers: Servers) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await asyncio.Event().wait()

    big = "x" * 100_000
    told = play(servers.raw(stall), f"@target /\n@timeout 300ms\n@repeat 1000 {{ > {big} }}\n")
    assert told.code == ExitCode.FAILED
    assert told.lines[2] == "    could not be sent within 300 ms: the server does not read"


def test_a_client_that_closes_hears_the_answer(play: Play, servers: Servers) -> None:
    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()

    script = '@target /\n@client a\na> close 4001 "bye"\na< close 4001\n@connect a\na> close\na< close 1000\n'
    assert play(servers.websocket(wait), script).code == ExitCode.OK


def test_a_bug_in_a_connection_ends_the_run_with_it() -> None:
    async def break_down(action: Open) -> Connection:
        raise ZeroDivisionError

    async def run() -> None:
        await Run(parse_script("@client a /"), {}, break_down).hold()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
