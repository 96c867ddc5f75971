"""`lihil run --reload` when something goes wrong: broken code, things that only one can have, processes that die."""

import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.lihil_cli.commands.serving import (
    BARE_APP,
    DEADLINE_S,
    LIFESPAN_FAILS,
    Launch,
    Running,
    get,
    has_no_escapes_or_tracebacks,
    open_websocket,
    until,
)

BROKEN = {
    "def app(:\n": ("SyntaxError: invalid syntax", ["  main.py:1", "    def app(:", "            ^"]),
    "x = 1\nimport fooo\n": ("ModuleNotFoundError: No module named 'fooo'", ["  main.py:2", "    import fooo"]),
    "x = {}\ny = x['key']\n": ("KeyError: 'key'", ["  main.py:2", "    y = x['key']", "        ^^^^^^^^"]),
    "import sys; sys.exit(3)\n": ("sys.exit(3) was called", ["  main.py:1"]),
    LIFESPAN_FAILS: ("OSError: no database", ["  main.py:4", '    raise OSError("no database")']),
    "": ("main:app is not there", []),
    "import os; os._exit(9)\n": ("the worker ended with exit code 9 while it loaded the code", []),
    "raise ValueError('\\n'.join('abcdefghijklmnopqrstuvwxyz'))\n": ("more lines", ["  main.py:1"]),
}


def error_file(server: Running) -> Path:
    return server.folder / ".lihil" / "reload_error.json"


def knows_of(server: Running, record: dict[str, object]) -> bool:
    return bool(server.news["error"] == record)


def test_a_broken_edit_changes_nothing_and_is_explained_and_the_mended_one_is_served(
    launch: Launch, bare_app: Path
) -> None:
    server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
    server.wait_for("Ctrl-C stops it")
    served = b"VERSION"
    for number, (source, (summary, lines)) in enumerate(BROKEN.items(), 1):
        with open_websocket(server.address, "/idle") as websocket:
            before = len(server.said)
            bare_app.write_text(source)
            server.wait_for(f"generation {number} goes on serving; waiting for a change to try again")
            told = server.said[before:]
            assert summary in told
            assert len(told.splitlines()) <= 12
            for line in lines:
                assert f"\n{line}" in told
            record = json.loads(error_file(server).read_text())
            assert record["generation"] == number + 1
            assert record["files"] == ["main.py"]
            assert told.startswith(record["text"])
            assert "\n" not in record["summary"]
            until(partial(knows_of, server, record))
            assert get(server.address) == served
            websocket.ping().wait(60)
            bare_app.write_text(BARE_APP.replace("VERSION", f"mended {number}"))
            server.wait_for(f"generation {number + 1}\n")
            server.wait_for("closed 1 WebSocket with 1012 reload\n", times=number)  # which comes when it has ended
        served = f"mended {number}".encode()
        assert get(server.address) == served
        assert not error_file(server).exists()
        assert server.record["generation"] == number + 1
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


EXCLUSIVE = """\
import socket

async def started():
    global held
    held = socket.socket()
    held.bind(("127.0.0.1", PORT))
    held.listen()

async def stopped():
    held.close()
"""


def exclusive(port: int, version: str) -> str:
    """An app whose lifespan takes a port."""
    source = EXCLUSIVE.replace("PORT", str(port)) + BARE_APP.replace("VERSION", version)
    call = '            await (started if message["type"] == "lifespan.startup" else stopped)()\n'
    return source.replace(
        '            await send({"type": message["type"]', call + '            await send({"type": message["type"]'
    )


def test_what_only_one_lifespan_can_have_goes_over_to_the_new_one(
    launch: Launch, bare_app: Path, free_port: int
) -> None:
    bare_app.write_text(exclusive(free_port, "v1"))
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    bare_app.write_text(exclusive(free_port, "v2"))
    server.wait_for("generation 2")
    assert get(server.address) == b"v2"
    bare_app.write_text(exclusive(int(server.address.rpartition(":")[2]), "v3"))
    server.wait_for("generation 2 goes on serving")
    assert "Address already in use" in server.said
    assert get(server.address) == b"v2"  # its lifespan was ended for the attempt, and taken up again


BLOCKING = """
    if scope["path"] == "/block":
        import time
        print("blocked", flush=True)
        time.sleep(3600)
"""


def blocking(version: str) -> str:
    """An app with a request that keeps the event loop from everything else, and a lifespan that takes leave slowly."""
    source = BARE_APP.replace("VERSION", version).replace('    if scope["path"] == "/short":', BLOCKING[1:-1], 1)
    slow = '            if message["type"] == "lifespan.shutdown":\n                await asyncio.sleep(1)\n'
    slow += '                print("shut down", flush=True)\n'
    return source.replace(
        '            await send({"type": message["type"]', slow + '            await send({"type": message["type"]'
    )


def test_an_event_loop_that_is_blocked_holds_up_nothing_and_a_lifespan_that_is_slow_is_waited_for(
    launch: Launch, bare_app: Path
) -> None:
    bare_app.write_text(blocking("v1"))
    server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
    with server.connect() as connection:
        connection.sendall(b"GET /block HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.wait_for("blocked\n")
        bare_app.write_text(blocking("v2"))
        server.wait_for("generation 2\n")
    assert "the worker did not close its door in time: something blocks its event loop; it was killed\n" in server.said
    assert "shut down" not in server.said
    assert get(server.address) == b"v2"
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert server.said.endswith("shut down\n")
    assert has_no_escapes_or_tracebacks(server.said)


def test_an_interpreter_that_is_missing_for_a_while_costs_one_reload(launch: Launch, bare_app: Path) -> None:
    environment = bare_app.parent / "environment"
    environment.symlink_to(sys.prefix)
    python = environment / Path(sys.executable).relative_to(sys.prefix)
    server = launch("run", "--reload", "--reload-mode", "cold", "--port", "0", python=str(python), is_measured=False)
    server.wait_for("Ctrl-C stops it")
    environment.unlink()
    bare_app.write_text(BARE_APP.replace("VERSION", "v2"))
    server.wait_for(f"no process could be started to load the code: {python}: No such file or directory\n")
    server.wait_for("generation 1 goes on serving; waiting for a change to try again")
    assert get(server.address) == b"VERSION"
    environment.symlink_to(sys.prefix)
    bare_app.write_text(BARE_APP.replace("VERSION", "v3"))
    server.wait_for("generation 2\n")
    assert get(server.address) == b"v3"
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_worker_that_is_killed_is_replaced_and_told_in_one_line(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("import os\n" + BARE_APP.replace('b"VERSION"', "str(os.getpid()).encode()"))
    server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
    server.wait_for("Ctrl-C stops it")
    victim = int(get(server.address))
    os.kill(victim, signal.SIGKILL)
    server.wait_for("a new worker serves, generation 2")
    assert server.said.splitlines()[-2:] == [
        "the worker ended by signal 9; starting another",
        "a new worker serves, generation 2",
    ]
    assert int(get(server.address)) != victim


def test_a_zygote_that_is_killed_is_missed_by_nobody(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("import os\n" + BARE_APP.replace('b"VERSION"', "str(os.getppid()).encode()"))
    server = launch("run", "--reload", "--reload-mode", "fork", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    os.kill(int(get(server.address)), signal.SIGKILL)  # before or after the spare is forked
    for number in (2, 3):
        bare_app.write_text("import os\n" + BARE_APP.replace('b"VERSION"', f"b'v{number}'"))
        server.wait_for(f"generation {number}\n")
        assert get(server.address) == f"v{number}".encode()


BUSY_WHEN_IMPORTED_AGAIN = """
import pathlib, time
mark = pathlib.Path(__file__).with_name("mark")
if mark.exists():
    print("busy", flush=True)
    time.sleep(3600)
mark.touch()
"""


@pytest.fixture
def busy_zygote(launch: Launch, bare_app: Path, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A server whose zygote does not get through the import of what the app has imported; it answers a worker's pid."""
    site = tmp_path_factory.mktemp("lib") / "site-packages"
    site.mkdir()
    (site / "heavy.py").write_text(BUSY_WHEN_IMPORTED_AGAIN)
    bare_app.write_text("import os, heavy\n" + BARE_APP.replace('b"VERSION"', "str(os.getpid()).encode()"))
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    server = launch("run", "--reload", "--reload-mode", "fork", "--port", "0", PYTHONPATH=path, is_measured=False)
    server.wait_for("busy\n")
    return server


def test_the_end_of_a_worker_is_noticed_while_the_zygote_is_busy(busy_zygote: Running) -> None:
    server = busy_zygote
    os.kill(int(get(server.address)), signal.SIGKILL)
    server.wait_for("; starting another\n")


def children_of(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def sleeps(pid: int) -> bool:
    """Whether a process is done with all that it was asked for."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells in /proc what processes do")
def test_a_spare_that_died_unseen_is_replaced_by_a_new_process(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text("import os\n" + BARE_APP.replace('b"VERSION"', 'f"{os.getppid()} {os.getpid()}".encode()'))
    server = launch("run", "--reload", "--reload-mode", "fork", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    zygote, worker = map(int, get(server.address).split())
    until(lambda: len(children_of(zygote)) == 2 and sleeps(zygote))
    (spare,) = set(children_of(zygote)) - {worker}
    server.tell(signal.SIGSTOP, group=False)  # it sees all of this at once
    os.kill(zygote, signal.SIGSTOP)  # which would tell
    os.kill(spare, signal.SIGKILL)
    bare_app.write_text(BARE_APP.replace("VERSION", "v2"))
    server.tell(signal.SIGCONT, group=False)
    server.wait_for("generation 2\n")
    os.kill(zygote, signal.SIGKILL)
    assert "error" not in server.said
    assert get(server.address) == b"v2"


@pytest.mark.parametrize("blocking", ["import time; time.sleep(3600)\n", ""])
def test_nothing_outlives_a_supervisor_that_is_killed(launch: Launch, bare_app: Path, blocking: str) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    if blocking:  # a worker that hears nothing, because it is busy
        bare_app.write_text("print('busy', flush=True)\n" + blocking)
        server.wait_for("busy")
    with open_websocket(server.address, "/never"):
        server.tell(signal.SIGKILL, group=False)
        assert server.ends() == -signal.SIGKILL  # which needs every process that holds the pipe to have ended
    assert server.is_silent
    with socket.create_server(("127.0.0.1", int(server.address.rpartition(":")[2]))):
        """The port is free again."""


def test_a_zygote_that_is_busy_does_not_outlive_a_supervisor_that_is_killed(busy_zygote: Running) -> None:
    busy_zygote.tell(signal.SIGKILL, group=False)
    assert busy_zygote.ends() == -signal.SIGKILL
    assert busy_zygote.is_silent


def test_a_standard_input_that_is_closed_is_no_other_file(bare_app: Path) -> None:
    command = [sys.executable, "-m", "lihil_cli", "run", "--reload", "--port", "0"]
    with subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        cwd=bare_app.parent,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        assert server.stderr is not None
        said = iter(server.stderr.readline, "")
        assert any("Ctrl-C stops it" in line for line in said)
        server.send_signal(signal.SIGCONT)  # upon which it looks whether the keyboard is its own again
        bare_app.write_text(BARE_APP.replace("VERSION", "v2"))
        assert any("generation 2" in line for line in said)
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE_S) == 143


def test_ctrl_c_ends_a_worker_that_is_busy_loading(launch: Launch, bare_app: Path) -> None:
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    bare_app.write_text("print('busy', flush=True)\nimport time; time.sleep(3600)\n")
    server.wait_for("busy")
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert not (server.folder / ".lihil" / "dev.json").exists()
    assert has_no_escapes_or_tracebacks(server.said)


@pytest.mark.parametrize("mode", ["standby", "cold"])
def test_it_works_without_forking(launch: Launch, bare_app: Path, mode: str) -> None:
    server = launch("run", "--reload", "--reload-mode", mode, "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert f"  reload by {mode}: " in server.said
    with open_websocket(server.address, "/never"):
        bare_app.write_text(BARE_APP.replace("VERSION", "v2"))
        server.wait_for("generation 2\n")
    assert get(server.address) == b"v2"
    bare_app.write_text("import fooo\n")
    server.wait_for("No module named 'fooo'")
    assert get(server.address) == b"v2"
    server.tell(signal.SIGINT)
    assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said)


@pytest.mark.parametrize(
    ("package", "source", "line"),
    [
        (
            "threaded",
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
            "reload by standby: the next worker is started ahead, because threaded starts a thread",
        ),
        ("gevent.monkey", "", "reload by cold: every worker starts anew, because the app uses gevent"),
    ],
)
def test_an_app_that_cannot_be_forked_gets_another_mode_and_is_told_why(
    launch: Launch, bare_app: Path, tmp_path_factory: pytest.TempPathFactory, package: str, source: str, line: str
) -> None:
    site = tmp_path_factory.mktemp("lib") / "site-packages"
    file = (site / package.replace(".", "/")).with_suffix(".py")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    bare_app.write_text(f"import {package}\n{BARE_APP}")
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    server = launch("run", "--reload", "--port", "0", PYTHONPATH=path, is_measured=False)
    server.wait_for(line)
    bare_app.write_text(f"import {package}\n{BARE_APP.replace('VERSION', 'v2')}")
    server.wait_for("generation 2\n")
    assert get(server.address) == b"v2"
    assert server.said.count("reload by") == 2


TRACED = "import os\nby, answer = os.getpid(), os.environ.get('ANSWER')\n"
SETTING = "import os\nos.environ['ANSWER'] = '42'\n"
TELLING = 'b"VERSION"', "str([part.by == os.getpid() for part in (early, late)] + [early.answer, late.answer]).encode()"


def test_what_the_app_imports_is_loaded_ahead_even_in_the_next_run_but_never_before_a_variable_that_it_waits_for(
    launch: Launch, bare_app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = tmp_path_factory.mktemp("lib") / "site-packages"
    site.mkdir()
    for name in ("early", "late"):
        (site / f"{name}.py").write_text(TRACED)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    app = BARE_APP.replace(*TELLING)
    bare_app.write_text(f"import early\n{SETTING}import late\n{app}")
    memory = bare_app.parent / ".lihil" / "packages.json"

    def start() -> Running:
        return launch("run", "--reload", "--reload-mode", "fork", "--port", "0", PYTHONPATH=path, is_measured=False)

    server = start()
    assert get(server.address) == b"[True, True, None, '42']"
    server.wait_for("note: the app sets ANSWER in main.py:3; what it imports behind that is not loaded ahead\n")
    until(memory.exists)
    assert json.loads(memory.read_text())["packages"] == ["early"]
    assert memory.stat().st_mode & 0o777 == 0o600
    server.tell(signal.SIGINT)
    assert server.ends() == 0

    server = start()
    assert get(server.address) == b"[False, True, None, '42']"
    bare_app.write_text(f"{SETTING}import early, late\n{app}")
    server.wait_for("generation 2\n")
    assert get(server.address) == b"[True, True, '42', '42']"


def test_a_name_of_the_users_stands_in_nobodys_way(launch: Launch, bare_app: Path) -> None:
    """What the server itself imports is never taken from the project."""
    (bare_app.parent / "uvicorn.py").write_text("raise RuntimeError('this is mine')\n")
    server = launch("run", "--reload", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    until(lambda: get(server.address) == b"VERSION")


def test_settings_that_change_are_followed_told_and_kept_from_serving_while_they_are_wrong(
    launch: Launch, bare_app: Path
) -> None:
    toml, extra = bare_app.parent / "pyproject.toml", bare_app.parent / "extra.vars"
    other = "import os\n" + BARE_APP.replace('b"VERSION"', 'os.environ["EXTRA"].encode()')
    (bare_app.parent / "other.py").write_text(other)
    server = launch("run", "--reload", "--port", "0", "--log-level", "warning")
    server.wait_for("Ctrl-C stops it")

    toml.write_text("[tool.lihil]\nhost = '0.0.0.0'\napp = 'other:app'\nenv_file = 'extra.vars'\n")
    bare_app.write_text(BARE_APP.replace("VERSION", "v2"))
    server.wait_for("extra.vars cannot be read: No such file or directory\n")
    server.wait_for("generation 1 goes on serving; waiting for a change to try again\n")
    until(lambda: (server.news["error"] or {}).get("files") == ["pyproject.toml", "main.py"])
    assert server.news["error"] == json.loads(error_file(server).read_text())
    assert server.news["error"]["summary"].endswith("extra.vars cannot be read: No such file or directory")
    assert (get(server.address), server.record["app"]) == (b"VERSION", "main:app")

    extra.write_text("EXTRA=one\n")
    server.wait_for(f"app is other:app from now on ({toml}), and was -\n")
    server.wait_for(f"note: host stays 127.0.0.1; 0.0.0.0 ({toml}) takes a new start\n")
    server.wait_for("reloaded pyproject.toml, main.py, extra.vars in")
    server.wait_for("generation 2\n")
    assert get(server.address) == b"one"
    assert server.record["app"] == server.news["app"] == "other:app"

    extra.write_text("EXTRA=two\n")
    server.wait_for("reloaded extra.vars in")
    server.wait_for("generation 3\n")
    assert get(server.address) == b"two"
    assert server.said.count("host stays") == 1
    assert has_no_escapes_or_tracebacks(server.said)
