"""`lihil run --reload`, edit by edit."""

import os
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import (
    BARE_APP,
    LIFESPAN_FAILS,
    Launch,
    get,
    has_no_escapes_or_tracebacks,
    open_websocket,
)


@pytest.mark.parametrize(
    ("broken", "shown"),
    [
        ("def app(:\n", "SyntaxError: invalid syntax"),
        ("import fooo\n", "ModuleNotFoundError: No module named 'fooo'"),
        ("import sys; sys.exit(3)\n", "sys.exit(3) was called"),
        ("", "error: main:app is not there"),
        (LIFESPAN_FAILS, "OSError: no database"),
        ("import os; os._exit(9)\n", "the worker ended with exit code 9; "),
    ],
)
def test_a_broken_edit_is_shown_and_the_mended_one_served(
    launch: Launch, bare_app: Path, broken: str, shown: str
) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    bare_app.write_text(broken)
    server.wait_for(shown)
    server.wait_for("waiting for a change to try again")
    told = server.said.partition("changed: main.py; loading\n")[2].splitlines()
    assert len(told) <= 13
    bare_app.write_text(BARE_APP.replace("VERSION", "mended"))
    server.wait_for("ready, generation 3")
    assert get(server.address) == b"mended"
    assert server.record["generation"] == 3
    assert has_no_escapes_or_tracebacks(server.said)


def test_an_app_that_is_broken_from_the_start_is_served_once_it_is_mended(launch: Launch, bare_app: Path) -> None:
    source = bare_app.read_text()
    bare_app.write_text("def app(:\n")
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("waiting for a change to try again")
    assert "http://" not in server.said
    bare_app.write_text(source)
    server.wait_for("Ctrl-C stops it")
    assert get(server.address) == b"VERSION"


def test_a_reload_gets_past_open_websockets(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/idle"), open_websocket(server.address, "/never"):
        bare_app.write_text(BARE_APP.replace("VERSION", "second!"))
        server.wait_for("ready, generation 2")
        assert get(server.address) == b"second!"
    assert has_no_escapes_or_tracebacks(server.said)


def test_an_edit_of_the_same_size_in_the_same_second_is_served(launch: Launch, bare_app: Path) -> None:
    (bare_app.parent / "texts.py").write_text("text = b'one'\n")
    bare_app.write_text("import texts\n" + BARE_APP.replace('b"VERSION"', "texts.text"))
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address) == b"one"
    file = bare_app.parent / "texts.py"
    written = file.stat()
    file.write_text("text = b'two'\n")
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    server.wait_for("ready, generation 2")
    assert get(server.address) == b"two"


def test_files_that_are_no_code_are_not_followed(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    (bare_app.parent / "notes.md").write_text("# Notes")
    (bare_app.parent / "later.py").write_text("")  # seen after it, so that the first one is known to be passed over
    server.wait_for("ready, generation 2")
    assert "changed: later.py; loading" in server.said
    assert "notes.md" not in server.said


def test_a_folder_that_is_moved_into_the_project_is_followed(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    staged = bare_app.parent.parent / f"{bare_app.parent.name}-staged"
    staged.mkdir()
    (staged / "module.py").write_text("")
    staged.rename(bare_app.parent / "package")
    server.wait_for("ready, generation 2")
    assert "changed: package; loading" in server.said
