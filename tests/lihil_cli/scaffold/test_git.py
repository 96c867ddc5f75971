"""The repository of a new project, made with the real git."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lihil_cli.scaffold.git import is_inside_work_tree, start_repository


def no_check() -> None:
    """Nobody has asked to stop."""


@pytest.fixture(autouse=True)
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = A Person\n\temail = person@h.example\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_text("a\n")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


FakeGit = Callable[[str], None]


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGit:
    """Put a shell script in the place of git."""

    def install(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "git").write_text(script)
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


def test_everything_is_in_the_first_commit(project: Path) -> None:
    assert start_repository(project, "Start", check=no_check) == ""
    assert git(project, "log", "--format=%an %s") == "A Person Start"
    assert git(project, "ls-files") == "a.txt"
    assert git(project, "status", "--porcelain") == ""


def test_a_git_hook_of_another_repository_does_not_draw_it_there(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other-index"))
    assert start_repository(project, "Start", check=no_check) == ""
    assert (project / ".git").is_dir()
    assert not (tmp_path / "other").exists()


def test_settings_that_would_stop_or_outlive_the_commit_are_left_out(
    project: Path, tmp_path: Path, fake_git: FakeGit
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    git(tmp_path, "config", "--global", "core.hooksPath", str(hooks))
    git(tmp_path, "config", "--global", "commit.gpgSign", "true")
    git(tmp_path, "config", "--global", "gpg.program", "/bin/false")
    assert start_repository(project, "Start", check=no_check) == ""


def test_without_an_identity_there_is_a_repository_and_no_commit(project: Path, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("")
    assert "set user.name and user.email" in start_repository(project, "Start", check=no_check)
    assert (project / ".git").is_dir()
    assert git(project, "rev-list", "--all") == ""


@pytest.mark.parametrize("depth", [".", "a", "a/b"])
def test_inside_a_repository_no_second_one_is_made(tmp_path: Path, depth: str) -> None:
    git(tmp_path, "init", "--quiet")
    project = tmp_path / depth / "project"
    project.mkdir(parents=True)
    assert "already inside a repository" in start_repository(project, "Start", check=no_check)
    assert not (project / ".git").exists()


def test_a_submodule_is_a_repository_too(tmp_path: Path) -> None:
    assert not is_inside_work_tree(tmp_path)
    (tmp_path / ".git").write_text("gitdir: ../elsewhere\n")
    assert is_inside_work_tree(tmp_path)


def test_without_git_there_is_no_repository(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start_repository(project, "Start", check=no_check) == "git was not found, so no repository was made"


def test_a_git_that_fails_to_start_one_leaves_nothing_of_it(project: Path, fake_git: FakeGit) -> None:
    fake_git("#!/bin/sh\nmkdir .git\necho >&2 'fatal: out of luck'\nexit 128\n")
    assert start_repository(project, "Start", check=no_check) == "no repository was made: fatal: out of luck"
    assert not (project / ".git").exists()


def test_a_git_that_does_not_start_is_no_failure(
    project: Path, tmp_path: Path, fake_git: FakeGit, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_git("#!/nowhere/at/all\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert start_repository(project, "Start", check=no_check).startswith("no repository was made: No such file")


def test_a_commit_that_fails_leaves_the_repository(project: Path, fake_git: FakeGit) -> None:
    fake_git('#!/bin/sh\ncase "$*" in *commit*--message*) exit 3;; esac\n')
    assert start_repository(project, "Start", check=no_check) == "the repository has no first commit: git ended with 3"


def test_a_git_that_does_not_end_is_stopped(project: Path, fake_git: FakeGit) -> None:
    fake_git("#!/bin/sh\nexec sleep 60\n")
    answer = start_repository(project, "Start", check=no_check, timeout_s=0)
    assert answer == "no repository was made: git did not finish in time"


def test_a_wish_to_stop_ends_git_and_is_passed_on(project: Path, tmp_path: Path, fake_git: FakeGit) -> None:
    fake_git(f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nexec sleep 60\n")

    def stop_once_git_runs() -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_repository(project, "Start", check=stop_once_git_runs)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
