import asyncio
import io
import re
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.examine import list_routes, route_lines, show_handshake
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.place.locate import Located
from lihil_cli.wstest.place.schema import Param, Route, Schema
from lihil_cli.wstest.settings import Options, Settings
from lihil_cli.wstest.terminal import Streams
from tests.lihil_cli.wstest.conftest import Outcome, Servers
from tests.lihil_cli.wstest.test_opening import at_dev_server

SECRETS = Handshake((("Authorization", "Bearer s3cret"), ("X-Session", "s3cret"), ("X-Odd", "1")))


async def silent(connection: ServerConnection) -> None:
    """Say nothing, and close."""


def shown(port: int, *, is_verbose: bool = False, timeout_s: float | None = None) -> Outcome:
    out, err = io.BytesIO(), io.BytesIO()
    target = Target(f"ws://127.0.0.1:{port}/chat?token=s3cret&n=1")
    settings = Settings(target, SECRETS, Options(timeout_s=timeout_s), Path(), is_verbose=is_verbose)
    settings = settings.but(place=Located(target, "as named"))
    code = show_handshake(settings, Streams(None, out, err))
    return Outcome(code, out.getvalue().decode(), err.getvalue().decode())


def test_a_handshake_is_shown_in_both_directions_without_its_secrets(servers: Servers) -> None:
    outcome = shown(servers.websocket(silent))
    assert (outcome.code, outcome.err) == (0, "the handshake with /chat succeeded\n")
    lines = outcome.out.splitlines()
    assert lines[0] == "> GET /chat?token=***&n=1 HTTP/1.1"
    assert "s3cret" not in outcome.out
    assert any(re.match("> sec-websocket-key: [^*]", line, re.IGNORECASE) for line in lines)
    assert "> Authorization: ***" in lines
    assert "> X-Odd: 1" in lines
    assert "< HTTP/1.1 101 Switching Protocols" in lines
    assert any(re.match("< sec-websocket-accept: .", line) for line in lines)


def test_secrets_are_shown_to_who_asks_for_more(servers: Servers) -> None:
    outcome = shown(servers.websocket(silent), is_verbose=True)
    assert "> Authorization: Bearer s3cret\n" in outcome.out
    assert outcome.err.startswith("-> ws://127.0.0.1")


def test_a_refused_handshake_is_shown_with_its_body(servers: Servers) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(401, '{"who": "you"}')

    outcome = shown(servers.websocket(silent, process_request=refuse))
    assert (outcome.code, outcome.err) == (ExitCode.REFUSED, "handshake refused: HTTP 401 Unauthorized\n")
    assert outcome.out.splitlines()[-3:] == ["{", '  "who": "you"', "}"]


def test_time_can_run_out(servers: Servers) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(CliError, match=r"--timeout: 0\.1 s have passed") as caught:
        shown(servers.raw(say_nothing), timeout_s=0.1)
    assert caught.value.code == ExitCode.TIMEOUT


def test_where_nothing_answers_there_is_nothing_to_show() -> None:
    with pytest.raises(CliError, match="connection refused"):
        shown(1)


def test_routes_are_listed_with_what_they_take_and_an_example(tmp_path: Path) -> None:
    out = io.BytesIO()
    assert list_routes(at_dev_server(tmp_path, "/"), Streams(None, out, None)) == 0
    text = out.getvalue().decode()
    assert text.startswith(
        "/web_socket/{session_id}\n  path   session_id: str\n  query  max_users: int\n"
        "  lihil ws-test /web_socket/session_id max_users==1\n"
    )
    assert "/health" not in text


def test_the_types_of_messages_and_the_defaults_are_told() -> None:
    params = (Param("a", "query", "int", False, "3"), Param("b", "query", "int", False))
    route = Route("websocket", "/x", "", "main:f", "Talk.", params, receives="Join", sends="Said")
    assert route_lines(Schema("main:app", (route,))) == [
        "/x  Talk.",
        "  query  a: int = 3",
        "  query  b: int?",
        "  sends    Said",
        "  takes    Join",
        "  lihil ws-test /x",
    ]
    assert route_lines(Schema("main:app", ())) == ["main:app has no WebSocket route"]
