import os
import stat
from pathlib import Path

import pytest

from lihil_cli.wstest.history import open_history


def test_a_project_gets_a_history_that_only_its_owner_can_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "src").mkdir()
    path = open_history(tmp_path / "src")
    assert path == tmp_path / ".lihil" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_an_existing_history_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / ".lihil"
    folder.mkdir()
    (folder / "history").write_text("+old\n")
    (folder / "history").chmod(0o644)
    (folder / ".gitignore").write_text("history\n")
    path = open_history(tmp_path)
    assert path is not None
    assert path.read_text() == "+old\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "history\n"


def test_outside_a_project_nothing_is_written(tmp_path: Path) -> None:
    assert open_history(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "folder link", "folder", "pipe", "file instead of the folder"])
def test_what_is_no_ordinary_file_of_ours_is_left_alone(tmp_path: Path, kind: str) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "pyproject.toml").touch()
    folder = root / ".lihil"
    if kind == "folder link":
        folder.symlink_to(elsewhere)
    elif kind == "file instead of the folder":
        folder.touch()
    else:
        folder.mkdir()
    match kind:
        case "link":
            (folder / "history").symlink_to(elsewhere / "target")
        case "folder":
            (folder / "history").mkdir()
        case "pipe":
            os.mkfifo(folder / "history")
    assert open_history(root) is None
    assert list(elsewhere.iterdir()) == []


def test_a_pipe_with_a_reader_is_no_history_either(tmp_path: Path) -> None:
    (tmp_path / ".lihil").mkdir()
    fifo = tmp_path / ".lihil" / "history"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert open_history(tmp_path) is None
    finally:
        os.close(reader)
