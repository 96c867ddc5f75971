"""Where `lihil run` listens, other than on host and port."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import DEADLINE_S, Launch, get, has_no_escapes_or_tracebacks
from tests.lihil_cli.commands.stage import get_over


@pytest.mark.parametrize("mode", [[], ["--workers", "2"], ["--reload"]])
def test_a_unix_socket_is_served_and_removed(launch: Launch, stage: Path, mode: list[str]) -> None:
    path = stage.parent / "app.sock"
    server = launch("run", "--uds", "app.sock", *mode)
    server.wait_for("Ctrl-C stops it")
    assert f"\n  unix:{path}\n" in server.said
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert get_over(path).isdigit()
    assert (server.record["uds"], server.record["port"]) == (str(path), 0)
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert not path.exists()
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_server_that_was_killed_leaves_a_socket_that_the_next_one_replaces(launch: Launch, stage: Path) -> None:
    path = stage.parent / "app.sock"
    server = launch("run", "--uds", "app.sock")
    server.wait_for("Ctrl-C stops it")
    server.tell(signal.SIGKILL)
    server.ends()
    assert path.exists()
    server = launch("run", "--uds", "app.sock", "--uds-mode", "600")
    server.wait_for("Ctrl-C stops it")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = launch("run", "--uds", "app.sock")
    assert other.ends() == 3
    assert other.said.startswith(f"error: {path} is in use by a server that answers")
    assert get_over(path).isdigit()


def test_a_handler_that_does_not_end_does_not_leave_the_socket_behind(launch: Launch, stage: Path) -> None:
    path = stage.parent / "app.sock"
    server = launch("run", "--uds", "app.sock", "--drain", "0.5")
    server.wait_for("Ctrl-C stops it")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(b"GET /stubborn HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(1)
        server.tell(signal.SIGTERM)
        assert server.ends() == 143
    assert not path.exists()


@pytest.mark.parametrize("mode", [[], ["--workers", "2"], ["--reload"]])
def test_a_socket_of_the_parents_is_served_and_left_open(launch: Launch, stage: Path, mode: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        server = launch("run", "--fd", str(number), *mode, pass_fds=[number])
        server.wait_for("Ctrl-C stops it")
        assert server.address == f"127.0.0.1:{listener.getsockname()[1]}"
        assert get(server.address).isdigit()
        server.tell(signal.SIGTERM, group=False)
        assert server.ends() == 143
        with socket.create_connection(listener.getsockname()):
            pass  # the next start serves it


def test_a_unix_socket_of_the_parents_stays(launch: Launch, stage: Path) -> None:
    path = stage.parent / "passed.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = launch("run", "--fd", str(listener.fileno()), pass_fds=[listener.fileno()])
        server.wait_for(f"unix:{path}")
        assert get_over(path).isdigit()
        server.tell(signal.SIGINT)
        assert server.ends() == 0
    assert path.exists()


@contextmanager
def activated(folder: Path, *arguments: str) -> Iterator[int]:
    """A port on which systemd's own tool listens; the first connection starts the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", sys.executable, "-m", "lihil_cli", "run"]
    with subprocess.Popen(
        [*command, *arguments], cwd=folder, env=dict(os.environ), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "Listening on" in process.stderr.readline()
        try:
            yield port
        finally:
            process.terminate()
            process.stderr.read()
            assert process.wait(DEADLINE_S) == 143


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="needs systemd-socket-activate")
def test_systemd_starts_it_with_the_first_connection(stage: Path) -> None:
    with activated(stage.parent, "--fd", "3") as port:
        assert get(f"127.0.0.1:{port}").isdigit()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--fd", "99"], 3, "file descriptor 99 is not open"),
        (["--fd", "3", "--uds", "x"], 2, "uds (--uds) and fd (--fd) exclude each other"),
    ],
)
def test_what_cannot_be_listened_on_is_one_line(
    launch: Launch, stage: Path, arguments: list[str], code: int, message: str
) -> None:
    server = launch("run", *arguments)
    assert server.ends() == code
    assert server.said.startswith(f"error: {message}")
