"""What users write passes the type checkers, and what is wrong does not: an ignore that nothing needs is an error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

USERS_FILE = Path(__file__).with_name("messages.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_typed_messages_pass_mypy() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent", str(USERS_FILE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["Success: no issues found in 1 source file"], done.stdout + done.stderr


@pytest.mark.slow
def test_typed_messages_pass_pyright(tmp_path: Path) -> None:
    settings = {
        "include": [str(USERS_FILE)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
