import os
import socket
import stat
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.serving.unix_socket import unix_listener


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_has_its_mode_whatever_the_umask_and_goes_at_the_end(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(0o077)
    try:
        with unix_listener(path, mode), socket.socket(socket.AF_UNIX) as client:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            client.connect(str(path))
            assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert not path.exists()


def test_a_socket_that_nobody_listens_on_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with unix_listener(path, 0o600), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("backlog", [0, 5])
def test_a_living_servers_socket_is_never_touched(tmp_path: Path, backlog: int) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as waiting:
        living.bind(str(path))
        living.listen(backlog)
        if not backlog:
            waiting.connect(str(path))  # and so the queue is full
        inode = path.stat().st_ino
        with pytest.raises(CliError) as caught, unix_listener(path, 0o600):
            pass
        assert caught.value.message == f"{path} is in use by a server that answers"
        assert caught.value.code == 3
        assert path.stat().st_ino == inode


def test_a_file_of_another_kind_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(CliError, match=r"notes.txt is there, and no socket") as caught, unix_listener(path, 0o600):
        pass
    assert caught.value.code == 3
    assert path.read_text() == "mine"


def test_the_socket_of_a_server_that_came_later_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as other:
        with unix_listener(path, 0o600):
            path.unlink()
            other.bind(str(path))
        assert path.exists()
    with unix_listener(path, 0o600):
        path.unlink()  # somebody has tidied up


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x" * 120, "is too long for a Unix socket"),
        ("absent/app.sock", "No such file or directory"),
        ("file/app.sock", "Not a directory"),
    ],
)
def test_a_path_that_cannot_be_had_says_why(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match=words) as caught, unix_listener(tmp_path / path, 0o600):
        pass
    assert caught.value.code == 3
