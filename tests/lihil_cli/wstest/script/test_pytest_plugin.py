"""pytest in a project of its own, with and without scripts, in a process as users have it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

APP = """\
from lihil import Lihil, WebSocket, WebSocketRoute

hello = WebSocketRoute("hello")

@hello.ws_handler
async def greet(ws: WebSocket, name: str = "world") -> None:
    await ws.accept()
    assert name != "nobody", "there is somebody"
    await ws.send_text(f"Hello, {name}!")
    await ws.close()

app = Lihil(hello)
"""
HELLO = "@target /hello\n< Hello, world!\n< close 1000\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.lihil]\napp = "service:app"\n[tool.pytest.ini_options]\n')
    (tmp_path / "service.py").write_text(APP)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "hello.wst").write_text(HELLO)
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest as a user starts it; warnings are errors."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("LIHIL_", "PYTEST_"))}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*command, *options], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def tally(done: subprocess.CompletedProcess[str]) -> str:
    return re.sub(r"\s*in [\d.]+s.*|=", "", done.stdout.splitlines()[-1]).strip()


def test_a_script_is_one_test_and_passes(project: Path) -> None:
    done = run(project, "-v")
    assert (done.returncode, tally(done)) == (0, "1 passed"), done.stdout
    assert "tests/hello.wst::hello PASSED" in done.stdout
    (project / ".env").write_text("WHO=world\n")
    (project / "tests" / "hello.wst").write_text(HELLO.replace("world", "${WHO}"))
    assert tally(run(project)) == "1 passed"


def test_a_script_stands_beside_other_tests_and_can_be_chosen(project: Path) -> None:
    (project / "tests" / "test_more.py").write_text("def test_more():\n    pass\n")
    (project / "tests" / "bye.wst").write_text("@target /hello?name=bye\n< Hello, bye!\n")
    assert tally(run(project)) == "3 passed"
    assert tally(run(project, "-k", "bye")) == "1 passed, 2 deselected"
    assert tally(run(project, "tests/hello.wst")) == "1 passed"


def test_a_failure_is_told_as_the_command_tells_it(project: Path) -> None:
    (project / "tests" / "hello.wst").write_text("@target /hello\n< Hello, you!\n")
    done = run(project)
    assert (done.returncode, tally(done)) == (1, "1 failed")
    assert "hello.wst:2  < expected" in done.stdout
    assert "             ^^^^^ the text differs" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_handler_that_breaks_is_shown(project: Path) -> None:
    (project / "tests" / "hello.wst").write_text("@target /hello?name=nobody\n< Hello, nobody!\n")
    done = run(project)
    assert done.returncode == 1
    assert "service.py:8" in done.stdout
    assert "AssertionError: there is somebody" in done.stdout


def test_a_mistake_in_a_script_is_an_error_of_collection(project: Path) -> None:
    (project / "tests" / "hello.wst").write_text("@target /hello\n< {'a'}\n")
    done = run(project)
    assert done.returncode == 2
    assert "hello.wst:2:4: this is no key" in done.stdout
    assert "       ^ expected a key in double quotes" in done.stdout


def test_the_app_is_named_in_the_configuration_of_pytest_too(project: Path) -> None:
    (project / "service.py").rename(project / "other.py")
    assert "no module named 'service'" in run(project).stdout
    assert tally(run(project, "-o", "lihil_app=other:app")) == "1 passed"


def test_an_app_that_breaks_on_import_is_told_without_a_traceback(project: Path) -> None:
    (project / "service.py").write_text("raise RuntimeError('no database')\n")
    done = run(project)
    assert done.returncode == 1
    assert "RuntimeError: no database" in done.stdout
    assert "lihil_cli" not in done.stdout


@pytest.mark.parametrize("option", [("-p", "no:lihil"), ("-o", "lihil_scripts=")])
def test_scripts_are_left_alone_when_one_wants_that(project: Path, option: tuple[str, str]) -> None:
    done = run(project, *option)
    assert (done.returncode, tally(done)) == (5, "no tests ran")


def test_only_names_that_are_asked_for_are_collected(project: Path) -> None:
    (project / "tests" / "skipped.wst").write_text("nothing of ours")
    assert tally(run(project, "-o", "lihil_scripts=hello*.wst")) == "1 passed"


def test_a_project_without_scripts_pays_for_nothing(project: Path) -> None:
    (project / "tests" / "hello.wst").unlink()
    (project / "tests" / "test_loaded.py").write_text(
        "import json, sys\n"
        "def test_loaded():\n"
        "    print('LOADED', json.dumps(sorted(name for name in sys.modules if name.partition('.')[0] in "
        "{'lihil', 'lihil_cli', 'starlette', 'msgspec', 'typer', 'rich', 'uvicorn', 'httpx'})))\n"
    )
    done = run(project, "-s")
    assert done.returncode == 0
    loaded = json.loads(done.stdout.partition("LOADED ")[2].splitlines()[0])
    assert loaded == [
        *("lihil_cli", "lihil_cli.wstest", "lihil_cli.wstest.script", "lihil_cli.wstest.script.pytest_plugin"),
    ]


def test_a_program_that_has_imported_lihil_can_run_pytest(project: Path) -> None:
    script = "import sys, lihil, lihil_cli, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    warned = re.findall(r"cannot be rewritten; (\w+)", done.stdout)
    assert set(warned) <= {"anyio"}  # which is a plugin of pytest's as well
