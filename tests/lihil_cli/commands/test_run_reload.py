"""`lihil run --reload`: which changes are loaded, how often, and what clients notice of it."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.lihil_cli.commands.serving import (
    BARE_APP,
    DEADLINE_S,
    Launch,
    Running,
    get,
    has_no_escapes_or_tracebacks,
    open_websocket,
    until,
)


def version(text: str) -> str:
    return BARE_APP.replace("VERSION", text)


def replace_file(path: Path, text: str) -> None:
    """As most editors save: beside it, then in its place."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)


def reloads(server: Running) -> list[str]:
    return [line for line in server.said.splitlines() if line.startswith(("reloaded ", "restarted "))]


@pytest.fixture
def followed(launch: Launch, bare_app: Path) -> Running:
    """A server that has told which files its app is made of: main.py, helper.py and a package."""
    (bare_app.parent / "helper.py").write_text("text = 'helper'\n")
    (bare_app.parent / "package").mkdir()
    (bare_app.parent / "package" / "__init__.py").write_text("from . import part\n")
    (bare_app.parent / "package" / "part.py").write_text("")
    bare_app.write_text("import helper, package\n" + BARE_APP)
    server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
    server.wait_for("Ctrl-C stops it")
    until(lambda: "package/part.py" in server.news["files"])
    return server


def test_what_is_no_code_of_the_app_is_not_loaded(followed: Running) -> None:
    folder = followed.folder
    os.utime(folder / "main.py")
    for name in (
        "page.html",
        "site.css",
        "data.json",
        "README.md",
        "unused.py",
        "tests/test_main.py",
        ".venv/lib/x.py",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")
    (folder / "unused.py").rename(folder / "unused2.py")
    (folder / "unused2.py").unlink()
    (folder / "package" / "part.py").write_text("x = 1\n")
    followed.wait_for("generation 2")
    assert [line.partition(" in ")[0] for line in reloads(followed)] == ["reloaded package/part.py"]
    assert get(followed.address) == b"VERSION"


def truncate_and_write(path: Path, text: str) -> None:
    path.write_text(text)


def write_in_two_parts(path: Path, text: str) -> None:
    with path.open("w") as stream:
        stream.write(text[:50] + "\ndef (")
        stream.flush()
        stream.seek(50)
        stream.truncate()
        stream.write(text[50:])


def save_like_vim(path: Path, text: str) -> None:
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    path.rename(f"{path}~")
    path.write_text(text)
    path.with_name(f"{path.name}~").unlink()


def save_like_an_ide(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}___jb_tmp___")
    beside.write_text(text)
    path.rename(f"{path}___jb_old___")
    beside.rename(path)
    path.with_name(f"{path.name}___jb_old___").unlink()


def test_every_way_to_save_a_file_is_one_reload(followed: Running) -> None:
    ways: list[Callable[[Path, str], None]] = [
        truncate_and_write,
        write_in_two_parts,
        save_like_vim,
        save_like_an_ide,
        replace_file,
    ]
    for number, save in enumerate(ways, 2):
        save(followed.folder / "main.py", version(f"v{number}"))
        followed.wait_for(f"generation {number}\n")
        assert get(followed.address) == f"v{number}".encode()
    assert len(reloads(followed)) == len(ways)
    assert "error" not in followed.said.lower()


def test_settings_are_one_reload_with_nothing_inherited(followed: Running) -> None:
    folder = followed.folder
    (folder / ".env").write_text("A=1\n")
    followed.wait_for("generation 2")
    (folder / "limits.toml").write_text("a = 1\n")
    followed.wait_for("generation 3")
    (folder / "pyproject.toml").write_text("[tool.lihil]\nworkres = 2\n")
    followed.wait_for("has no key 'workres'; did you mean 'workers'?")
    (folder / "pyproject.toml").write_text("[tool.lihil]\nworkers = 1\n")
    followed.wait_for("generation 4")
    assert len(reloads(followed)) == 3
    assert get(followed.address) == b"VERSION"


def test_a_checkout_of_two_hundred_files_is_one_reload(launch: Launch, bare_app: Path) -> None:
    names = [f"module_{number:03}" for number in range(200)]
    for name in names:
        (bare_app.parent / f"{name}.py").write_text("x = 1\n")
    bare_app.write_text("\n".join(f"import {name}" for name in names) + "\n" + BARE_APP)
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    until(lambda: len(server.news["files"]) == 201)
    (bare_app.parent / ".git").mkdir()
    lock = bare_app.parent / ".git" / "index.lock"
    lock.touch()
    for name in names:
        replace_file(bare_app.parent / f"{name}.py", "x = 2\n")
    lock.unlink()
    server.wait_for("generation 2")
    assert get(server.address) == b"VERSION"
    assert len(reloads(server)) == 1
    assert "module_000.py, module_001.py, module_002.py and 197 more in" in reloads(server)[0]


def test_of_edits_that_overtake_each_other_the_last_one_is_served(followed: Running) -> None:
    main = followed.folder / "main.py"
    for number in range(30):
        replace_file(main, version(f"v{number}"))
        if number % 3 == 0:  # in the middle of its switch, or of its loading, or before either
            get(followed.address)
    until(lambda: get(followed.address) == b"v29")


def test_an_edit_of_the_same_size_in_the_same_second_is_served(launch: Launch, bare_app: Path) -> None:
    file = bare_app.parent / "texts.py"
    file.write_text("text = b'one'\n")
    bare_app.write_text("import texts\n" + BARE_APP.replace('b"VERSION"', "texts.text"))
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address) == b"one"
    written = file.stat()
    file.write_text("text = b'two'\n")
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    server.wait_for("generation 2")
    assert get(server.address) == b"two"


def test_a_new_module_is_loaded_when_it_is_imported_and_one_that_was_missed_when_it_appears(followed: Running) -> None:
    folder = followed.folder
    (folder / "fresh.py").write_text("text = b'fresh'\n")
    optional = "try:\n    import local_settings\nexcept ImportError:\n    pass\n"
    replace_file(folder / "main.py", f"import fresh\n{optional}" + BARE_APP.replace('b"VERSION"', "fresh.text"))
    followed.wait_for("generation 2")
    assert get(followed.address) == b"fresh"
    until(lambda: "fresh.py" in followed.news["files"])
    (folder / "local_settings.py").write_text("import fresh\nfresh.text = b'local'\n")
    followed.wait_for("generation 3")
    assert get(followed.address) == b"local"
    until(lambda: "local_settings.py" in followed.news["files"])
    (folder / "fresh.py").rename(folder / "fresher.py")
    replace_file(folder / "main.py", "import fresher\n" + BARE_APP.replace('b"VERSION"', "fresher.text"))
    until(lambda: get(followed.address) == b"fresh")


def test_a_folder_that_is_moved_away_and_back_is_followed(followed: Running) -> None:
    package, aside = followed.folder / "package", followed.folder.parent / f"{followed.folder.name}-aside"
    package.rename(aside)
    followed.wait_for("waiting for a change to try again")
    aside.rename(package)
    followed.wait_for("generation 2")
    (package / "part.py").write_text("x = 2\n")
    followed.wait_for("generation 3")


def test_nobody_is_refused_while_code_is_loaded(followed: Running) -> None:
    answers: list[bytes | OSError] = []
    is_over = threading.Event()

    def keep_asking() -> None:
        while not is_over.is_set():
            try:
                answers.append(get(followed.address))
            except OSError as error:
                answers.append(error)

    clients = [threading.Thread(target=keep_asking) for _ in range(3)]
    for client in clients:
        client.start()
    for number in range(2, 8):
        replace_file(followed.folder / "main.py", version(f"v{number}"))
        followed.wait_for(f"generation {number}\n")
    is_over.set()
    for client in clients:
        client.join(DEADLINE_S)
    assert [answer for answer in answers if isinstance(answer, OSError)] == []
    assert answers[-1] == b"v7"


def test_nothing_that_is_open_holds_up_a_reload(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    with ExitStack() as open_things:
        told = [open_things.enter_context(open_websocket(server.address, path)) for path in ("/idle", "/never")]
        streams = [open_things.enter_context(server.connect()) for _ in range(3)]
        for stream, path in zip(streams, ("/sse", "/slow", "/dead"), strict=True):
            stream.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        server.wait_for("slow has begun")
        assert streams[0].recv(100)
        replace_file(bare_app, version("v2"))
        server.wait_for("generation 2")
        assert get(server.address) == b"v2"
        for websocket in told:
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(DEADLINE_S)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "reload")
    server.wait_for("closed 2 WebSockets with 1012 reload")
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_request_that_was_accepted_is_answered_by_the_code_that_accepted_it(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    with server.connect() as early:
        early.sendall(b"GET /short HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        server.wait_for("short has begun")
        replace_file(bare_app, version("v2"))
        server.wait_for("generation 2")
        assert b"VERSION" in early.makefile("rb").read()
    assert get(server.address) == b"v2"
