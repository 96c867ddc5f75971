import os
import re
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from lihil_cli.main import run as run_command
from tests.lihil_cli.commands.serving import (
    BARE_APP,
    DEADLINE_S,
    LIFESPAN_FAILS,
    SETUP_FAILS,
    THREAD_STAYS,
    Launch,
    get,
    has_no_escapes_or_tracebacks,
    open_websocket,
    taken_port,
    until,
)


def test_it_serves_says_where_and_ctrl_c_ends_it_with_0(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert "lihil serves main:app" in server.said
    assert get(server.address) == b"VERSION"
    record, file = server.record, server.folder / ".lihil" / "dev.json"
    assert f"{record['host']}:{record['port']}" == server.address
    assert (record["pid"], record["app"], record["generation"]) == (server.process.pid, "main:app", 1)
    assert len(str(record["token"])) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)
    assert not file.exists()


def test_one_ctrl_c_is_enough_with_handlers_that_wait_for_something_else(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0", "--reload")
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/idle") as idle, open_websocket(server.address, "/never") as never:
        server.tell(signal.SIGINT)
        assert server.ends() == 0
        for websocket in (idle, never):
            with pytest.raises(ConnectionClosed):
                websocket.recv(DEADLINE_S)
    assert has_no_escapes_or_tracebacks(server.said)
    assert not (server.folder / ".lihil" / "dev.json").exists()


def test_sigterm_to_the_parent_alone_ends_everything_with_143(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--port", "0", "--reload")
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
        "if '--multiprocessing-fork' in sys.orig_argv or 'devserver.zygote' in ' '.join(sys.orig_argv):\n"
        "    print('coming to life', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    path = os.pathsep.join([str(start_up), os.environ.get("PYTHONPATH", "")])
    server = launch("run", "--port", "0", *mode, PYTHONPATH=path, is_measured=False)
    server.wait_for("coming to life")
    until((server.folder / ".lihil" / "dev.json").exists)
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
    blind = tmp_path_factory.mktemp("site")  # a system whose inotify(7) is at its limit, max_user_watches
    (blind / "sitecustomize.py").write_text(
        "import ctypes, os\n"
        "class Libc:\n"
        "    def inotify_init1(self, flags): return os.open(os.devnull, os.O_RDONLY)\n"
        "    def inotify_add_watch(self, *given): return -1\n"
        "ctypes.CDLL = lambda *given, **options: Libc()\n"
        "ctypes.get_errno = lambda: 28\n"
    )
    server = launch(
        "run", "--reload", "--port", "0", PYTHONPATH=os.pathsep.join([str(blind), os.environ.get("PYTHONPATH", "")])
    )
    assert server.ends() == 1
    assert "cannot be watched: the limit of watches is reached (fs.inotify.max_user_watches)" in server.said
    assert server.said.splitlines()[-1] == "hint: run it with --no-reload"


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


NO_SUPPLIER = ["error: the app's start-up failed", "main.py:5: talk(thing): nothing provides", "    fix: "]
NO_DATABASE = ["error: the app's start-up failed", "  main.py:4", "    raise OSError", "  OSError: no data"]


@pytest.mark.parametrize(
    ("mode", "source", "lines"),
    [
        ([], "def app(:\n", ["error: main:app cannot be imported", "  main.py:1", "    def app(:"]),
        ([], "import sys\nsys.exit(3)\n", ["error: main:app cannot be imported", "  main.py:2"]),
        ([], "", ["error: main:app is not there: "]),
        ([], LIFESPAN_FAILS, NO_DATABASE),
        ([], THREAD_STAYS, ["error: main:app is not there: "]),
        (
            [],
            SETUP_FAILS,
            ["error: the app's start-up failed", "main.py:5: talk(thing): nothing provides", "    fix: "],
        ),
        (["--workers", "2"], THREAD_STAYS + LIFESPAN_FAILS, ["error: the app's start-up failed", "  main.py:6"]),
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
    ("arguments", "environ", "message"),
    [
        (["--reload", "--workers", "2"], {}, "reload (--reload) and 2 workers (--workers) exclude each other"),
        (["--reload"], {"LIHIL_WORKERS": "3"}, "reload (--reload) and 3 workers (LIHIL_WORKERS) exclude each other"),
        (["--reload", "--drain", "5"], {}, "drain (--drain) does nothing with reload (--reload)"),
        (
            ["--hang-timeout", "5"],
            {"LIHIL_RELOAD": "1"},
            "hang_timeout (--hang-timeout) does nothing with reload (LIHIL_",
        ),
        (["--port", "70000"], {}, "--port takes a whole number from 0 to 65535, not 70000"),
        (["--log-level", "loud"], {}, "--log-level takes one of critical, error,"),
        (["--log-level", ""], {}, "--log-level takes one of critical, error,"),
        (["--json"], {}, "--json belongs to --show-settings"),
        (["--drain", "4000"], {}, "--drain takes seconds from 0 to 3600, not 4000.0"),
        ([], {"LIHIL_START_TIMEOUT": "0"}, "LIHIL_START_TIMEOUT takes seconds from 0.1 to 3600, not 0.0"),
        (["--hang-timeout", "0.5"], {}, "--hang-timeout takes seconds from 1 to 3600, or 0, not 0.5"),
        (["--env-file", "absent"], {}, "env file {folder}/absent cannot be read: No such file or directory"),
        (["--root-path", "x"], {}, "--root-path takes a path such as '/api'"),
        (["--uds-mode", "rwx"], {}, "--uds-mode takes an octal mode"),
    ],
)
def test_wrong_use_ends_with_2_and_one_line_that_names_its_source(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environ: dict[str, str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert run_command(["run", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message.format(folder=tmp_path)}")


def test_a_name_that_is_none_of_an_app_ends_with_2(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "main")
    assert server.ends() == 2
    assert server.said.startswith("error: APP is written module:attribute, not 'main'")


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
