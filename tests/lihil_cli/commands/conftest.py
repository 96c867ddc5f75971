"""What the tests of `lihil run` start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import BARE_APP, Launch, launching, taken_port
from tests.lihil_cli.commands.stage import STAGE


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start `lihil ARGUMENTS` in `tmp_path`, in a session of its own; all that is left of it is killed at the end."""
    with launching(tmp_path) as start:
        yield start


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
