import json
import os
import stat
from pathlib import Path

from lihil_cli.wstest.repl.history import MAX_BYTES, MAX_LINES, open_history


def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def lines(start: Path, path: str = "/chat") -> list[str]:
    return list(open_history(start, path).newest_first())


def test_history_is_kept_in_the_project_for_its_owner_only(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "src").mkdir()
    open_history(root / "src", "/chat").append("hello")
    file = root / ".lihil" / "history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert (file.parent / ".gitignore").read_text() == "*\n"
    assert lines(root) == ["hello"]


def test_a_folder_of_the_dev_server_is_a_project_too(tmp_path: Path) -> None:
    (tmp_path / ".lihil").mkdir()
    (tmp_path / ".lihil" / ".gitignore").write_text("mine\n")
    open_history(tmp_path, "/chat").append("hello")
    assert lines(tmp_path) == ["hello"]
    assert (tmp_path / ".lihil" / ".gitignore").read_text() == "mine\n"


def test_outside_a_project_nothing_is_written(tmp_path: Path) -> None:
    open_history(tmp_path, "/chat").append("hello")
    assert list(tmp_path.iterdir()) == []
    assert lines(tmp_path) == []


def test_a_line_belongs_to_the_route_that_it_went_to(tmp_path: Path) -> None:
    root = project(tmp_path)
    history = open_history(root, "/a", lambda line: "/b" if line.startswith("@bob") else "/a")
    for line in ("@bob hi", "hello"):
        history.append(line)
    assert lines(root, "/a") == ["hello", "@bob hi"]
    assert lines(root, "/b") == ["@bob hi", "hello"]


def test_what_was_typed_on_this_path_comes_first_and_each_line_once(tmp_path: Path) -> None:
    root = project(tmp_path)
    for path, text in (("/a", "1"), ("/b", "2"), ("/a", "3\nmore"), ("/b", "4"), ("/a", "1"), ("/b", "1")):
        open_history(root, path).append(text)
    assert lines(root, "/a") == ["1", "3\nmore", "4", "2"]
    assert lines(root, "/b") == ["1", "4", "2", "3\nmore"]


def test_no_secret_reaches_the_file(tmp_path: Path) -> None:
    root = project(tmp_path)
    open_history(root, "/chat").append('{"password":"hunter2"}')
    assert "hunter2" not in (root / ".lihil" / "history").read_text()
    assert lines(root) == ['{"password":"***"}']


def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    root = project(tmp_path)
    history = open_history(root, "/chat")
    (root / ".lihil" / "history").write_bytes(b'nonsense\n["/chat", "ok"]\n["/chat", 5]\n{}\n["/chat", "\xff"]\n\n')
    assert list(history.newest_first()) == ["\ufffd", "ok"]


def test_the_file_is_cut_when_it_has_become_too_long(tmp_path: Path) -> None:
    root = project(tmp_path)
    history = open_history(root, "/chat")
    file = root / ".lihil" / "history"
    file.write_text("".join(f"{json.dumps(['/chat', str(number)])}\n" for number in range(2 * MAX_LINES + 1)))
    found = list(history.newest_first())
    assert (len(found), found[0]) == (MAX_LINES, str(2 * MAX_LINES))
    assert len(file.read_text().splitlines()) == MAX_LINES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_history_goes_on_when_the_file_has_become_too_big(tmp_path: Path) -> None:
    root = project(tmp_path)
    history = open_history(root, "/chat")
    file = root / ".lihil" / "history"
    record = f"{json.dumps(['/chat', 'é' * 50_000], ensure_ascii=False)}\n"
    file.write_text(record * (MAX_BYTES // 100_000 + 2))
    history.append("x" * MAX_BYTES)
    history.append("newest")
    assert lines(root) == ["newest", "é" * 50_000]
    assert MAX_BYTES // 2 - 200_000 < file.stat().st_size < MAX_BYTES // 2
    assert lines(root) == ["newest", "é" * 50_000]


def test_what_ends_a_line_elsewhere_ends_none_here(tmp_path: Path) -> None:
    root = project(tmp_path)
    for text in ("a\u2028b", "c\u0085d", "e\x0bf\r\ng"):
        open_history(root, "/chat").append(text)
    assert lines(root) == ["e\x0bf\r\ng", "c\u0085d", "a\u2028b"]


def test_a_file_that_has_gone_costs_nothing(tmp_path: Path) -> None:
    root = project(tmp_path)
    history = open_history(root, "/chat")
    (root / ".lihil" / "history").unlink()
    history.append("lost")
    assert list(history.newest_first()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / ".lihil").mkdir()
    (root / "victim").write_text("precious")
    (root / ".lihil" / "history").symlink_to(root / "victim")
    open_history(root, "/chat").append("hello")
    assert (root / "victim").read_text() == "precious"
    assert lines(root) == []


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    root = project(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (root / ".lihil").symlink_to(tmp_path / "elsewhere")
    open_history(root, "/chat").append("hello")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_named_pipe_in_its_place_is_not_used(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / ".lihil").mkdir()
    os.mkfifo(root / ".lihil" / "history")
    open_history(root, "/chat").append("hello")
    assert lines(root) == []
