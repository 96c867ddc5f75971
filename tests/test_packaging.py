"""What ships, and what a user sees who installs it: the wheel in a clean environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dev
from lihil.version import VERSION
from lihil_cli.scaffold.sources import is_skipped

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]

ROOT = Path(__file__).resolve().parents[1]
# What a used checkout holds beside what is kept: none of it may ship.
LEFTOVERS = [
    *("templates/minimal/.env", "templates/minimal/.coverage", "templates/minimal/uv.lock", ".env", "lihil/note.pyc"),
    *("templates/minimal/.venv/bin/x", "templates/minimal/node_modules/x.js", "lihil/__pycache__/app.cpython-311.pyc"),
    *("templates/minimal/.ruff_cache/x", "templates/minimal/.pytest_cache/x", "templates/minimal/.lihil/dev.json"),
]


def kept_files() -> list[str]:
    """The paths that git keeps or would keep; without git, what the scaffolder does not skip."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    paths = (
        [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        if listed.returncode
        else map(Path, listed.stdout.split("\n"))
    )
    kept = [path for path in paths if (ROOT / path).is_file() and not any(is_skipped(part) for part in path.parts)]
    return [path.as_posix() for path in kept]


def run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a user's command, with neither this environment's settings nor its measuring."""
    foreign = ("COVERAGE", "COV_", "PYTHON", "VIRTUAL_ENV", "UV_PROJECT", "PYTEST", "LIHIL_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1"}
    env |= dict.fromkeys(["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"], "me")
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def succeed(*command: str | Path, cwd: Path) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of a checkout that has been worked in."""
    checkout = tmp_path_factory.mktemp("checkout")
    for path in [*kept_files(), *LEFTOVERS]:
        target = checkout / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path in LEFTOVERS:
            target.write_text("left behind")
        else:
            shutil.copy(ROOT / path, target)
    folder = tmp_path_factory.mktemp("dist")
    succeed(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=checkout)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel, what it needs, and pytest."""
    env = tmp_path_factory.mktemp("user") / "env"
    uv = dev.find_uv()
    if uv is None:
        succeed(sys.executable, "-m", "venv", env, cwd=ROOT)
        succeed(env / dev.BIN / "python", "-m", "pip", "install", "-q", wheel, *dev.group("test"), cwd=ROOT)
        return env / dev.BIN
    succeed(uv, "venv", "-q", "--python", sys.executable, env, cwd=ROOT)
    # The locked versions are in uv's cache already, so this needs no network; `pip check` says whether they are enough.
    locked = succeed(
        uv, "export", "-q", "--frozen", "--no-default-groups", "--group", "test", "--no-emit-project", cwd=ROOT
    )
    requirements = env / "requirements.txt"
    requirements.write_text(locked)
    succeed(uv, "pip", "install", "-q", "--python", env, "--no-deps", "-r", requirements, wheel, cwd=ROOT)
    succeed(uv, "pip", "check", "-q", "--python", env, cwd=ROOT)
    return env / dev.BIN


@pytest.fixture(scope="module")
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `lihil new demo` makes."""
    folder = tmp_path_factory.mktemp("work")
    succeed(installed / "lihil", "new", "demo", cwd=folder)
    return folder / "demo"


@contextmanager
def served(installed: Path, project: Path) -> Iterator[None]:
    """`lihil run --port 0` in the project, from when it can be found until it has ended."""
    log = project.parent / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen([installed / "lihil", "run", "--port", "0"], cwd=project, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 60
            while not (project / ".lihil" / "dev.json").exists():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            yield
        finally:
            server.terminate()
            server.wait(30)


def test_the_wheel_holds_every_template_file_that_git_keeps_and_no_other(wheel: Path) -> None:
    inside = "lihil_cli/templates/"
    shipped = {name.removeprefix(inside) for name in zipfile.ZipFile(wheel).namelist() if name.startswith(inside)}
    assert shipped == {path.removeprefix("templates/") for path in kept_files() if path.startswith("templates/")}


def test_the_wheel_holds_both_packages_typed_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    own = {name for name in names if not name.startswith((f"lihil-{VERSION}.dist-info/", "lihil_cli/templates/"))}
    assert own == {path for path in kept_files() if path.startswith(("lihil/", "lihil_cli/"))}
    assert {"lihil/py.typed", "lihil_cli/py.typed"} <= own


def test_the_source_archive_can_be_built_and_tested(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    top = f"lihil-{VERSION}/"
    with tarfile.open(path) as archive:
        names = {name.removeprefix(top) for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "dev.py", "tests/test_packaging.py"} <= names
    assert names & set(LEFTOVERS) == set()


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert VERSION in succeed(installed / "lihil", "--version", cwd=tmp_path)


def test_a_scaffolded_project_is_served_and_answers(installed: Path, project: Path) -> None:
    with served(installed, project):
        talked = run(installed / "lihil", "ws-test", "/web_socket/session123?max_users=5", cwd=project)
        refused = run(installed / "lihil", "ws-test", "/web_socket/session123?max_users=abc", cwd=project)
    assert (talked.returncode, talked.stdout) == (0, "Hello, world!\n"), talked.stderr
    assert refused.returncode == 4
    assert "422" in refused.stderr
    assert "max_users" in refused.stderr


def test_a_scaffolded_project_passes_its_own_tests(installed: Path, project: Path) -> None:
    assert " passed" in succeed(installed / "python", "-m", "pytest", "-q", cwd=project)


def test_a_scaffolded_project_knows_which_wheel_made_it(project: Path, wheel: Path) -> None:
    assert f'lihil = {{ path = "{wheel.as_posix()}" }}' in (project / "pyproject.toml").read_text("utf-8")


def test_a_scaffolded_project_is_one_clean_commit(project: Path) -> None:
    assert succeed("git", "log", "--format=%s", cwd=project).count("\n") == 1
