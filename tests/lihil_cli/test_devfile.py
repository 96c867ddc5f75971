import itertools
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lihil_cli.devfile import DevFile, find_dev_file, remove_dev_file, write_dev_file

RECORD = DevFile(
    pid=os.getpid(),
    host="127.0.0.1",
    port=8000,
    tls=False,
    uds=None,
    app="main:app",
    generation=1,
    token="t0k3n",
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def dead_pid() -> int:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(ended.stdout)


def test_a_written_record_is_found_from_the_root_and_from_any_folder_below(tmp_path: Path) -> None:
    write_dev_file(tmp_path, RECORD)
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    assert find_dev_file(tmp_path) == RECORD
    assert find_dev_file(below) == RECORD


def test_a_unix_socket_is_kept_in_the_record(tmp_path: Path) -> None:
    record = RECORD.but(uds="/run/app.sock")
    write_dev_file(tmp_path, record)
    assert find_dev_file(tmp_path) == record


def test_only_the_owner_reads_the_file_and_git_ignores_the_folder(tmp_path: Path) -> None:
    path = write_dev_file(tmp_path, RECORD)
    assert path == tmp_path / ".lihil" / "dev.json"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_folder_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / ".lihil"
    folder.mkdir()
    folder.chmod(0o755)
    write_dev_file(tmp_path, RECORD)
    assert mode(folder) == 0o700


def test_writing_again_replaces_the_record_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_dev_file(tmp_path, RECORD)
    newer = RECORD.but(generation=2, changed=("main.py", "src/chat.py"))
    write_dev_file(tmp_path, newer)
    assert find_dev_file(tmp_path) == newer
    assert sorted(path.name for path in (tmp_path / ".lihil").iterdir()) == [".gitignore", "dev.json"]


def test_the_record_of_an_ended_process_is_passed_over_for_a_living_one_above(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    write_dev_file(inner, RECORD.but(pid=dead_pid()))
    assert find_dev_file(inner) is None
    write_dev_file(tmp_path, RECORD)
    assert find_dev_file(inner) == RECORD


def test_a_process_of_another_user_counts_as_living(tmp_path: Path) -> None:
    write_dev_file(tmp_path, RECORD.but(pid=1))
    assert find_dev_file(tmp_path) == RECORD.but(pid=1)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "{}",
        json.dumps({**vars(RECORD), "port": "8000"}),
        json.dumps({**vars(RECORD), "tls": 1}),
        json.dumps({**vars(RECORD), "pid": True}),
        json.dumps({**vars(RECORD), "pid": 0}),
        json.dumps({**vars(RECORD), "pid": -1}),
        json.dumps({**vars(RECORD), "pid": 10**30}),
        json.dumps({**vars(RECORD), "uds": 3}),
        "\udcff",
    ],
    ids=itertools.count(),  # the records hold the number of this process, and workers of one run must agree on names
)
def test_a_broken_record_counts_as_absent(tmp_path: Path, content: str) -> None:
    folder = tmp_path / ".lihil"
    folder.mkdir()
    (folder / "dev.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert find_dev_file(tmp_path) is None


@pytest.mark.parametrize("other", [{"colour": "blue"}, {"changed": None}, {"changed": {}}, {"changed": [1]}])
def test_a_key_of_another_release_does_no_harm(tmp_path: Path, other: dict[str, object]) -> None:
    folder = tmp_path / ".lihil"
    folder.mkdir()
    (folder / "dev.json").write_text(json.dumps({**vars(RECORD), **other}))
    assert find_dev_file(tmp_path) == RECORD


def test_removing_takes_our_own_file_and_leaves_that_of_another_server(tmp_path: Path) -> None:
    path = write_dev_file(tmp_path, RECORD)
    remove_dev_file(tmp_path, RECORD.pid + 1)
    assert path.exists()
    remove_dev_file(tmp_path, RECORD.pid)
    assert not path.exists()
    remove_dev_file(tmp_path, RECORD.pid)


def test_reading_the_file_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, lihil_cli.devfile as _;"
        "print([m for m in ('rich', 'typer', 'starlette', 'lihil', 'asyncio') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
