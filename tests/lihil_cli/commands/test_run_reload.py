"""`lihil run --reload`: which changes are loaded, how often, and what clients notice of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
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
    launching,
    open_websocket,
    until,
)

pytestmark = pytest.mark.xdist_group("run_reload")  # which share a server


def version(text: str) -> str:
    return BARE_APP.replace("VERSION", text)


def replace_file(path: Path, text: str) -> None:
    """As most editors save: beside it, then in its place."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)


FOLLOWED_APP = "import helper, package\n" + BARE_APP


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all that only save files."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "helper.py").write_text("text = 'helper'\n")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("from . import part\n")
    (folder / "package" / "part.py").write_text("")
    (folder / "main.py").write_text(FOLLOWED_APP)
    with launching(folder) as launch:
        server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
        server.wait_for("Ctrl-C stops it")
        yield server


class Followed:
    """A server that has told which files its app is made of: main.py, helper.py and a package."""

    def __init__(self, server: Running, version: str) -> None:
        self.server = server
        self.folder = server.folder
        self.address = server.address
        replace_file(server.folder / "main.py", FOLLOWED_APP.replace("VERSION", version))
        until(lambda: get(self.address) == version.encode())
        until(lambda: "package/part.py" in self.files)
        self._generation = server.news["generation"]
        server.wait_for(f"generation {self._generation}\n")
        self._mark = len(server.said)

    @property
    def files(self) -> list[str]:
        found: list[str] = self.server.news["files"]
        return found

    @property
    def said(self) -> str:
        """What was said since this was made."""
        return self.server.said[self._mark :]

    @property
    def reloads(self) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith(("reloaded ", "restarted "))]

    def wait_for_reload(self, number: int = 1) -> None:
        """Return once so many have followed."""
        self.server.wait_for(f"generation {self._generation + number}\n")


@pytest.fixture
def followed(shared: Running, request: pytest.FixtureRequest) -> Followed:
    return Followed(shared, f"VERSION for {request.node.name}")


def test_what_is_no_code_of_the_app_is_not_loaded(followed: Followed) -> None:
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
    followed.wait_for_reload()
    assert [line.partition(" in ")[0] for line in followed.reloads] == ["reloaded package/part.py"]
    assert get(followed.address).startswith(b"VERSION")


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


def test_every_way_to_save_a_file_is_one_reload(followed: Followed) -> None:
    ways: list[Callable[[Path, str], None]] = [
        truncate_and_write,
        write_in_two_parts,
        save_like_vim,
        save_like_an_ide,
        replace_file,
    ]
    for number, save in enumerate(ways, 1):
        save(followed.folder / "main.py", version(f"v{number}"))
        followed.wait_for_reload(number)
        assert get(followed.address) == f"v{number}".encode()
    assert len(followed.reloads) == len(ways)
    assert "error" not in followed.said.lower()


def test_settings_are_one_reload_with_nothing_inherited(followed: Followed) -> None:
    folder = followed.folder
    (folder / ".env").write_text("A=1\n")
    followed.wait_for_reload()
    (folder / "limits.toml").write_text("a = 1\n")
    followed.wait_for_reload(2)
    assert len(followed.reloads) == 2
    assert get(followed.address).startswith(b"VERSION")


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
    told = [line for line in server.said.splitlines() if line.startswith("reloaded ")]
    assert len(told) == 1
    assert "module_000.py, module_001.py, module_002.py and 197 more in" in told[0]


def test_of_edits_that_overtake_each_other_the_last_one_is_served(followed: Followed) -> None:
    main = followed.folder / "main.py"
    for number in range(30):
        replace_file(main, version(f"v{number}"))
        if number % 3 == 0:  # in the middle of its switch, or of its loading, or before either
            get(followed.address)
    until(lambda: get(followed.address) == b"v29")


def test_an_edit_of_the_same_size_in_the_same_second_is_served(followed: Followed) -> None:
    file = followed.folder / "texts.py"
    file.write_text("text = b'one'\n")
    replace_file(followed.folder / "main.py", "import texts\n" + BARE_APP.replace('b"VERSION"', "texts.text"))
    followed.wait_for_reload()
    assert get(followed.address) == b"one"
    until(lambda: "texts.py" in followed.files)
    written = file.stat()
    file.write_text("text = b'two'\n")
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    followed.wait_for_reload(2)
    assert get(followed.address) == b"two"


def test_a_new_module_is_loaded_when_it_is_imported_and_one_that_was_missed_when_it_appears(followed: Followed) -> None:
    folder = followed.folder
    (folder / "fresh.py").write_text("text = b'fresh'\n")
    optional = "try:\n    import local_settings\nexcept ImportError:\n    pass\n"
    replace_file(folder / "main.py", f"import fresh\n{optional}" + BARE_APP.replace('b"VERSION"', "fresh.text"))
    followed.wait_for_reload()
    assert get(followed.address) == b"fresh"
    until(lambda: "fresh.py" in followed.files)
    (folder / "local_settings.py").write_text("import fresh\nfresh.text = b'local'\n")
    followed.wait_for_reload(2)
    assert get(followed.address) == b"local"
    until(lambda: "local_settings.py" in followed.files)
    (folder / "fresh.py").rename(folder / "fresher.py")
    replace_file(folder / "main.py", "import fresher\n" + BARE_APP.replace('b"VERSION"', "fresher.text"))
    until(lambda: get(followed.address) == b"fresh")


def test_what_a_handler_imports_is_followed_as_well(followed: Followed) -> None:
    main, lazy = followed.folder / "main.py", followed.folder / "lazy.py"
    for number, text in enumerate((b"one", b"two"), 1):
        lazy.write_text(f"text = {text!r}\n")
        if number == 1:
            replace_file(main, BARE_APP.replace('b"VERSION"', '__import__("lazy").text'))
        followed.wait_for_reload(number)
        until(lambda: followed.files == ["main.py"])  # which is all that was imported at the start
        assert get(followed.address) == text
        until(lambda: "lazy.py" in followed.files)
    assert len(followed.reloads) == 2


def test_a_folder_that_is_moved_away_and_back_is_followed(followed: Followed) -> None:
    package, aside = followed.folder / "package", followed.folder.parent / f"{followed.folder.name}-aside"
    package.rename(aside)
    until(lambda: "waiting for a change to try again" in followed.said)
    aside.rename(package)
    followed.wait_for_reload()
    (package / "part.py").write_text("x = 2\n")
    followed.wait_for_reload(2)


def test_nobody_is_refused_while_code_is_loaded(followed: Followed) -> None:
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
    for number in range(1, 8):
        replace_file(followed.folder / "main.py", version(f"v{number}"))
        followed.wait_for_reload(number)
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


def test_a_request_that_was_accepted_is_answered_by_the_code_that_accepted_it(followed: Followed) -> None:
    server = followed.server
    with server.connect() as early:
        early.sendall(b"GET /short HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        server.wait_for("short has begun")
        replace_file(followed.folder / "main.py", version("v2"))
        followed.wait_for_reload()
        assert b"VERSION" in early.makefile("rb").read()
    assert get(server.address) == b"v2"
