from pathlib import Path

import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.script.files import load_files


def mistakes_in(*paths: Path) -> list[str]:
    with pytest.raises(CliError) as caught:
        load_files([str(path) for path in paths], {})
    assert caught.value.code == ExitCode.USAGE
    return caught.value.message.splitlines()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_file_of_any_line_ends_is_read(tmp_path: Path) -> None:
    for data in (b"@target /\n< x\n", b"@target /\r\n< x\r\n", b"\xef\xbb\xbf@target /\n< x", b"@target /\r< x"):
        (loaded,) = load_files([str(write(tmp_path / "a.wst", data))], {})
        assert len(loaded.script.steps) == 2


def test_a_mistake_has_file_line_and_column_a_caret_and_what_was_expected(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.wst", b'@target /\n< {"id": <in>}\n')
    assert mistakes_in(path) == [
        f"{path}:2:10: there is no matcher <in>",
        '    < {"id": <in>}',
        "             ^ expected <int>",
    ]


def test_a_name_that_nothing_is_called_is_a_mistake_too(tmp_path: Path) -> None:
    assert mistakes_in(write(tmp_path / "a.wst", b"@target /${X}\n< x"))[0].endswith("a.wst:1:10: nothing is called X")


def test_every_file_that_is_wrong_is_told(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.wst", b"?"), write(tmp_path / "b.wst", b"\xff")
    lines = mistakes_in(first, second, tmp_path / "c.wst")
    assert lines[0] == f"{first}:1:1: this is no step"
    assert lines[-2:] == [f"{second}: not UTF-8 at byte 0", f"{tmp_path / 'c.wst'}: No such file or directory"]


def test_a_caret_stands_right_also_below_what_had_to_be_escaped_or_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wst", '@target /\n< {"日\u202e": ?}\n'.encode())
    _, line, caret = mistakes_in(path)
    assert (line, caret.partition("^")[0]) == ('    < {"日\\u202e": ?}', " " * 19)
    path = write(tmp_path / "a.wst", b'@target /\n< {"' + b"x" * 1000 + b'": ?}\n')
    _, line, caret = mistakes_in(path)
    assert line[len(caret.partition("^")[0])] == "?"
    assert len(line) < 400
