from pathlib import Path

import pytest

from lihil_cli.envfile import apply_env_files, read_env_files
from lihil_cli.errors import CliError


def env_file(folder: Path, text: str) -> Path:
    file = folder / ".env"
    file.write_text(text)
    return file


def test_lines_are_read_as_shells_write_them(tmp_path: Path) -> None:
    file = env_file(tmp_path, "# a comment\n\nexport A=1\nB='two words'  # behind\nC=\"${A}\\n\"\nD=\n")
    found = {name: value for name, (value, _) in read_env_files([file]).items()}
    assert found == {"A": "1", "B": "two words", "C": "1\n", "D": ""}


def test_of_several_files_the_last_one_wins_and_builds_on_the_others(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("HOST=db\nPORT=1")  # without a newline at its end
    second.write_text("PORT=2\nURL=${HOST}:${PORT}\n")
    assert read_env_files([first, second]) == {"HOST": ("db", first), "PORT": ("2", second), "URL": ("db:2", second)}
    assert read_env_files([]) == {}


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\n\nnonsense\n", 3), ("just words here\n", 1), ("A=1\nB='open\nC=3\n", 2), ("=x\n", 1)]
)
def test_a_line_that_is_none_is_named(tmp_path: Path, text: str, line: int) -> None:
    file = env_file(tmp_path, text)
    with pytest.raises(CliError) as caught:
        read_env_files([file])
    assert caught.value.text == f"error: {file}:{line} is no NAME=value\nhint: comments begin with #"
    assert caught.value.code == 2


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"A=\xff", "codec can't decode")])
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / ".env"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CliError, match=f"^env file {file} cannot be read: .*{reason}"):
        read_env_files([file])


def test_the_environment_has_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("STAGE", "mine")
    monkeypatch.setenv("STAGE_TOO", "x")
    monkeypatch.delenv("STAGE_TOO")
    apply_env_files([env_file(tmp_path, "STAGE=file\nSTAGE_TOO=file\n")])
    assert (os.environ["STAGE"], os.environ["STAGE_TOO"]) == ("mine", "file")
