"""`lihil ws-test FILE.wst ...` as a process: what it prints, where, and its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lihil_cli.errors import ExitCode

APP = """\
from lihil import Lihil, WebSocket, WebSocketRoute

chat = WebSocketRoute("chat")

@chat.ws_handler
async def talk(ws: WebSocket) -> None:
    await ws.accept()
    print("the app prints this")
    async for message in ws:
        await ws.send_text(message)

app = Lihil(chat)
"""
HELLO = "@target /chat\n> hi\n< hi\n"
LOUD = "@target /chat\n> HI 1\n< /^hi/\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "hello.wst").write_text(HELLO)
    (tmp_path / "loud.wst").write_text(LOUD)
    return tmp_path


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("LIHIL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "lihil_cli", "ws-test", *arguments],
        cwd=folder,
        env={**environ, **more, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_scripts_talk_to_the_app_in_process(project: Path) -> None:
    done = run(project, "hello.wst", "loud.wst", "--app", "main:app", "--junit", "ws.xml")
    assert done.returncode == ExitCode.FAILED
    lines = done.stdout.splitlines()
    assert lines[0].startswith("✓ hello.wst               2 steps   ")
    assert lines[1:3] == ["✗ loud.wst:3  < expected", "      /^hi/"]
    assert lines[3].startswith("    got (after ")
    assert lines[4:6] == ["      HI 1", "      ^^^^ does not match /^hi/"]
    assert lines[-1].startswith("1 failed, 1 passed in ")
    assert "the app prints this" in done.stderr
    assert ElementTree.parse(project / "ws.xml").getroot().attrib["failures"] == "1"


def test_without_a_server_the_app_of_the_project_is_taken(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.lihil]\nport = 1\n")
    done = run(project, "hello.wst")
    assert (done.returncode, done.stdout.splitlines()[-1].split(" in ")[0]) == (0, "1 passed")
    assert done.stderr.startswith("no server listens on 127.0.0.1:1, so the app runs in this process\n")


def test_where_there_is_neither_a_server_nor_an_app_that_is_said(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.lihil]\nport = 1\n")
    (project / "main.py").unlink()
    done = run(project, "hello.wst")
    assert done.returncode == ExitCode.CANNOT_CONNECT
    assert "start the server with `lihil run`, or name the app: --app main:app" in done.stderr


def test_a_script_with_an_address_of_its_own_needs_no_project(project: Path, tmp_path: Path) -> None:
    (project / "main.py").unlink()
    (project / "far.wst").write_text("@target ws://127.0.0.1:1/chat\n< x\n")
    done = run(project, "far.wst")
    assert done.returncode == ExitCode.CANNOT_CONNECT
    assert "cannot connect to 127.0.0.1:1: connection refused" in done.stdout


def test_an_address_that_the_app_would_not_take_is_told_before_connecting(project: Path) -> None:
    (project / "lost.wst").write_text(
        "@client a /chta\n@connect b /nowhere expect 404\n@repeat 2 { @connect c /${HOME_OF_NOBODY} }\na< x\n"
    )
    (project / ".env").write_text("HOME_OF_NOBODY=elsewhere\n")
    done = run(project, "lost.wst", "--app", "main:app")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    first, second, hint = done.stderr.splitlines()[-3:]
    assert first.startswith("error: lost.wst:1: ")
    assert "/chat" in first
    assert second.startswith("lost.wst:3: ")
    assert hint == "hint: --force connects all the same"
    forced = run(project, "lost.wst", "--app", "main:app", "--force")
    assert forced.returncode == ExitCode.FAILED
    assert "handshake refused: HTTP 404 Not Found" in forced.stdout


def test_a_script_that_passes_ends_with_zero(project: Path) -> None:
    (project / ".env").write_text("this is no file of variables, and no script asks for one")
    done = run(project, "hello.wst", "--app", "main:app")
    assert (done.returncode, done.stdout.splitlines()[-1].split(" in ")[0]) == (0, "1 passed")


def test_tap_is_all_that_standard_output_gets(project: Path) -> None:
    done = run(project, "hello.wst", "--app", "main:app", "--tap")
    assert done.stdout == "TAP version 14\n1..1\nok 1 - hello.wst\n"


def test_a_script_that_cannot_be_read_is_wrong_use_and_nothing_runs(project: Path) -> None:
    (project / "bad.wst").write_text('@target /chat\n< {"id": <in>}\n')
    done = run(project, "hello.wst", "bad.wst", "--app", "main:app")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr.splitlines() == [
        *("error: bad.wst:2:10: there is no matcher <in>", '    < {"id": <in>}', "             ^ expected <int>"),
    ]


def test_a_server_that_is_not_there_cannot_be_connected_to(project: Path) -> None:
    done = run(project, "hello.wst", "--url", "http://127.0.0.1:1")
    assert done.returncode == ExitCode.CANNOT_CONNECT
    assert "cannot connect to 127.0.0.1:1: connection refused" in done.stdout


def test_time_that_runs_out_has_its_own_exit_code(project: Path) -> None:
    (project / "slow.wst").write_text("@target /chat\n!< 1m\n")
    done = run(project, "slow.wst", "--app", "main:app", "--timeout", "0.5")
    assert done.returncode == ExitCode.TIMEOUT
    assert done.stderr.splitlines()[-1] == "error: not done within 0.5 s: 0 of 1 scripts have ended"
    quiet = run(project, "slow.wst", "--app", "main:app", "--timeout", "0.5", "-q")
    assert (quiet.returncode, quiet.stdout) == (ExitCode.TIMEOUT, "")
    assert "not done" not in quiet.stderr


def test_an_address_among_scripts_is_wrong_use(project: Path) -> None:
    done = run(project, "hello.wst", "/chat")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("error: '/chat' stands among scripts")


@pytest.mark.parametrize("name", ["absent.wst", "."])
def test_a_file_that_is_not_there_is_wrong_use(project: Path, name: str) -> None:
    (project / "folder.wst").mkdir()
    done = run(project, "absent.wst" if name == "absent.wst" else "folder.wst")
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" not in done.stderr


def test_nothing_heavy_is_loaded_for_scripts_over_a_socket(project: Path) -> None:
    script = (
        "import json, sys; from lihil_cli.main import run;"
        "run(['ws-test', 'hello.wst', '--url', 'http://127.0.0.1:1']);"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & {"rich", "httpx", "starlette", "uvicorn", "msgspec", "pydantic", "prompt_toolkit"} == set()
