"""What the tests of `lihil run` start from."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import BARE_APP, Launch, Running, taken_port
from tests.lihil_cli.commands.stage import STAGE


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start `lihil ARGUMENTS` in `tmp_path`, in a session of its own; all that is left of it is killed at the end."""
    started: list[Running] = []

    def start(*arguments: str, pass_fds: Sequence[int] = (), is_measured: bool = True, **environ: str) -> Running:
        left_out = ("LIHIL_",) if is_measured else ("LIHIL_", "COVERAGE_PROCESS_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        if is_measured and any(key.startswith("COVERAGE_PROCESS_") for key in inherited):
            inherited["LIHIL_RELOAD_MODE"] = "fork"  # where coverage is measured for its own sake it would be cold
        started.append(Running(list(arguments), tmp_path, inherited | environ, pass_fds))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.tell(signal.SIGINT)
            running.ends()
        with suppress(ProcessLookupError):
            running.tell(signal.SIGKILL)


@pytest.fixture
def bare_app(tmp_path: Path) -> Path:
    """`main.py` in `tmp_path`: an ASGI application that answers with its version and keeps WebSockets open."""
    file = tmp_path / "main.py"
    file.write_text(BARE_APP)
    return file


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on just now."""
    with taken_port() as port:
        return port


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """`main.py` in `tmp_path`: an ASGI application with a path for each way of being in the way of an end."""
    file = tmp_path / "main.py"
    file.write_text(STAGE)
    return file
