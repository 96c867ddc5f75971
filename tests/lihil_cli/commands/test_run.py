import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

BARE_APP = """\
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "open"})
        while scope["path"] == "/never":
            await asyncio.sleep(3600)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION"})
"""
LIFESPAN_FAILS = """\
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise OSError("no database")
"""
SETUP_FAILS = """\
from lihil import Lihil, WebSocket, WebSocketRoute

rooms = WebSocketRoute("rooms/{name}")

@rooms.ws_handler
async def talk(ws: WebSocket, name: str, thing: object) -> None:
    await ws.accept()

app = Lihil(rooms)
"""
DEADLINE_S = 60


class Running:
    """One `lihil ...` process; what it writes is collected as it comes."""

    def __init__(self, arguments: list[str], folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lihil_cli", *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that a signal to the group reaches what a Ctrl-C would reach
        )
        self._said = bytearray()
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while chunk := os.read(stream.fileno(), 65536):
                with self._news:
                    self._said += chunk
                    self._news.notify_all()

    @property
    def said(self) -> str:
        return self._said.decode()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Return once `text` has been written that many times; fail with all that was written otherwise."""
        with self._news:
            seen = self._news.wait_for(lambda: self.said.count(text) >= times, DEADLINE_S)
        assert seen, f"{text!r} did not come; this did:\n{self.said}"

    @property
    def record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / ".lihil" / "dev.json").read_text())
        return found

    @property
    def address(self) -> str:
        """host:port, once it listens."""
        self.wait_for("http://")
        return self.said.partition("http://")[2].split()[0]

    def tell(self, signum: int, *, group: bool = True) -> None:
        if group:
            os.killpg(self.process.pid, signum)
        else:
            os.kill(self.process.pid, signum)

    def ends(self) -> int:
        """The exit code, once the process has ended and all that it wrote is here."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        return code

    @property
    def is_silent(self) -> bool:
        """Whether every process that could write here has ended, the workers included."""
        return not self._reader.is_alive()


Launch = Callable[..., Running]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start `lihil ARGUMENTS` in `tmp_path`, in a session of its own; all that is left of it is killed at the end."""
    started: list[Running] = []

    def start(*arguments: str, **environ: str) -> Running:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIHIL_")}
        started.append(Running(list(arguments), tmp_path, inherited | environ))
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


def get(address: str, path: str = "/") -> bytes:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=DEADLINE_S) as answer:
        body: bytes = answer.read()
        return body


@contextmanager
def open_websocket(address: str, path: str) -> Iterator[ClientConnection]:
    """A WebSocket whose handler is known to have begun."""
    with connect(f"ws://{address}{path}", open_timeout=DEADLINE_S, proxy=None) as websocket:
        assert websocket.recv(DEADLINE_S) == "open"
        yield websocket


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def has_no_escapes_or_tracebacks(text: str) -> bool:
    return "\x1b" not in text and "Traceback" not in text


def test_it_serves_and_ctrl_c_ends_it_with_0(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert "lihil serves main:app" in server.said
    assert get(server.address) == b"VERSION"
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


@pytest.mark.parametrize("mode", [["--no-reload"], ["--reload"], ["--workers", "2"]])
def test_one_ctrl_c_is_enough_with_handlers_that_wait_for_something_else(
    launch: Launch, bare_app: Path, mode: list[str]
) -> None:
    server = launch("run", "--port", "0", *mode)
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/idle") as idle, open_websocket(server.address, "/never") as never:
        server.tell(signal.SIGINT)
        assert server.ends() == 0
        for websocket in (idle, never):
            with pytest.raises(ConnectionClosed):
                websocket.recv(DEADLINE_S)
    assert has_no_escapes_or_tracebacks(server.said)
    assert not (server.folder / ".lihil" / "dev.json").exists()


@pytest.mark.parametrize("mode", [["--no-reload"], ["--reload"], ["--workers", "2"]])
def test_sigterm_to_the_parent_alone_ends_everything_with_143(launch: Launch, bare_app: Path, mode: list[str]) -> None:
    server = launch("run", "--port", "0", *mode)
    server.wait_for("Ctrl-C stops it")
    server.tell(signal.SIGTERM, group=False)
    assert server.ends() == 143  # which needs every process that holds the pipe to have ended
    assert has_no_escapes_or_tracebacks(server.said)
    assert not (server.folder / ".lihil" / "dev.json").exists()


@pytest.mark.parametrize("mode", [["--reload"], ["--workers", "2"]])
def test_no_worker_outlives_a_parent_that_was_killed(launch: Launch, bare_app: Path, mode: list[str]) -> None:
    server = launch("run", "--port", "0", *mode)
    server.wait_for("Ctrl-C stops it")
    server.tell(signal.SIGKILL, group=False)
    assert server.ends() == -signal.SIGKILL
    assert server.is_silent


def test_a_signal_while_the_app_is_imported_ends_it_too(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("import time\nprint('importing', flush=True)\ntime.sleep(3600)\n")
    server = launch("run", "--port", "0")
    server.wait_for("importing")
    server.tell(signal.SIGTERM)
    assert server.ends() == 143
    server = launch("run", "--port", "0")
    server.wait_for("importing")
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


@pytest.mark.parametrize("mode", [["--reload"], ["--workers", "2"]])
def test_ctrl_c_before_a_worker_has_come_to_life_is_quiet(
    launch: Launch, bare_app: Path, tmp_path_factory: pytest.TempPathFactory, mode: list[str]
) -> None:
    start_up = tmp_path_factory.mktemp("site")  # what the interpreter of a worker runs first
    (start_up / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if '--multiprocessing-fork' in sys.orig_argv:\n"
        "    print('coming to life', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    path = os.pathsep.join([str(start_up), os.environ.get("PYTHONPATH", "")])
    server = launch("run", "--port", "0", *mode, PYTHONPATH=path)
    server.wait_for("coming to life")
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


def test_an_app_that_leaves_by_itself_ends_the_server_with_its_code(launch: Launch, bare_app: Path) -> None:
    leaving = "import sys\n" + BARE_APP.replace(
        "        await receive()\n",
        "        asyncio.get_running_loop().call_soon(sys.exit, 4)\n        await receive()\n",
    )
    bare_app.write_text(leaving)
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    with suppress(ConnectionClosed, OSError, EOFError), open_websocket(server.address, "/idle"):
        pass
    assert server.ends() == 4


def test_a_project_that_cannot_be_watched_says_so(
    launch: Launch, bare_app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    blind = tmp_path_factory.mktemp("site")  # a watch that fails as one does at the limit of inotify(7)
    (blind / "watchfiles.py").write_text(
        "class Change: added = 1\n"
        "class DefaultFilter:\n    ignore_dirs = ()\n    def __init__(self, **options): pass\n"
        "def watch(*roots, **options): raise OSError('the limit of watches is reached')\n"
    )
    server = launch(
        "run", "--reload", "--port", "0", PYTHONPATH=os.pathsep.join([str(blind), os.environ.get("PYTHONPATH", "")])
    )
    assert server.ends() == 1
    assert "cannot be watched: the limit of watches is reached" in server.said
    assert server.said.splitlines()[-1] == "hint: run it with --no-reload"


def test_the_record_tells_other_commands_where_the_server_is(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    record = server.record
    assert f"{record['host']}:{record['port']}" == server.address
    assert (record["pid"], record["app"], record["generation"]) == (server.process.pid, "main:app", 1)
    assert len(str(record["token"])) >= 32
    file = server.folder / ".lihil" / "dev.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server.tell(signal.SIGINT)
    server.ends()
    assert not file.exists()


def test_a_folder_that_takes_no_record_is_noted_and_served_from(launch: Launch, bare_app: Path) -> None:
    (bare_app.parent / ".lihil").write_text("in the way")
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert "note: .lihil/dev.json cannot be written" in server.said
    assert get(server.address) == b"VERSION"


def test_a_taken_port_is_one_line_and_a_way_out(launch: Launch, bare_app: Path) -> None:
    with taken_port() as port:
        server = launch("run", "--port", str(port))
        assert server.ends() == 3
    error, hint = server.said.splitlines()
    assert error.startswith(f"error: 127.0.0.1:{port} is in use")
    assert hint == f"hint: --port {port + 1}, or --port 0 for any free one"


def test_a_port_is_looked_at_before_the_app(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("print('imported')")
    with taken_port() as port:
        server = launch("run", "--port", str(port))
        assert server.ends() == 3
    assert "imported" not in server.said


@pytest.mark.parametrize("mode", [["--no-reload"], ["--workers", "2"]])
@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def app(:\n", ["error: main:app cannot be imported", "  main.py:1", "    def app(:"]),
        ("import sys\nsys.exit(3)\n", ["error: main:app cannot be imported", "  main.py:2"]),
        ("", ["error: main:app is not there: "]),
        (
            LIFESPAN_FAILS,
            ["error: the app's start-up failed", "  main.py:4", "    raise OSError", "  OSError: no data"],
        ),
        (SETUP_FAILS, ["error: the app's start-up failed", "main.py:5: talk(thing): nothing provides", "    fix: "]),
    ],
)
def test_an_app_that_cannot_be_served_is_explained_and_ends_with_1(
    launch: Launch, bare_app: Path, mode: list[str], source: str, lines: list[str]
) -> None:
    bare_app.write_text(source)
    server = launch("run", "--port", "0", *mode)
    assert server.ends() == 1
    assert has_no_escapes_or_tracebacks(server.said)
    assert server.said.count("error: ") == 1
    for line in lines:
        assert re.search(f"^{re.escape(line)}", server.said, re.MULTILINE)
    assert not (server.folder / ".lihil" / "dev.json").exists()


def test_a_worker_carries_nothing_of_the_command_line(launch: Launch, bare_app: Path) -> None:
    answer = "' '.join(m for m in ('typer', 'rich', 'httpx', 'lihil_cli.main') if m in sys.modules).encode()"
    bare_app.write_text("import sys\n" + BARE_APP.replace('b"VERSION"', answer))
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert get(server.address) == b""


def test_a_lihil_app_is_announced_with_a_way_to_talk_to_it(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text(SETUP_FAILS.replace("thing: object", "limit: int = 1"))
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert "\n  lihil ws-test '/rooms/{name}'\n" in server.said


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


def test_a_reload_gets_past_open_websockets_and_refuses_no_client(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/idle"), open_websocket(server.address, "/never"):
        bare_app.write_text(BARE_APP.replace("VERSION", "second!"))
        server.wait_for("changed: main.py")
        assert get(server.address) in {b"VERSION", b"second!"}  # waits in the socket's queue if it has to
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


def test_a_dead_worker_of_a_pool_is_replaced_and_told(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("import os\n" + BARE_APP.replace('b"VERSION"', "str(os.getpid()).encode()"))
    server = launch("run", "--workers", "2", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert "\n  2 workers\n" in server.said
    victim = int(get(server.address))
    os.kill(victim, signal.SIGKILL)
    server.wait_for(f"worker {victim} ended by signal 9; starting another")
    assert int(get(server.address)) != victim


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--reload", "--workers", "2"], {}, "reload (--reload) and 2 workers (--workers) exclude each other"),
        (["--reload"], {"LIHIL_WORKERS": "3"}, "reload (--reload) and 3 workers (LIHIL_WORKERS) exclude each other"),
        (["--port", "70000"], {}, "--port takes a whole number from 0 to 65535, not 70000"),
        (["--log-level", "loud"], {}, "--log-level takes one of critical, error,"),
        (["main"], {}, "APP is written module:attribute, not 'main'"),
    ],
)
def test_wrong_use_ends_with_2(
    launch: Launch, bare_app: Path, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    server = launch("run", *arguments, **environ)
    assert server.ends() == 2
    assert server.said.startswith(f"error: {message}")


def test_settings_come_from_the_project_file_and_the_environment(launch: Launch, bare_app: Path) -> None:
    (bare_app.parent / "web").mkdir()
    bare_app.rename(bare_app.parent / "web" / "site.py")
    (bare_app.parent / "pyproject.toml").write_text('[tool.lihil]\napp = "web.site:app"\nport = 1\n')
    server = launch("run", LIHIL_PORT="0")
    server.wait_for("Ctrl-C stops it")
    assert "lihil serves web.site:app" in server.said
    assert get(server.address) == b"VERSION"


def test_listening_for_others_is_warned_of_and_still_shows_a_url_to_open(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--host", "0.0.0.0", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert server.said.startswith("warning: listening on 0.0.0.0: ")
    assert server.address.startswith("127.0.0.1:")
    assert get(server.address) == b"VERSION"


def test_what_a_client_sends_reaches_the_terminal_harmless(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), DEADLINE_S) as client:
        client.sendall(b"GET /%1b[31m?q=%0d\xe2\x80\xae HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while client.recv(4096):
            pass
    with open_websocket(server.address, "/idle%1b%0aINFO%20forged"):
        pass
    assert get(server.address, "/last") == b"VERSION"
    server.wait_for("/last")
    assert '"WebSocket /idle%1B%0AINFO%20forged" [accepted]' in server.said
    assert has_no_escapes_or_tracebacks(server.said)
    assert "\u202e" not in server.said


def test_a_quieter_log_leaves_requests_out(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0", "--log-level", "WARNING")
    server.wait_for("Ctrl-C stops it")
    get(server.address)
    server.tell(signal.SIGINT)
    server.ends()
    assert "GET /" not in server.said
