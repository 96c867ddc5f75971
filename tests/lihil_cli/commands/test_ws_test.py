import os
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
from lihil_cli.devfile import DevFile, write_dev_file

COMMAND = [sys.executable, "-m", "lihil_cli", "ws-test"]
# What must not be loaded before a message is shown: each costs as much as the connection itself.
HEAVY = {"rich", "httpx", "starlette", "uvicorn", "msgspec", "pydantic", "watchfiles", "prompt_toolkit"}
PROBLEM = (
    b'{"title": "Invalid parameters", "detail": "1 parameter is wrong", "errors": [{"type": "missing",'
    b' "location": "query", "param": "max_users", "message": "a value is required"}]}'
)


def answer(connection: ServerConnection) -> None:
    """The greeting of a new project below /web_socket, headers below /headers, an echo anywhere else."""
    request = connection.request
    assert request is not None
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
        ("/x", "--subprotocol", "a b"),
        ("/x", "--origin", "a\nb"),
        ("/x", "-n", "0"),
        ("/x", "--timeout", "soon"),
        (),
    ],
)
def test_wrong_use_is_told_without_a_traceback(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["ws-test", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert "Traceback" not in told.err


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


def test_nothing_heavy_is_loaded_before_a_message_is_shown(port: int) -> None:
    script = (
        "import sys; from lihil_cli.main import run; code = run(sys.argv[1:]);"
        "print(*sorted(sys.modules)); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "ws-test", f":{port}/web_socket/a"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    greeting, loaded = done.stdout.splitlines()
    assert greeting == "Hello, world!"
    assert HEAVY & set(loaded.split()) == set()
    assert {name for name in loaded.split() if name.startswith("websockets.")} <= {"websockets.speedups"}


def test_help_tells_what_becomes_of_binary_messages_and_the_exit_codes() -> None:
    done = run("--help")
    text = " ".join(done.stdout.decode().split())
    assert "binary message as hexadecimal digits" in text
    assert "Exit codes: 0 closed normally" in text
