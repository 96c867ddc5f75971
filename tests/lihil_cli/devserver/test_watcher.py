import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from lihil_cli.devserver.processes import Event, Events
from lihil_cli.devserver.watcher import Watcher, forget_bytecode


@contextmanager
def watching(root: Path) -> Iterator[Events]:
    events: Events = SimpleQueue()
    watcher = Watcher(root, events)
    try:
        watcher.wait_until_watching()
        yield events
    finally:
        watcher.stop()


def changed_names(event: Event) -> set[str]:
    return {Path(path).name for path in getattr(event, "paths", ())}


@pytest.mark.parametrize("name", ["main.py", "package/deep.py"])
def test_a_written_source_file_is_reported(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    with watching(tmp_path) as events:
        file.write_text("x = 1")
        assert file.name in changed_names(events.get(timeout=60))


def test_a_removed_source_file_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text("")
    with watching(tmp_path) as events:
        file.unlink()
        assert changed_names(events.get(timeout=60)) == {"main.py"}


@pytest.mark.parametrize("name", ["notes.md", "__pycache__/main.py", ".venv/lib/x.py", ".lihil/x.py", ".git/x.py"])
def test_what_is_no_source_of_the_users_is_passed_over(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with watching(tmp_path) as events:
        file.write_text("x = 1")
        (tmp_path / "main.py").write_text("x = 1")
        seen = set[str]()
        while "main.py" not in seen:
            seen |= changed_names(events.get(timeout=60))
    assert seen == {"main.py"}


def test_a_watch_that_cannot_be_set_up_is_a_failure_not_a_wait(tmp_path: Path) -> None:
    code = """
import queue, resource, sys, watchfiles
from pathlib import Path
from lihil_cli.devserver.watcher import Watcher

resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
watcher = Watcher(Path(sys.argv[1]), queue.SimpleQueue())
watcher.wait_until_watching()
watcher.stop()
print(watcher.failure)
"""
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert "Too many open files" in ran.stdout


def test_cached_bytecode_is_removed_and_its_absence_is_fine(tmp_path: Path) -> None:
    source = tmp_path / "main.py"
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir()
    cached.write_bytes(b"")
    forget_bytecode(str(source))
    assert not cached.exists()
    forget_bytecode(str(source))
