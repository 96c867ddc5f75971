import os
import socket
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.serving.inherited import adopt_listener
from lihil_cli.serving.opening import Address, read_address


def test_a_listening_socket_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with adopt_listener(os.dup(server.fileno())) as listener:
            assert read_address(listener) == Address("127.0.0.1", port)
            assert not listener.getblocking()
            assert not listener.get_inheritable()
    assert "LISTEN_FDS" not in os.environ
    assert "LISTEN_PID" not in os.environ


def test_one_that_is_only_bound_listens_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as bound, socket.socket(socket.AF_UNIX) as client:
        bound.bind(str(path))
        with adopt_listener(os.dup(bound.fileno())) as listener:
            assert read_address(listener) == Address("", 0, path)
            client.connect(str(path))
    assert path.exists()  # whoever made it removes it


def test_a_socket_without_a_path_has_an_address_too() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0lihil-test-" + str(os.getpid()))
        server.listen()
        assert read_address(server).path is not None


@pytest.mark.parametrize("what", ["closed", "file", "datagram", "connected"])
def test_what_cannot_be_listened_on_says_why(what: str, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    opened: dict[str, tuple[int, str]] = {
        "closed": (9999, "is not open"),
        "file": (os.open(tmp_path, os.O_RDONLY), "is no socket"),
        "datagram": (socket.socket(type=socket.SOCK_DGRAM).detach(), "is no stream socket"),
        "connected": (os.dup(ours.fileno()), "is a socket that cannot listen"),
    }
    number, words = opened[what]
    with ours, theirs, pytest.raises(CliError) as caught:
        adopt_listener(number)
    assert caught.value.message == f"file descriptor {number} {words}"
    assert caught.value.hint == "systemd's first socket is --fd 3"
    assert caught.value.code == 3
    for each, _ in opened.values():
        if each != 9999:
            os.close(each)
