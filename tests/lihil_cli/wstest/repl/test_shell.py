"""Whole sessions at the terminal against real servers: what the documentation shows, and what may go wrong."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from lihil_cli.wstest.script.parse import parse_script
from tests.lihil_cli.commands.serving import Running
from tests.lihil_cli.wstest.conftest import Servers
from tests.lihil_cli.wstest.repl.person import (
    PATIENCE_S,
    Person,
    Seen,
    Sit,
    ends_with_prompt,
    has_prompt,
    has_row,
    shows,
)

HELLO = """\
from lihil import Lihil, WebSocket, WebSocketRoute

greetings = WebSocketRoute("web_socket/{session_id}")

@greetings.ws_handler
async def ws_handler(ws: WebSocket, session_id: str, max_users: int) -> None:
    await ws.accept()
    await ws.send_text("Hello, world!")

app = Lihil(greetings)
"""
CHAT = """\
import msgspec
from lihil import Lihil, WebSocket, WebSocketRoute

class Say(msgspec.Struct, tag="say"):
    text: str

class Join(msgspec.Struct, tag="join"):
    room: str = "general"

class Said(msgspec.Struct, tag="said"):
    text: str
    version: int = 1

chat = WebSocketRoute("chat/{room}")

@chat.ws_handler
async def ws_handler(ws: WebSocket[Say | Join, Said], room: str) -> None:
    await ws.accept()
    async for message in ws:
        assert isinstance(message, Say)
        await ws.send(Said(message.text))

app = Lihil(chat)
"""

Serve = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve an app in `tmp_path` with `lihil run`."""
    started: list[Running] = []

    def start(source: str, *options: str) -> Running:
        (tmp_path / "main.py").write_text(source)
        (tmp_path / "pyproject.toml").touch()
        import os

        environ = {key: value for key, value in os.environ.items() if not key.startswith("LIHIL_")}
        started.append(Running(["run", "--port", "0", *options], tmp_path, environ))
        started[-1].wait_for("Ctrl-C stops it")
        return started[-1]

    yield start
    for server in started:
        server.process.terminate()
        server.ends()


def like(pattern: str) -> Seen:
    """Seen when a row is like the pattern; a time of day in it is written TIME, any other number N."""
    wanted = re.escape(pattern).replace("TIME", r"\d\d:\d\d:\d\d\.\d{3}").replace("N", r"[\d.,]+")
    return lambda rows: any(re.fullmatch(wanted, row) for row in rows)


def has_in_order(rows: list[str], patterns: list[str]) -> bool:
    rest = list(rows)
    for pattern in patterns:
        while rest and not like(pattern)(rest[:1]):
            rest.pop(0)
        if not rest:
            return False
        rest.pop(0)
    return True


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


# The documentation's sessions


def test_first_use(serve: Serve, sit: Sit) -> None:
    server = serve(HELLO, "--reload")
    person = sit(100, "/web_socket/session123", "max_users==5")
    assert person.end() == 0
    assert has_in_order(
        person.rows(),
        [
            f"→ ws://{server.address}/web_socket/session123?max_users=5   (dev server, pid N, main:app)",
            "✓ open in N ms · no subprotocol · deflate",
            "#1 TIME ‹ Hello, world!",
            "⚑ closed by server 1000 (normal closure) after N s · 1 in, 0 out",
        ],
    ), "\n".join(person.rows())


def test_a_typo_and_a_refused_handshake_say_why(serve: Serve, sit: Sit, tmp_path: Path) -> None:
    serve(HELLO, "--reload")
    person = sit(100, "/web_socket/session123", "max_users==abc", "--force")
    assert person.end() == 4
    deadline = time.monotonic() + PATIENCE_S
    while not (tmp_path / ".lihil" / "schema.json").exists():  # the server listens before it has written this
        assert time.monotonic() < deadline
        time.sleep(0.01)
    typo = sit(100, "/websocket/session123")
    assert typo.end() == 2
    told = "no WebSocket route matches /websocket/session123; did you mean /web_socket/{session_id}?max_users:int ?"
    assert shows(f"error: {told} (--force sends it anyway)")(typo.rows())
    rows = person.rows()
    assert like("✗ handshake refused: HTTP 422 Unprocessable ")(rows) or shows("handshake refused: HTTP 422")(rows)
    assert shows("query max_users")(rows)


def test_a_session_goes_on_across_a_reload(serve: Serve, sit: Sit, tmp_path: Path) -> None:
    server = serve(CHAT, "--reload")
    person = sit(100, "/chat/general")
    person.wait_for(has_prompt)
    person.say('{"type":"say","text":"hello"}', like('#1 TIME ‹ {"type":"said","text":"hello","version":1}'))
    person.type('{"type":"say",')
    person.wait_for(ends_with_prompt('{"type":"say",', 100))
    (tmp_path / "main.py").write_text(CHAT.replace("version: int = 1", "version: int = 2"))
    server.wait_for("generation 2")
    person.wait_for(like("⟳ server reloading (main.py changed) … reconnected in N s, generation 2"))
    person.wait_for(ends_with_prompt('{"type":"say",', 100))
    person.type("\r")
    person.wait_for(lambda rows: rows[-1] == "…")
    person.say('"text":"привет"}', like('#2 TIME +Ns ‹ {"type":"said","text":"привет","version":2}'))
    person.say("/ping 5", like("  rtt min N  avg N  max N ms"))
    person.say("/save tests/say.wst", like("  saved 5 steps"))
    person.wait_for_toolbar(r"─ ws /chat/general · #2 · rtt [\d.]+ ms · \^R history · \^D close ─")
    person.type("\x04")
    assert person.end() == 0
    assert has_in_order(person.rows(), ['› {"type":"say",', '… "text":"привет"}'])
    script = (tmp_path / "tests" / "say.wst").read_text()
    assert parse_script(script).steps
    assert '> {"type":"say","text":"hello"}' in script


def test_code_that_cannot_be_served_is_shown_and_the_mended_one_is_talked_to(
    serve: Serve, sit: Sit, tmp_path: Path
) -> None:
    serve(CHAT, "--reload")
    person = sit(100, "/chat/general")
    person.wait_for(has_prompt)
    person.type("half")
    (tmp_path / "main.py").write_text("def app(:\n")
    person.wait_for(shows("the new code cannot be served: SyntaxError: invalid syntax"))
    person.wait_for(ends_with_prompt("half", 100))
    (tmp_path / "main.py").write_text(CHAT)
    person.wait_for(shows("⟳ server reloading (main.py changed) … reconnected in "))
    person.wait_for(ends_with_prompt("half", 100))


def test_a_crash_of_the_handler_is_shown_with_its_place(serve: Serve, sit: Sit) -> None:
    serve(CHAT, "--reload")
    person = sit(100, "/chat/general")
    person.wait_for(has_prompt)
    person.say('{"type":"join"}', shows("/reconnect connects again"))
    rows = person.rows()
    assert shows("⚑ closed by server 1011 (internal error)")(rows)
    assert shows("handler ws_handler raised")(rows)
    assert like("  main.py:N in ws_handler")(rows)
    assert shows("| assert isinstance(message, Say)")(rows)
    assert shows("AssertionError   /trace for all frames")(rows)
    person.say("/trace", lambda rows: "".join(rows).count("main.py:") == 2)
    person.type("\x04")
    assert person.end() == 5


def test_a_dev_server_that_is_stopped_and_started_is_talked_to_again(serve: Serve, sit: Sit, tmp_path: Path) -> None:
    first = serve(CHAT, "--reload")
    person = sit(100, "/chat/general")
    person.wait_for(has_prompt)
    person.type("half")
    first.process.terminate()
    person.wait_for(shows("⚑ closed by server 1001 (going away)"))
    first.ends()
    serve(CHAT, "--reload")  # on another port
    person.wait_for(shows("⟳ reconnected after "))
    person.wait_for(ends_with_prompt("half", 100))


# What may go wrong


def test_a_server_that_is_not_there_yet_is_waited_for(serve: Serve, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    person = sit(100, "ws://127.0.0.1:1/x")
    person.wait_for(shows("✗ no server on 127.0.0.1:1 · start `lihil run`, or give --app main:app; retrying"))
    person.type("\x03")
    assert person.end() == 130


def test_ctrl_d_leaves_a_server_that_never_came(sit: Sit) -> None:
    person = sit(100, "ws://127.0.0.1:1/x")
    person.wait_for(has_prompt)
    person.wait_for(has_prompt)
    person.type("\x04")
    assert person.end() == 3


def test_a_server_that_comes_back_is_talked_to_again(servers: Servers, sit: Sit) -> None:
    calls: list[int] = []

    async def drop_first(connection: ServerConnection) -> None:
        calls.append(1)
        if len(calls) == 1:
            connection.transport.abort()
            return
        await echo(connection)

    person = sit(100, f":{servers.websocket(drop_first)}/", "-m", "hello")
    person.wait_for(shows("⚑ lost 1006 (the connection was lost without a close)"))
    person.wait_for(shows("⟳ reconnected after "))
    person.wait_for(has_row("‹ hello"))


@pytest.mark.parametrize("flag", ["TERM", "prompt_toolkit"])
def test_without_a_line_editor_lines_are_those_of_the_terminal(
    servers: Servers, sit: Sit, tmp_path: Path, flag: str
) -> None:
    environ = {"TERM": "dumb"} if flag == "TERM" else {"PYTHONPATH": str(tmp_path)}
    if flag == "prompt_toolkit":
        (tmp_path / "prompt_toolkit.py").write_text("raise ImportError\n")
    person = sit(100, f":{servers.websocket(echo)}/", **environ)
    person.wait_for(shows("open in"))
    if flag == "prompt_toolkit":
        person.wait_for(shows("lines are edited as the terminal does"))
    person.say("hello", has_row("‹ hello"))
    person.type('{"a":\r')
    person.type("1}\r")
    person.wait_for(has_row('‹ {"a":1}'))
    person.say("/quit", shows("closed 1000 (normal closure)"))
    assert person.end() == 0
    assert flag != "TERM" or b"\x1b" not in person.raw


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_json_has_colours_unless_they_are_not_wanted(
    servers: Servers, sit: Sit, environ: dict[str, str], coloured: bool
) -> None:
    person = sit(100, f":{servers.websocket(echo)}/", "-m", '{"key":1}', **environ)
    person.wait_for(has_row('‹ {"key":1}'))
    assert (b'\x1b[34m"key"\x1b[0m' in person.raw) is coloured


def test_a_terminal_without_unicode_gets_ascii(servers: Servers, sit: Sit) -> None:
    person = sit(100, f":{servers.websocket(echo)}/", "-m", "héllo", PYTHONIOENCODING="ascii", LC_ALL="C")
    person.wait_for(shows("< h\\xe9llo"))
    person.wait_for(lambda rows: ">" in rows)
    person.say("é你", has_row("< \\xe9\\u4f60"))
    assert person.raw.isascii()


def test_files_are_sent_and_written(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"from":"a file"}')
    unwritable = sit(100, f":{servers.websocket(echo)}/", "--record", "missing/x")
    person = sit(100, f":{servers.websocket(echo)}/", "--record", "kept.jsonl", "--binary")
    person.wait_for(has_prompt)
    person.say("/file m.json", has_row('‹ {"from":"a file"}'))
    person.say("/file m.json bin", shows("binary, 17 bytes, JSON"))
    person.say("/save record.jsonl", shows("saved 4 steps"))
    person.say("/replay record.jsonl max", shows("replay: 2 sent"))
    person.say("/file missing", shows("cannot read missing: No such file or directory"))
    person.say("/copy 1", shows("characters given to the terminal to be copied"))
    assert b"\x1b]52;c;eyJmcm9tIjoiYSBmaWxlIn0=\x07" in person.raw
    saved, kept = ((tmp_path / name).read_text().splitlines() for name in ("record.jsonl", "kept.jsonl"))
    assert [line.partition(",")[2] for line in kept[: len(saved)]] == [line.partition(",")[2] for line in saved]
    person.say("typed", shows("binary, 5 bytes"))
    person.type("\x04")
    assert person.end() == 0
    events = (tmp_path / "kept.jsonl").read_text().splitlines()[len(kept) :]
    assert [json.loads(event)["ev"] for event in events] == ["send", "recv", "close"]
    assert unwritable.end() == 2
    assert shows("--record missing/x cannot be written: No such file or directory")(unwritable.rows())


def test_a_client_can_misbehave_on_purpose(servers: Servers, sit: Sit) -> None:
    port = servers.websocket(echo, compression=None)
    person = sit(100, f":{port}/")
    person.wait_for(has_prompt)
    person.say("/frames on", shows("frames are shown"))
    person.say("/fragment 2 hello", has_row("‹ hello"))
    rows = person.rows()
    for frame in ("text masked 2 bytes", "continuation masked 2 bytes", "continuation fin masked 1 bytes"):
        assert f"  frame > {frame}" in rows
    person.say("/pong hi", has_row("  frame > pong fin masked 2 bytes"))
    person.say("/frames off", shows("frames are not shown"))
    person.say("/stall 100ms", shows("reading nothing for 0.1 s"))
    person.say("still here", has_row("‹ still here"))
    person.say("/drop", shows("dropped without a close: the server sees 1006"))
    person.say("/reconnect", lambda rows: "".join(rows).count("open in") == 2)
    person.say("/reconnect", lambda rows: "".join(rows).count("open in") == 3)
    person.say("/save x.wst", shows("saved 6 steps"))
    person.say("/raw ff ff", shows("closed"))
    assert person.end() == 5
    assert sit(100, "x.wst", "-p", str(port)).end() == 0


def test_several_connections_are_held_at_once(servers: Servers, sit: Sit, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=s3cret\nX=all\n")
    seen: list[str] = []

    async def name_and_echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = connection.request.headers
        seen.append(connection.request.path + headers.get("Token", "") + headers["X"])
        await echo(connection)

    port = servers.websocket(name_and_echo, subprotocols=["b"])
    person = sit(100, f":{port}/chat?user=ann", "X:${X}", "--subprotocol", "b")
    person.wait_for(has_prompt)
    person.say("/open bob ?user=bob", shows("✓ bob: open in"))
    person.wait_for(lambda rows: rows[-1] == "bob›")
    person.say("hi from bob", has_row("bob ‹ hi from bob"))
    person.say("@ws hi from ann", has_row("ws ‹ hi from ann"))
    person.say("/open eve other room=='a b' Token:${TOKEN}", shows("✓ eve: open in"))
    person.say("/connect other Token:${NONE}", shows("neither the environment nor .env has"))
    person.say("/save all.wst", shows("saved 4 steps"))
    person.say("/connect :1/x", shows("no server on 127.0.0.1:1"))
    person.type("\x04")
    assert person.end() == 3
    assert seen == ["/chat?user=annall", "/chat?user=boball", "/other?room=a%20bs3cretall"]
    assert (
        "@client eve /other?room=a%20b [Sec-WebSocket-Protocol: b] [X: ${X}] [Token: ${TOKEN}]\n"
        in (tmp_path / "all.wst").read_text()
    )


def test_a_target_that_is_none_is_told(servers: Servers, sit: Sit) -> None:
    person = sit(100, f":{servers.websocket(echo)}/", "-q")
    person.wait_for(has_prompt)
    assert person.rows() == ["›"]
    person.say("/open bob ftp://h/x", shows("'ftp' is no scheme of a WebSocket address"))
    person.say("hello", has_row("‹ hello"))


def test_a_server_that_does_not_answer_the_close_is_left_within_a_second(servers: Servers, sit: Sit) -> None:
    from tests.lihil_cli.wstest.conftest import accept

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await asyncio.sleep(3600)

    person = sit(100, f":{servers.raw(deaf)}/")
    person.wait_for(has_prompt)
    person.type("\x04")
    assert person.end() == 5
    assert shows("the server did not answer the close (1006)")(person.rows())


def test_a_flood_is_summed_up_while_typing_goes_on(servers: Servers, sit: Sit) -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.recv()
        for number in range(20_000):
            await connection.send(f'{{"type":"tick","number":{number}}}')
        await connection.send("the end")
        await echo(connection)

    person = sit(80, f":{servers.websocket(flood)}/")
    person.wait_for(has_prompt)
    person.type("go\r")
    person.type("typed meanwhile")
    person.wait_for(shows("messages in"))
    person.wait_for(lambda rows: any("#20001: " in row for row in rows))
    person.wait_for(ends_with_prompt("typed meanwhile", 80))
    person.say("", has_row("‹ typed meanwhile"))
    person.say("/show 15000", has_row('‹ {"type":"tick","number":14999}'))
    assert len(person.rows()) < 200
    status = Path(f"/proc/{person.process.pid}/status")
    if sys.platform == "linux":
        peak_kib = int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
        assert peak_kib <= 60 * 1024


def test_a_message_of_100_mib_is_folded(servers: Servers, sit: Sit) -> None:
    async def huge(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("x" * 100 * 2**20)
        await echo(connection)

    # What measures coverage has no part in the memory that is measured here.
    unmeasured = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    person: Person = sit(80, f":{servers.websocket(huge, compression=None)}/", "--max-size", "0", **unmeasured)
    person.wait_for(has_prompt)
    person.type("go\r")
    person.wait_for(shows("100.0 M characters in all · /show 1"))
    person.say("still here", has_row("‹ still here"))
    if sys.platform == "linux":
        status = Path(f"/proc/{person.process.pid}/status").read_text()
        assert int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) < (200 + 60) * 1024


def test_an_app_in_this_process_is_talked_to_without_a_server(sit: Sit, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "main.py").write_text(CHAT.replace("    async for", "    print('printed by the app')\n    async for"))
    person = sit(100, "ws_handler", "room==general", "--app", "main:app", "-v")
    person.wait_for(has_prompt)
    person.wait_for(like("  printed by the app"))
    person.say(
        "/connect /chats/general", shows("no WebSocket route matches /chats/general; did you mean /chat/{room} ?")
    )
    person.say('{"type":"say","text":"hello"}', like('#1 TIME ‹ {"type":"said","text":"hello","version":1}'))
    person.type("/new jo\t")
    person.wait_for(ends_with_prompt("/new join", 100))
    person.say("", ends_with_prompt('{"type":"join"}', 100))
    person.type("\r")
    person.wait_for(shows("handler ws_handler raised"))
    assert not shows("/trace")(person.rows())
    person.say("/reconnect", lambda rows: "".join(rows).count("✓ open in") == 2)
    person.say("/raw ff", shows("raw bytes need a server"))
    person.type("\x04")
    assert person.end() == 0
