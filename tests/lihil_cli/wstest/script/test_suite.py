"""Scripts against real servers, up to the report and the exit code."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from websockets.asyncio.server import ServerConnection

from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.wstest.network.connecting import Handshake
from lihil_cli.wstest.network.target import resolve_target
from lihil_cli.wstest.script.files import load_file
from lihil_cli.wstest.script.servers import Server, over_sockets
from lihil_cli.wstest.script.suite import Options, Reports, run_script, run_scripts
from tests.lihil_cli.wstest.conftest import Servers
from tests.lihil_cli.wstest.script.conftest import Play

CHAT = """\
# chat.wst            lihil ws-test chat.wst [--app main:app | --url ...] [--junit out.xml]
@target /chat/{room}  room=general
@timeout 5s
@client alice ?user=alice
@client bob   ?user=bob    [Authorization: Bearer ${TOKEN}]

alice< {"type":"welcome","id":<int:aid>, ...}     # "..." = other keys allowed, <int:aid> captures
bob<   {"type":"welcome", ...}
alice> {"type":"say","text":"hi ${aid}"}
bob<   {"type":"said","from":<int:aid>,"text":/^hi/}
alice< {"type":"said", ...}
alice!< 50ms                                      # nothing may arrive
bob>   hex: 00 ff
bob<   close 1003 "text only"
@unordered { alice< {"type":"left",...}  }
@connect carol ?user=  expect 422 {"detail": ...} # a refused handshake is a normal expectation
@repeat 50 { alice> ping   alice< pong }
"""
LOUD = """\
@target /chat?user=x
< {"type":"welcome", ...}
> {"text":"HI 1"}
< {"type":"said","from":1,"text":/^hi/}
"""


def test_several_clients_say_and_hear_what_a_script_expects(play: Play, chat_port: int) -> None:
    told = play(chat_port, CHAT, options=Options(environ={"TOKEN": "t"}))
    assert told.code == ExitCode.OK
    assert told.lines[0].startswith("✓ 1.wst")
    assert " 112 steps " in told.lines[0]
    assert told.lines[1].startswith("1 passed in ")


def test_a_failure_shows_both_a_caret_and_what_went_on(play: Play, chat_port: int) -> None:
    told = play(chat_port, LOUD, "@target /chat?user=y\n< {...}\n")
    assert told.code == ExitCode.FAILED
    heading = told.lines.pop(2)
    assert heading.startswith("    got (after ")
    assert told.lines[:8] == [
        "✗ 1.wst:4  < expected",
        '      {"type":"said","from":1,"text":/^hi/}',
        '      {"type":"said","from":1,"text":"HI 1"}',
        "                                     ^^^^^^ text does not match /^hi/",
        "    so far",
        '      < {"type": "welcome", "id": 1, "user": "x"}',
        '      > {"text":"HI 1"}',
        '      < {"type":"said","from":1,"text":"HI 1"}',
    ]
    assert told.lines[8].startswith("✓ 2.wst")
    assert told.lines[9].startswith("1 failed, 1 passed in ")


def test_a_handler_that_breaks_is_an_end_that_was_not_expected(play: Play, chat_port: int) -> None:
    told = play(chat_port, "@target /chat?user=x\n< ...\n> crash\n< pong\n")
    assert told.code == ExitCode.FAILED
    assert told.lines[3:5] == ["      close 1011", "      ^^^^^^^^^^ the connection has ended: internal error"]


def test_a_refusal_that_was_not_expected_is_told_with_its_body(play: Play, chat_port: int) -> None:
    told = play(chat_port, "@target /nowhere\n< x\n")
    assert told.code == ExitCode.FAILED
    assert told.lines[:4] == [
        *("✗ 1.wst:2  the connection expected", "      an accepted handshake", "    got"),
        "      handshake refused: HTTP 404 Not Found",
    ]
    assert told.lines[-2].strip() == "no such path"


def test_an_answer_that_is_no_http_is_a_refusal(play: Play, servers: Servers) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-x\r\n\r\n")
        await writer.drain()

    told = play(servers.raw(babble), "@client a /\n")
    assert told.code == ExitCode.FAILED
    assert "gave no valid answer" in told.lines[3]


def test_a_server_that_is_not_there_has_its_own_exit_code(play: Play, servers: Servers) -> None:
    told = play(1, "@client a /\n", "@target /\n< x\n")
    assert told.code == ExitCode.CANNOT_CONNECT
    assert told.lines[:2] == ["✗ 1.wst:1  @client a", "    cannot connect to 127.0.0.1:1: connection refused"]
    assert told.lines[2] == "✗ 2.wst:2  the connection"


def test_every_script_has_the_headers_of_the_command_and_its_own(play: Play, servers: Servers) -> None:
    async def show(socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = socket.request.headers
        own = headers.get_all("X-Own")
        await socket.send(f"{headers['X-All']} {own} {headers['Origin']} {socket.subprotocol}")

    port = servers.websocket(show, subprotocols=["b"])
    own = "@client a / [X-Own: 1] [Origin: https://a.example] [Sec-WebSocket-Protocol: a, b]\n"
    own += "a< 0 ['1'] https://a.example b\n"
    everybody = Handshake(headers=(("X-All", "0"), ("x-own", "everybody's")))
    told = play(port, own, options=Options(environ={}, handshake=everybody))
    assert told.code == ExitCode.OK


def test_machines_get_junit_and_tap(play: Play, chat_port: int, tmp_path: Path) -> None:
    junit = tmp_path / "out.xml"
    told = play(
        chat_port,
        LOUD,
        "@target /chat?user=y\n< {...}\n",
        options=Options(environ={}, reports=Reports(junit, tap=True)),
    )
    assert told.code == ExitCode.FAILED
    assert told.lines[:3] == ["TAP version 14", "1..2", "not ok 1 - 1.wst"]
    assert told.lines[-1] == "ok 2 - 2.wst"
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"], len(suite)) == ("2", "1", 2)


def test_a_report_that_cannot_be_written_is_told_before_anything_runs(play: Play, tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No such file or directory") as caught:
        play(1, "@client a /\n", options=Options(environ={}, reports=Reports(tmp_path / "none" / "out.xml")))
    assert caught.value.code == ExitCode.USAGE


PATIENT = "@target /\n@timeout 1m\n< x\n"


def cases_of(junit: Path) -> list[tuple[str, str]]:
    """Each script's name, without its folder, and the message of its error."""
    cases = ElementTree.parse(junit).getroot()[0]
    return [(Path(case.attrib["name"]).name, case[0].attrib["message"] if len(case) else "") for case in cases]


def test_time_runs_out_for_all_scripts_together_and_the_report_says_so(
    play: Play, servers: Servers, tmp_path: Path
) -> None:
    async def greet_first(socket: ServerConnection) -> None:
        assert socket.request is not None
        await socket.send("hi" if socket.request.path == "/a" else "y")
        await socket.wait_closed()

    junit = tmp_path / "out.xml"
    options = Options(environ={}, timeout_s=0.5, reports=Reports(junit))
    with pytest.raises(CliError, match=r"not done within 0\.5 s: 1 of 3 scripts") as caught:
        play(
            servers.websocket(greet_first),
            *("@target /a\n< hi\n", "@target /b\n< y\n!< 1m\n", "@target /\n< x\n"),
            options=options,
        )
    assert caught.value.code == ExitCode.TIMEOUT
    why = "line 1: the script: not done within 0.5 s"
    assert cases_of(junit) == [("1.wst", ""), ("2.wst", why), ("3.wst", why)]


@pytest.mark.parametrize(
    ("number", "error", "why"),
    [
        (signal.SIGINT, KeyboardInterrupt, "line 1: the script: ended by Ctrl-C"),
        (signal.SIGTERM, Terminated, "line 1: the script: ended by SIGTERM"),
    ],
)
def test_a_signal_ends_it_and_the_report_says_so(
    play: Play, servers: Servers, tmp_path: Path, number: signal.Signals, error: type[BaseException], why: str
) -> None:
    async def interrupt(socket: ServerConnection) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, number)
        await socket.wait_closed()

    junit = tmp_path / "out.xml"
    with pytest.raises(error):
        play(servers.websocket(interrupt), PATIENT, options=Options(environ={}, reports=Reports(junit)))
    assert cases_of(junit) == [("1.wst", why)]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_a_server_that_cannot_be_entered_or_left_is_in_the_report(
    chat_port: int, tmp_path: Path, phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = over_sockets(lambda address: resolve_target(address, None, base=None, port=chat_port))

    @asynccontextmanager
    async def server() -> AsyncIterator[Server]:
        if phase == "startup":
            raise CliError("it does not start")
        async with inner() as sockets:
            yield sockets
        raise LookupError("it does not stop")

    path = tmp_path / "a.wst"
    path.write_text("@target /chat?user=x\n< {...}\n")
    junit = tmp_path / "out.xml"
    with pytest.raises((CliError, LookupError)):
        run_scripts([load_file(str(path))], server, Options(environ={}, reports=Reports(junit)), sys.stdout)
    not_started = [("a.wst", "line 1: the script: it does not start")]
    not_stopped = [("a.wst", ""), ("the end", "line 1: the script: LookupError: it does not stop")]
    assert cases_of(junit) == (not_started if phase == "startup" else not_stopped)
    assert ("1 not ended in " in capsys.readouterr().out) == (phase == "shutdown")


def test_who_is_quiet_gets_the_exit_code_alone(play: Play, chat_port: int) -> None:
    told = play(chat_port, LOUD, options=Options(environ={}, reports=Reports(is_quiet=True)))
    assert (told.code, told.lines) == (ExitCode.FAILED, [])


def test_a_page_that_knows_few_characters_still_gets_the_report(play: Play, servers: Servers) -> None:
    async def greet(socket: ServerConnection) -> None:
        await socket.send("привет")

    told = play(servers.websocket(greet), "@target /\n< hi\n", encoding="ascii")
    assert told.code == ExitCode.FAILED
    assert told.lines[0] == "FAILED 1.wst:2  < expected"
    assert "\\u043f" in told.lines[3]


def test_nothing_that_a_server_sends_reaches_the_page_raw(play: Play, servers: Servers) -> None:
    async def greet(socket: ServerConnection) -> None:
        await socket.send("\x1b[2J\u202e\r\n✓ forged.wst")

    told = play(servers.websocket(greet), "@target /\n< hi\n")
    assert all(line.isprintable() for line in told.lines)
    assert not any(line.startswith("✓") for line in told.lines)


def test_what_scripts_talk_to_is_entered_once_for_all_of_them(chat_port: int, tmp_path: Path) -> None:
    entered: list[str] = []
    inner = over_sockets(lambda address: resolve_target(address, None, base=None, port=chat_port))

    @asynccontextmanager
    async def server() -> AsyncIterator[Server]:
        entered.append("in")
        async with inner() as sockets:
            yield sockets
        entered.append("out")

    path = tmp_path / "a.wst"
    path.write_text("@target /chat?user=x\n< {...}\n")
    outcome = run_script(load_file(str(path)), server, Options(environ={}))
    assert outcome.passed
    assert entered == ["in", "out"]
