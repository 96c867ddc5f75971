import json
import os
from pathlib import Path

import pytest

from lihil_cli.devfile import DevFile, write_dev_file
from lihil_cli.wstest.repl.devstate import DevState, read_dev_state


def serve(root: Path, generation: int = 3) -> None:
    write_dev_file(root, DevFile(os.getpid(), "127.0.0.1", 8000, False, None, "main:app", generation, "token"))


def test_without_a_server_there_is_no_generation(tmp_path: Path) -> None:
    assert read_dev_state(tmp_path) == DevState(None)


def test_the_generation_is_that_of_the_running_server(tmp_path: Path) -> None:
    serve(tmp_path)
    (tmp_path / "src").mkdir()
    assert read_dev_state(tmp_path / "src") == DevState(3)


def test_why_newer_code_cannot_be_served_is_told_in_lines(tmp_path: Path) -> None:
    serve(tmp_path)
    error = {"generation": 4, "files": ["chat.py"], "summary": "SyntaxError: invalid syntax", "text": "one\ntwo"}
    (tmp_path / ".lihil" / "reload_error.json").write_text(json.dumps(error))
    assert read_dev_state(tmp_path) == DevState(3, ("SyntaxError: invalid syntax", "one", "two"))


@pytest.mark.parametrize("content", ["", "nonsense", "{}", "[]"])
def test_a_file_that_tells_nothing_is_no_error(tmp_path: Path, content: str) -> None:
    serve(tmp_path)
    (tmp_path / ".lihil" / "reload_error.json").write_text(content)
    assert read_dev_state(tmp_path) == DevState(3)
