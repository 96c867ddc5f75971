import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--help"], 0, "Usage: lihil run"),
        (["--show-settings"], 0, "reload               true                --reload"),
        (["--port", "nope"], 2, "error: Invalid value for '--port'"),
        (["--workers", "2"], 2, "error: reload (--reload) and 2 workers (--workers) exclude each other"),
        (["--env-file", "absent"], 2, "absent cannot be read: No such file or directory"),
    ],
)
def test_a_command_line_that_serves_nothing_ends_as_without_reload(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    command = [sys.executable, "-m", "lihil_cli", "run", "--reload", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert words in (done.stderr if code else done.stdout)
