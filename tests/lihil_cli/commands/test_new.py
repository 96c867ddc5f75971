"""`lihil new` as a user types it: a real process in a folder of its own."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lihil_cli.main import run

REPOSITORY = Path(__file__).parents[3]
TRY_LINE = "lihil ws-test '/web_socket/session123?max_users=5'"
SHAPE = "no project name: ASCII letters and digits, with single - or _ between them"

MINIMAL = {
    ".dockerignore",
    ".editorconfig",
    ".github/workflows/ci.yml",
    ".gitignore",
    "AGENTS.md",
    "Dockerfile",
    "README.md",
    "pyproject.toml",
    "src/my_app/__init__.py",
    "src/my_app/main.py",
    "src/my_app/py.typed",
    "src/my_app/session.py",
    "tests/test_session.py",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = A Person\n\temail = person@h.example\n")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(tmp_path),
    }


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Lihil = Callable[..., Done]


@pytest.fixture
def lihil(
    room: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lihil:
    """The command line in this process, in the room, with the environment's git."""
    monkeypatch.chdir(room)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def type_in(*words: str) -> Done:
        code = run(words)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return type_in


def python(words: list[str], room: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], check=False, cwd=room, env=environment, capture_output=True, text=True, timeout=60
    )


def files(project: Path) -> set[str]:
    found = (path for path in project.rglob("*") if path.is_file())
    return {path.relative_to(project).as_posix() for path in found if ".git" not in path.parts}


def test_a_project_is_made_and_its_files_and_next_steps_are_told(room: Path, lihil: Lihil) -> None:
    done = lihil("new", "my-app")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(room) == ["my-app"]
    assert files(room / "my-app") == MINIMAL
    lines = done.stdout.splitlines()
    assert lines[0] == "made my-app from the minimal template, 13 files:"
    assert {line.removeprefix("  my-app/") for line in lines[1:14]} == MINIMAL
    assert "  cd my-app" in lines
    assert any(line.endswith("lihil run --reload") for line in lines)
    assert any(line.endswith(TRY_LINE) for line in lines)
    assert any(line.endswith("pytest") for line in lines)


def test_the_project_begins_with_a_clean_commit(room: Path, environment: dict[str, str], lihil: Lihil) -> None:
    lihil("new", "my-app")
    git = ["git", "-C", str(room / "my-app")]
    log = subprocess.run([*git, "log", "--format=%s"], env=environment, capture_output=True, text=True, check=True)
    assert log.stdout == "Start from lihil's minimal template\n"
    status = subprocess.run([*git, "status", "--porcelain"], env=environment, capture_output=True, check=True)
    assert status.stdout == b""


def test_no_git_makes_no_repository(room: Path, lihil: Lihil) -> None:
    assert lihil("new", "my-app", "--no-git").returncode == 0
    assert not (room / "my-app" / ".git").exists()


def test_what_kept_the_repository_from_being_made_is_a_note(room: Path, lihil: Lihil) -> None:
    (room / ".git").mkdir()
    done = lihil("new", "my-app")
    assert done.returncode == 0
    assert done.stderr == "note: this is already inside a repository, so none was made\n"


def test_a_dry_run_tells_the_same_files_and_writes_nothing(room: Path, lihil: Lihil) -> None:
    dry = lihil("new", "my-app", "--dry-run")
    assert dry.returncode == 0
    assert os.listdir(room) == []
    wet = lihil("new", "my-app")
    assert dry.stdout == wet.stdout.replace("made ", "would make ", 1)


def test_a_dry_run_for_a_program_is_json(room: Path, lihil: Lihil) -> None:
    document = json.loads(lihil("new", "my-app", "--dry-run", "--json").stdout)
    assert (document["name"], document["module"], document["dry_run"]) == ("my-app", "my_app", True)
    assert {file["path"] for file in document["files"]} == MINIMAL
    assert any(line.endswith(TRY_LINE) for line in document["next"])
    assert os.listdir(room) == []


def test_the_templates_are_listed(lihil: Lihil) -> None:
    assert "minimal  One WebSocket route" in lihil("new", "--list").stdout
    listed = json.loads(lihil("new", "--list", "--json").stdout)
    assert "minimal" in [template["name"] for template in listed]


def test_without_uv_the_next_steps_are_pips(lihil: Lihil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = lihil("new", "my-app")
    assert "  . .venv/bin/activate\n" in done.stdout
    assert f"  {TRY_LINE}\n" in done.stdout
    assert done.stderr == "note: git was not found, so no repository was made\n"


def test_an_empty_folder_of_that_name_is_used(room: Path, lihil: Lihil) -> None:
    (room / "my-app").mkdir()
    assert lihil("new", "my-app").returncode == 0
    assert files(room / "my-app") == MINIMAL


MISTAKES = [
    (["class"], "'class' is a Python keyword; try: lihil new class_app"),
    (["json"], "'json' is a module of Python's standard library; try: lihil new json_app"),
    (["../x"], "'../x' is a path, and a project's name holds no slash; try: cd .. && lihil new x"),
    (["/abs/x"], "'/abs/x' is a path, and a project's name holds no slash; try: cd /abs && lihil new x"),
    ([""], "a project needs a name; try: lihil new my_app"),
    ([], "a project needs a name; try: lihil new my_app"),
    (["a b"], f"'a b' is {SHAPE}; try: lihil new a_b"),
    (["\x1b[2J\n"], f"'\\x1b[2J\\n' is {SHAPE}; try: lihil new j"),
    (["--", "-rf"], "'-rf' looks like an option, and a project's name begins with a letter; try: lihil new rf"),
    (["x", "-t", "nope"], "there is no template 'nope'; there are: minimal"),
    (["x", "-t", "../templates/minimal"], "there is no template '../templates/minimal'; there are: minimal"),
]


@pytest.mark.parametrize(("words", "line"), MISTAKES)
@pytest.mark.parametrize("mode", [[], ["--dry-run"]], ids=["real", "dry"])
def test_a_mistake_is_one_line_and_nothing_is_written(
    room: Path, lihil: Lihil, words: list[str], line: str, mode: list[str]
) -> None:
    done = lihil("new", *mode, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {line}")
    assert done.stderr.count("\n") == 1
    assert os.listdir(room) == []


@pytest.mark.parametrize("mode", [[], ["--dry-run"]], ids=["real", "dry"])
def test_a_folder_that_is_not_empty_is_refused(room: Path, lihil: Lihil, mode: list[str]) -> None:
    (room / "x").mkdir()
    (room / "x" / "mine.txt").write_text("mine")
    done = lihil("new", "x", *mode)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the folder 'x' is not empty: it holds mine.txt; try: lihil new x_2\n"
    assert files(room) == {"x/mine.txt"}


def test_a_folder_that_is_gone_is_said_in_one_line(room: Path, lihil: Lihil, monkeypatch: pytest.MonkeyPatch) -> None:
    (room / "gone").mkdir()
    monkeypatch.chdir(room / "gone")
    (room / "gone").rmdir()
    done = lihil("new", "x")
    assert (done.returncode, done.stderr) == (1, "error: the folder you are in is gone; cd to one that exists\n")


def test_a_command_that_only_makes_files_loads_no_server_and_no_client(room: Path, environment: dict[str, str]) -> None:
    code = """
import sys
from lihil_cli.main import run
code = run(["new", "x"])
heavy = {"rich", "httpx", "starlette", "uvicorn", "watchfiles", "msgspec", "pydantic", "jinja2", "click", "lihil"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""
    done = python(["-c", code], room, environment)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_importing_the_command_loads_no_engine(environment: dict[str, str]) -> None:
    code = "import sys, lihil_cli.commands.new; print([name for name in sys.modules if name.startswith('lihil')])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "['lihil_cli', 'lihil_cli.commands', 'lihil_cli.errors', 'lihil_cli.commands.new']\n"


def test_a_signal_at_any_moment_leaves_the_whole_project_or_nothing(room: Path, environment: dict[str, str]) -> None:
    # Half of the shots are drawn over a whole run, half are fired as soon as something shows in the folder.
    started = time.monotonic()
    assert python(["-m", "lihil_cli", "new", "first"], room, environment).returncode == 0
    whole_s = time.monotonic() - started
    dice = random.Random(7)
    for shot in range(12):
        name = f"shot{shot}"
        signum = signal.SIGINT if shot % 2 else signal.SIGTERM
        command = [sys.executable, "-m", "lihil_cli", "new", name]
        process = subprocess.Popen(
            command, cwd=room, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if shot < 6:
            wait_at_most(process, dice.uniform(0, whole_s))
        else:
            wait_for_a_sign_of(process, room, name)
        process.send_signal(signum)
        _, errors = process.communicate(timeout=60)
        assert_whole_or_nothing(room, name, environment)
        if process.returncode == 0:
            assert (room / name).exists()
        if shot >= 6:  # an earlier signal may meet the interpreter's own start, which has a code of its own
            assert process.returncode in {0, 128 + signum, -signum}
        if process.returncode == 128 + signum:
            assert errors in {b"", f"error: stopped by {signum.name}; nothing was left behind\n".encode()}
    assert {path.name for path in room.iterdir()} <= {"first", *(f"shot{shot}" for shot in range(12))}


def wait_at_most(process: subprocess.Popen[bytes], delay_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(delay_s)


def wait_for_a_sign_of(process: subprocess.Popen[bytes], room: Path, name: str) -> None:
    while process.poll() is None and not any(path.name.strip(".").startswith(name) for path in room.iterdir()):
        time.sleep(0.0005)


def assert_whole_or_nothing(room: Path, name: str, environment: dict[str, str]) -> None:
    project = room / name
    if not project.exists():
        return
    assert {path.replace(name, "my_app") for path in files(project)} == MINIMAL
    status = subprocess.run(
        ["git", "-C", str(project), "status", "--porcelain"], env=environment, capture_output=True, check=True
    )
    assert status.stdout == b""
