import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from lihil_cli import main
from lihil_cli.commands.ws_test import ws_test
from lihil_cli.devfile import DevFile, write_dev_file
from lihil_cli.wstest.call import Given

COMMAND = [sys.executable, "-m", "lihil_cli", "ws-test"]
# What must not be loaded before a message is shown: each costs as much as the connection itself, or needlessly some.
HEAVY = {"rich", "httpx", "starlette", "uvicorn", "msgspec", "pydantic", "watchfiles", "prompt_toolkit", "tempfile"}
HEAVY |= {"email", "http", "importlib.metadata", "tomllib", "urllib.request", "zipfile", "encodings.idna"}
OTHERS = {"lihil.routing", "lihil_cli.settings", "lihil_cli.loader", "lihil_cli.commands.run", "lihil_cli.commands.new"}
OTHERS |= {f"lihil_cli.wstest.{name}" for name in ("crash", "devserver", "refusal", "script", "place.schema")}
OF_A_PIPE = {"lihil_cli.wstest.conversation", "lihil_cli.wstest.session", "lihil_cli.wstest.reporting"}
OF_A_TERMINAL = {"lihil_cli.wstest.repl", "lihil_cli.wstest.repl.commands", "lihil_cli.wstest.repl.prompt"}
PROBLEM = (
    b'{"title": "Invalid parameters", "detail": "1 parameter is wrong", "errors": [{"type": "missing",'
    b' "location": "query", "param": "max_users", "message": "a value is required"}]}'
)


def answer(connection: ServerConnection) -> None:
    """The greeting of a new project below /web_socket, headers below /headers, an echo anywhere else."""
    request = connection.request
    assert request is not None
    if request.path.startswith("/close/"):
        connection.close(int(request.path.removeprefix("/close/")))
    if request.path == "/abort":
        connection.socket.shutdown(socket.SHUT_RDWR)
    if request.path.startswith("/web_socket"):
        connection.send("Hello, world!")
    elif request.path == "/headers":
        connection.send(f"{request.headers['X-Token']} {request.headers['Origin']} {connection.subprotocol}")
    elif request.path == "/binary":
        connection.send(b"\x00\xff")
    elif request.path == "/flood":
        while True:
            connection.send("x" * 1000)
    else:
        for message in connection:
            connection.send(message)


def check(connection: ServerConnection, request: Request) -> Response | None:
    if request.path.endswith("max_users=none"):
        response = connection.respond(422, PROBLEM.decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/problem+json"
        return response
    return None


def choose(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[-1] if offered else None


@contextmanager
def serving() -> Iterator[int]:
    server = serve(answer, "127.0.0.1", 0, process_request=check, select_subprotocol=choose)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


def run(*arguments: str, stdin: bytes = b"", folder: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, cwd=folder, check=False)


def test_the_greeting_of_a_new_project_is_printed(port: int) -> None:
    done = run("/web_socket/session123?max_users=5", "-p", str(port))
    assert (done.returncode, done.stdout) == (0, b"Hello, world!\n")
    assert done.stderr == b"closed by the server: 1000 (normal closure)\n"


def test_the_running_server_is_found_from_a_folder_below_the_project(port: int, tmp_path: Path) -> None:
    record = DevFile(os.getpid(), "127.0.0.1", port, False, None, "main:app", 1, "token")
    write_dev_file(tmp_path, record)
    (tmp_path / "src").mkdir()
    done = run("web_socket/session123?max_users=5", folder=tmp_path / "src")
    assert (done.returncode, done.stdout) == (0, b"Hello, world!\n")


def test_an_echo_in_a_pipe_is_exactly_what_went_in(port: int) -> None:
    done = run("/echo", "--url", f"http://127.0.0.1:{port}", "--linger", "2", stdin=b"hi\n")
    assert (done.returncode, done.stdout) == (0, b"hi\n")


def test_messages_are_sent_and_counted(port: int) -> None:
    done = run(f":{port}/echo", "-m", "a", "-m", "b", "-n", "2")
    assert (done.returncode, done.stdout) == (0, b"a\nb\n")


def test_a_binary_message_is_hexadecimal_digits(port: int) -> None:
    assert run(f"127.0.0.1:{port}/binary").stdout == b"00ff\n"


def test_the_handshake_carries_the_options(port: int) -> None:
    origin = "https://example.com"
    done = run(
        *(f"ws://127.0.0.1:{port}/headers", "-H", "X-Token: abc", "--origin", origin),
        *("--subprotocol", "a", "--subprotocol", "b"),
    )
    assert done.stdout == b"abc https://example.com b\n"


def test_a_refusal_names_every_bad_parameter(port: int) -> None:
    done = run("/web_socket/session123?max_users=none", "-p", str(port))
    assert (done.returncode, done.stdout) == (4, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("handshake refused: HTTP 422")
    assert lines[-2:] == [
        "  Invalid parameters: 1 parameter is wrong",
        "  - query max_users: a value is required (missing)",
    ]


def test_a_limit_on_size_ends_the_connection_badly(port: int) -> None:
    done = run("/web_socket/a", "-p", str(port), "--max-size", "5")
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"1009" in done.stderr


def test_a_timeout_has_an_exit_code_of_its_own(port: int) -> None:
    read, write = os.pipe()
    try:
        command = [*COMMAND, f":{port}/echo", "--timeout", "0.5"]
        done = subprocess.run(command, stdin=read, capture_output=True, check=False)
    finally:
        os.close(read)
        os.close(write)
    assert (done.returncode, done.stderr) == (6, b"--timeout: 0.5 s have passed\n")


def test_no_server_is_one_line_that_says_what_to_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and no listen(): the port is refused, and nobody else can take it
        done = run("/echo", "-p", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"connection refused; start the server with `lihil run`" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ftp://host/x",),
        ("/x#y",),
        ("/x", "-p", "0"),
        ("/x", "-p", "1", "--url", "ws://h"),
        ("/x", "-H", "nonsense"),
        ("/x", "-H", "authorization: x", "--auth", "u:p"),
        ("/x", "Authorization:x", "--bearer", "t"),
        ("/x", "-H", "Cookie: a=b", "--cookie", "c=d"),
        ("/x", "--subprotocol", "a b"),
        ("/x", "--origin", "a\nb"),
        ("/x", "-n", "0"),
        ("/x", "--timeout", "soon"),
        (),
        (":1/x", "nonsense"),
        (":1/x", "--json", "--raw"),
        (":1/x", "-o", "xml"),
        (":1/x", "-o", "jsonl", "--hex"),
        (":1/x", "--in", "csv"),
        (":1/x", "-0", "--in", "jsonl"),
        (":1/x", "--key", "k.pem"),
        (":1/x", "--echo", "--handshake"),
        (":1/x", "--proxy", "p", "--no-proxy"),
        (":1/x", "-q", "-v"),
        ("",),
        (" ", "-m", "hi"),
        (":1/x", "--junit", "out.xml"),
        (":1/x", "--handshake", "--tap"),
        (":1/x", "--speed", "2x"),
        ("a.wst", "--record", "r.jsonl"),
        ("a.wst", "-o", "jsonl"),
        ("a.wst", "-m", "hi"),
        ("a.wst", "-n", "1"),
        ("a.wst", "--routes"),
        (":1/x", "--handshake", "--reconnect"),
        (":1/x", "--echo", "--expect", "hi"),
        (":1/x", "--echo", "-0"),
        ("--routes", "--timeout", "1"),
        (":1/x", "-m", "\udcff"),
        (":1/\udcff",),
        (":1/x", "a==\udcff"),
        (":1/x", "--expect", "\udcff"),
        (":1/x", "--expect", "/(/"),
        (":1/x", "-f", "/absent"),
        (":1/x", "--replay", "/absent"),
        (":1/x", "--replay", "/dev/null", "--speed", "fast"),
        (":1/x", "--app", "main:app"),
    ],
)
def test_wrong_use_is_told_without_a_traceback(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["ws-test", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert "Traceback" not in told.err


def test_an_option_that_would_be_passed_over_is_named_with_what_it_does_not_go_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main.run(["ws-test", "a.wst", "-m", "hi"])
    main.run(["ws-test", ":1/x", "--echo", "--in", "nul"])
    main.run(["ws-test", ":1/x", "--tap"])
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")] == [
        "error: -m has no meaning with .wst scripts",
        "error: --in has no meaning with --echo",
        "error: --tap has no meaning without a .wst script",
    ]


def test_a_reader_that_leaves_ends_it_quietly(port: int) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, f":{port}/flood"], stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert os.read(read, 4) == b"xxxx"
    os.close(read)
    _, err = process.communicate()
    assert (process.returncode, err) == (141, b"")


def test_a_working_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main.run(["ws-test", "/x"]) == 2
    assert capsys.readouterr().err.startswith("error: the working folder is gone")


# Ends with the first message that is written, and tells what has been loaded by then.
SHOWN = """
import io, sys
before = set(sys.modules)
class Watched(io.FileIO):
    def write(self, data):
        if b"Hello, world!" in bytes(data):
            print(*sorted(set(sys.modules) - before), file=sys.stderr, flush=True)
        return super().write(data)
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Watched(1, "w", closefd=False)))
from lihil_cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def loaded_when_shown(port: int, stdin: int, stdout: int) -> set[str]:
    """The modules that the command had loaded when it showed its first message."""
    command = [sys.executable, "-c", SHOWN, "ws-test", f"127.0.0.1:{port}/web_socket/a"]
    environ = {**os.environ, "TERM": "dumb"}  # no line editor, which may come before the message where that is late
    done = subprocess.run(
        command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environ, text=True, check=True
    )
    return set(done.stderr.splitlines()[0].split())


def test_nothing_heavy_is_loaded_before_a_message_is_shown(port: int) -> None:
    loaded = loaded_when_shown(port, subprocess.DEVNULL, subprocess.DEVNULL)
    assert loaded & (HEAVY | OTHERS | OF_A_TERMINAL) == set()
    assert loaded >= OF_A_PIPE
    assert {name for name in loaded if name.startswith("websockets.")} <= {"websockets.speedups"}


def test_nothing_heavy_is_loaded_before_a_message_is_shown_on_a_terminal(port: int) -> None:
    leader, follower = os.openpty()
    try:
        loaded = loaded_when_shown(port, follower, follower)
    finally:
        os.close(follower)
        os.close(leader)
    assert loaded & (HEAVY | OTHERS | OF_A_PIPE | OF_A_TERMINAL) == {"lihil_cli.wstest.repl"}


APP = """\
import logging
from lihil import Lihil, WebSocket, WebSocketRoute

rooms = WebSocketRoute("rooms/{name}")

@rooms.ws_handler
async def talk(ws: WebSocket, name: str, size: int) -> None:
    await ws.accept()
    print("printed by the app")
    logging.getLogger("app").warning("logged by the app")
    await ws.send_text(f"{name} {size}")
    assert size < 10, "too large a room"
    await ws.close()

app = Lihil(rooms)
"""


def test_an_app_is_talked_to_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    done = run("rooms/blue", "size==5", "--app", "main:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"blue 5\n")
    assert done.stderr.decode().splitlines() == [
        "printed by the app",
        "warning: logged by the app",
        "closed by the server: 1000 (normal closure)",
    ]


@pytest.mark.parametrize("more", [(), ("--handshake",)])
def test_the_timeout_bounds_the_app_s_startup_too(tmp_path: Path, more: tuple[str, ...]) -> None:
    (tmp_path / "main.py").write_text("import asyncio\nasync def app(*_): await asyncio.Event().wait()\n")
    done = run("/x", "--app", "main:app", "--timeout", "0.3", *more, folder=tmp_path)
    assert (done.returncode, done.stderr) == (6, b"error: --timeout: 0.3 s have passed\n")


def test_a_handler_that_crashed_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    done = run("rooms/blue", "size==50", "--app", "main:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (5, b"blue 50\n")
    assert done.stderr.decode().splitlines()[-4:] == [
        "  main.py:12 in talk",
        '     12 |     assert size < 10, "too large a room"',
        "  AssertionError: too large a room",
        "closed by the server: 1011 (internal error): Internal Server Error",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("room/blue", "size==5"), "no WebSocket route matches /room/blue; did you mean /rooms/{name}?size:int ?"),
        (("rooms/blue",), "query size is missing: int"),
        (("rooms/blue", "size==many"), "query size: expected int, got 'many'"),
    ],
)
def test_what_the_app_would_not_take_is_wrong_use_unless_forced(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    (tmp_path / "main.py").write_text(APP)
    done = run(*arguments, "--app", "main:app", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"error: {why} (--force sends it anyway)\n"
    assert run(*arguments, "--app", "main:app", "--force", folder=tmp_path).returncode == 4


def test_the_routes_of_an_app_are_listed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    done = run("--routes", "--app", "main:app", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "  lihil ws-test /rooms/name size==1"


@pytest.mark.parametrize(
    ("arguments", "code", "last_line"),
    [
        (("/close/1000",), 0, "closed by the server: 1000 (normal closure)"),
        (("/close/1001",), 0, "closed by the server: 1001 (going away)"),
        (("/close/4001", "--ok-close", "4001"), 0, "closed by the server: 4001 (private to the application)"),
        (("/echo", "-m", "a", "--expect", "a"), 0, "closed: 1000 (normal closure)"),
        (("/echo", "-m", "a", "--until", "/a/"), 0, "closed: 1000 (normal closure)"),
        (
            ("/echo", "-m", "a", "--expect", "b", "--linger", "0.2"),
            1,
            "closed: 1000 (normal closure); no message was b, as expected",
        ),
        (("/close/1012",), 5, "closed by the server: 1012 (service restart)"),
        (("/close/4001",), 5, "closed by the server: 4001 (private to the application)"),
        (("/abort",), 5, "1006 (the connection was lost without a close)"),
        (("/echo", "--listen", "--timeout", "0.3"), 6, "--timeout: 0.3 s have passed"),
    ],
)
def test_the_exit_code_and_the_last_line_say_how_it_ended(
    port: int, arguments: tuple[str, ...], code: int, last_line: str
) -> None:
    done = run(*arguments, "-p", str(port))
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (code, last_line)


@pytest.mark.parametrize("arguments", [("/close/4001",), ("/web_socket/a?max_users=none",), ("ws://127.0.0.1:1/",)])
def test_quiet_is_quiet_whatever_happens(port: int, arguments: tuple[str, ...]) -> None:
    named = () if arguments[0].startswith("ws:") else ("-p", str(port))
    done = run(*arguments, *named, "-q")
    assert (done.returncode in {3, 4, 5}, done.stdout, done.stderr) == (True, b"", b"")


def test_a_conversation_is_kept_and_played_again(port: int, tmp_path: Path) -> None:
    # What is expected comes last, so that everything has come back when the close is sent.
    steps = b'{"b64":"AAEC"}\n{"ping":""}\n\n{"text":"a"}\n{"expect":"a"}\n{"sleep":0.2}\n{"close":4000}\n'
    record = tmp_path / "record.jsonl"
    done = run(f":{port}/echo", "--in", "jsonl", "-o", "jsonl", "--record", str(record), stdin=steps)
    assert done.returncode == 0
    assert record.read_bytes() == done.stdout
    kinds = [json.loads(line)["ev"] for line in done.stdout.splitlines()]
    assert (kinds[0], kinds[-1], sorted(kinds[1:-1])) == ("open", "close", ["pong", "recv", "recv", "send", "send"])
    again = run(f":{port}/echo", "--replay", str(record), "--speed", "0.25x")
    assert (again.returncode, again.stdout) == (0, b"000102\na\n")
    assert run(f":{port}/echo", "--replay", __file__).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "stdin", "out"),
    [
        (("--binary", "--raw"), b"a\xff\r\nb", b"a\xff\rb"),
        (("--hex",), b"hi\n", b"6869\n"),
        (("--json",), b'{"a": 1}\nhi\n', b'{"a":1}\n"hi"\n'),
        (("-0",), b"a\nb\0c", b"a\nb\nc\n"),
        (("-f", "message.txt"), b"", "содержание\n".encode()),
        (("-f", "message.bin"), b"", b"00ff\n"),
    ],
)
def test_input_and_output_take_other_forms(
    port: int, tmp_path: Path, arguments: tuple[str, ...], stdin: bytes, out: bytes
) -> None:
    (tmp_path / "message.txt").write_text("содержание", encoding="utf-8")
    (tmp_path / "message.bin").write_bytes(b"\x00\xff")
    done = run(f":{port}/echo", *arguments, "--linger", "1", stdin=stdin, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, out)


def test_more_is_said_to_who_asks_for_it(port: int) -> None:
    done = run(f":{port}/web_socket/a", "-v", "--frames", "--no-compression")
    lines = done.stderr.decode().splitlines()
    assert lines[0] == f"-> ws://127.0.0.1:{port}/web_socket/a (as named)"
    assert re.fullmatch(r"open in [0-9.]+ ms, no subprotocol", lines[1])
    assert "frame < text fin 13 bytes" in lines


def test_the_handshake_alone_is_shown(port: int) -> None:
    done = run(f":{port}/echo", "--handshake", "--bearer", "s3cret")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, b"> GET /echo HTTP/1.1")
    assert b"s3cret" not in done.stdout


def test_the_echo_answers_until_the_server_closes(port: int) -> None:
    done = run(f":{port}/web_socket/a", "--echo")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"closed by the server: 1000 (normal closure)\n"


def test_a_record_that_cannot_be_written_is_wrong_use(port: int) -> None:
    done = run(f":{port}/echo", "--record", "/absent/file")
    assert (done.returncode, done.stderr) == (
        2,
        b"error: --record /absent/file cannot be written: No such file or directory\n",
    )


def test_every_argument_of_the_command_is_known_to_what_carries_it_out() -> None:
    assert list(Given.__match_args__) == list(inspect.signature(ws_test).parameters)


def test_ctrl_c_ends_it_within_a_second_although_nobody_reads(port: int) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, f":{port}/flood"], stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert os.read(read, 4) == b"xxxx"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    os.close(read)
    assert process.returncode == 130


def test_help_tells_what_becomes_of_binary_messages_and_the_exit_codes() -> None:
    done = run("--help")
    text = " ".join(done.stdout.decode().split())
    assert "binary message as hexadecimal digits" in text
    assert "Exit codes: 0 closed normally" in text
