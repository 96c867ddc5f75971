import asyncio
import io
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.echo import hold_echo
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.place.locate import Located
from lihil_cli.wstest.settings import Options, Settings
from lihil_cli.wstest.terminal import Streams
from tests.lihil_cli.wstest.conftest import Outcome, Servers, accept


def echoed(port: int, *, timeout_s: float | None = None) -> Outcome:
    err = io.BytesIO()
    target = Target(f"ws://127.0.0.1:{port}/")
    options = Options(ok_codes=frozenset({4000}), timeout_s=timeout_s)
    settings = Settings(target, Handshake(), options, Path(), place=Located(target, "as named"))
    code = hold_echo(settings, Streams(None, None, err))
    return Outcome(code, "", err.getvalue().decode())


@pytest.mark.parametrize(("code", "exit_code"), [(1000, 0), (4000, 0), (4001, 5)])
def test_every_message_comes_back_until_the_server_closes(servers: Servers, code: int, exit_code: int) -> None:
    back: list[str | bytes] = []

    async def ask(connection: ServerConnection) -> None:
        for payload in ("hi", b"\x00", "x" * 100_000):
            await connection.send(payload)
            back.append(await connection.recv())
        await connection.close(code)

    assert echoed(servers.websocket(ask)).code == exit_code
    assert back == ["hi", b"\x00", "x" * 100_000]


@pytest.mark.parametrize("is_open", [True, False])
def test_time_can_run_out(servers: Servers, is_open: bool) -> None:
    async def keep_waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_open:
            await accept(reader, writer)
        await reader.read()

    with pytest.raises(CliError, match=r"--timeout: 0\.1 s have passed") as caught:
        echoed(servers.raw(keep_waiting), timeout_s=0.1)
    assert caught.value.code == ExitCode.TIMEOUT


def test_what_came_before_a_broken_rule_is_still_answered(servers: Servers) -> None:
    back = bytearray()

    async def break_a_rule(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(b"\x81\x02hi\xf0\x00")  # a text, and a frame with reserved bits, in one write
        back.extend(await reader.read())

    outcome = echoed(servers.raw(break_a_rule))
    servers.finish()
    assert (outcome.code, outcome.err) == (5, "closed: 1002 (protocol error): a reserved bit is set\n")
    assert [back[0], back[8]] == [0x81, 0x88]


def test_a_refusal_and_a_server_that_is_not_there_are_told(servers: Servers) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(403, "no")

    async def silent(connection: ServerConnection) -> None: ...

    outcome = echoed(servers.websocket(silent, process_request=refuse))
    assert outcome.code == ExitCode.REFUSED
    assert "handshake refused: HTTP 403" in outcome.err
    with pytest.raises(CliError, match="connection refused"):
        echoed(1)
