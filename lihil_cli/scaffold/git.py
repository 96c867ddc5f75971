"""A repository with a first commit for a new project, made by the user's git or not at all."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Settings that could wait for a person (signing), run foreign code (hooks), leave a process working in the folder
# (monitor, maintenance), or sign a commit with a name that git made up from the host's (useConfigOnly).
_SETTINGS = (
    "commit.gpgSign=false",
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "user.useConfigOnly=true",
)
_GIT = ("git", *(word for setting in _SETTINGS for word in ("-c", setting)))

# Variables that point git at another repository, as they do inside a hook (git rev-parse --local-env-vars).
_FOREIGN = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "COMMON_DIR", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES"),
        *("NAMESPACE", "PREFIX", "SHALLOW_FILE", "GRAFT_FILE", "IMPLICIT_WORK_TREE"),
    )
)

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    message: str


def start_repository(folder: Path, message: str, *, check: Callable[[], None], timeout_s: float = 20.0) -> str:
    """Make `folder` a repository with everything in one commit; answers what kept it from that, or an empty string.

    Never fails: without git, inside another work tree, without an identity or when git itself fails, less is done and
    the answer says so. `check` is called while git runs; what it raises stops git and is passed on.
    """
    if is_inside_work_tree(folder.parent):
        return "this is already inside a repository, so none was made"
    if shutil.which("git") is None:
        return "git was not found, so no repository was made"
    run = _Runner(folder, check, time.monotonic() + timeout_s)
    started = run("init", "--quiet")
    if started.code:
        shutil.rmtree(folder / ".git", ignore_errors=True)
        return f"no repository was made: {started.message}"
    if run("var", "GIT_AUTHOR_IDENT").code:
        return "git does not know your name, so there is no first commit; set user.name and user.email, then commit"
    for words in (("add", "--all"), ("commit", "--quiet", "--message", message)):
        answer = run(*words)
        if answer.code:
            return f"the repository has no first commit: {answer.message}"
    return ""


def is_inside_work_tree(folder: Path) -> bool:
    """Whether `folder` or one above it holds a `.git`: a folder, or the file of a worktree or a submodule."""
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


class _Runner:
    """git in one folder, up to one deadline, stopped when `check` raises."""

    def __init__(self, folder: Path, check: Callable[[], None], deadline: float) -> None:
        self._folder = folder
        self._check = check
        self._deadline = deadline

    def __call__(self, *words: str) -> _Answer:
        try:
            process = self._start(words)
        except OSError as error:
            return _Answer(1, error.strerror or str(error))
        try:
            return self._wait(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def _start(self, words: tuple[str, ...]) -> subprocess.Popen[str]:
        # A session of its own: a Ctrl-C on the terminal is for lihil to judge, and git has no terminal to ask on.
        return subprocess.Popen(  # noqa: S603 - no shell, and no word that a user typed
            [*_GIT, *words],
            cwd=self._folder,
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="replace",
        )

    def _wait(self, process: subprocess.Popen[str]) -> _Answer:
        while True:
            self._check()
            try:
                _, errors = process.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._deadline:
                    return _Answer(1, "git did not finish in time")
                continue
            return _Answer(process.returncode, _first_line(errors) or f"git ended with {process.returncode}")


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in variables.items() if name not in _FOREIGN}
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
