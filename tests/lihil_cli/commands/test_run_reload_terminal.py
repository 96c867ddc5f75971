"""`lihil run --reload` in front of a person, and what other programs may ask it."""

import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import termios
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.lihil_cli.commands.serving import (
    BARE_APP,
    DEADLINE_S,
    Launch,
    Running,
    get,
    launching,
    open_websocket,
    until,
)

pytestmark = pytest.mark.xdist_group("run_reload_terminal")  # which share a server

LIHIL_APP = """\
from lihil import Lihil, Route, Text, WebSocket, WebSocketRoute

rooms, site = WebSocketRoute("rooms/{name}"), Route("/site")

@site.get
async def page(limit: int = 1) -> Text:
    return "page"

@rooms.ws_handler
async def talk(ws: WebSocket, name: str) -> None:
    await ws.accept()
    await ws.send_text("open")
    async for text in ws:
        assert text != "boom", "no booms"

app = Lihil(site, rooms)
"""


# A shell's part: the terminal becomes that of the new session, or it would have no foreground.
_TAKES_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "lihil_cli", "run", "--reload", "--port", "0"])
"""


class Terminal:
    """A server on a pseudo-terminal, as its person sees it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.near, far = pty.openpty()
        self.before = termios.tcgetattr(far)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKES_TERMINAL],
            cwd=folder,
            env=environ,
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        self.far = far
        self._shown = b""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while chunk := os.read(self.near, 65536):
                with self._news:
                    self._shown += chunk
                    self._news.notify_all()

    @property
    def shown(self) -> str:
        return self._shown.decode()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        with self._news:
            seen = self._news.wait_for(lambda: self.shown.count(text) >= times, DEADLINE_S)
        assert seen, f"{text!r} did not come; this did:\n{self.shown}"

    @property
    def address(self) -> str:
        found = re.search(r"http://([\d.:]+)", self.shown)
        assert found is not None
        return found.group(1)

    def press(self, keys: str) -> None:
        os.write(self.near, keys.encode())


@pytest.fixture
def terminal(bare_app: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    environ = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    started = Terminal(bare_app.parent, environ | {"TERM": "xterm"} | getattr(request, "param", {}))
    yield started
    with suppress(ProcessLookupError):
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait()


def test_keys_show_restart_and_quit_and_leave_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.wait_for("keys: r restart, w WebSockets, q quit, ? help")
    terminal.wait_for("Ctrl-C stops it")
    terminal.press("?")
    terminal.wait_for("r restart   w open WebSockets   q quit")
    terminal.press("w")
    terminal.wait_for("no open WebSockets")
    with open_websocket(terminal.address, "/idle?a=%1b[31m"):
        terminal.press("w")
        terminal.wait_for("1 open WebSocket\r\n")
        assert re.search(r"[0-9a-f]{12}  127\.0\.0\.1:\d+  /idle\?a=", terminal.shown)
        terminal.press("r")
        terminal.wait_for("restarted")
        terminal.wait_for("generation 2")
    until(lambda: "Z" not in states_of_children(terminal.process.pid))
    assert "\x1b[31m[" not in terminal.shown
    assert "\x1b[32mrestarted" in terminal.shown
    terminal.press("q")
    assert terminal.process.wait(DEADLINE_S) == 0
    assert termios.tcgetattr(terminal.far) == terminal.before


def states_of_children(pid: int) -> str:
    """Their letters as in ps(1): Z is one that has ended, and nobody has asked how."""
    states = ""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError):  # gone by now
            states += Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0]
    return states


def test_a_terminal_that_hangs_up_ends_it_and_is_left_as_it_was(terminal: Terminal) -> None:
    terminal.wait_for("Ctrl-C stops it")
    os.kill(terminal.process.pid, signal.SIGHUP)
    assert terminal.process.wait(DEADLINE_S) == 143
    assert termios.tcgetattr(terminal.far) == terminal.before


def test_a_debugger_stops_where_it_is_asked_for_and_has_the_keyboard_until_it_lets_go(
    terminal: Terminal, bare_app: Path
) -> None:
    terminal.wait_for("Ctrl-C stops it")
    for number, call in enumerate(("breakpoint()", "import pdb; pdb.set_trace()"), 2):
        bare_app.write_text(BARE_APP.replace('    if scope["type"] == "websocket"', f"    {call}\n    if 0"))
        terminal.wait_for(f"generation {number}")
        shown = len(terminal.shown)
        answers: list[bytes] = []
        client = threading.Thread(target=lambda answers=answers: answers.append(get(terminal.address)))
        client.start()
        terminal.wait_for("(Pdb)", times=2 * number - 3)
        assert re.search(r"^> .*main\.py\(\d+\)app\(\)", terminal.shown[shown:], re.MULTILINE)
        terminal.press("p 6 * 7, 'q'\n")
        terminal.wait_for("(42, 'q')", times=number - 1)
        terminal.press("c\n")
        client.join(DEADLINE_S)
        assert answers == [b"VERSION"]
        until(lambda: reads_keys(terminal))
    bare_app.write_text("breakpoint()\n" + BARE_APP)
    terminal.wait_for("(Pdb)", times=5)
    terminal.press("import os; os._exit(3)\n")
    terminal.wait_for("the worker ended with exit code 3")
    until(lambda: reads_keys(terminal))
    terminal.press("q")
    assert terminal.process.wait(DEADLINE_S) == 0


def reads_keys(terminal: Terminal) -> bool:
    """Whether a key is read at once; while nobody prompts, that is by the server."""
    return not termios.tcgetattr(terminal.far)[3] & termios.ICANON


@pytest.mark.parametrize("terminal", [{"NO_COLOR": "1"}], indirect=True)
def test_no_color_means_no_escapes_at_all(terminal: Terminal, bare_app: Path) -> None:
    terminal.wait_for("Ctrl-C stops it")
    bare_app.write_text("import fooo\n")
    terminal.wait_for("waiting for a change")
    bare_app.write_text(BARE_APP)
    terminal.wait_for("generation 2")
    terminal.press("\x03")
    assert terminal.process.wait(DEADLINE_S) == 0
    assert "\x1b" not in terminal.shown


@pytest.fixture(scope="module")
def lihil_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all who only look, and for those who save a file, which come last."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "main.py").write_text(LIHIL_APP)
    with launching(folder) as launch:
        server = launch("run", "--reload", "--port", "0")
        server.wait_for("Ctrl-C stops it")
        yield server


def test_the_banner_names_url_routes_and_how_code_is_loaded(lihil_server: Running) -> None:
    lines = lihil_server.said.splitlines()
    assert lines[0] == "lihil serves main:app"
    assert lines[2:4] == ["  GET    /site", "  WS     /rooms/{name}"]
    assert lines[4].startswith("  reload by ")


def test_a_websocket_is_a_line_when_it_opens_and_one_when_it_ends(lihil_server: Running) -> None:
    with open_websocket(lihil_server.address, "/rooms/x?a=%1b%5b31m"):
        lihil_server.wait_for('"WebSocket /rooms/x?a=%1b%5b31m" [accepted]')
    lihil_server.wait_for('"WebSocket /rooms/x?a=%1b%5b31m" [closed 1000 after ')
    get(lihil_server.address, "/site")
    lihil_server.wait_for('"GET /site HTTP/1.1" 200')


def ask(server: Running, path: str, token: str | None) -> tuple[int, object]:
    request = urllib.request.Request(f"http://{server.address}{path}")
    if token is not None:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_failure_of_a_handler_can_be_looked_up_by_who_has_the_token(lihil_server: Running) -> None:
    token = str(lihil_server.record["token"])
    with open_websocket(lihil_server.address, "/rooms/x") as websocket:
        assert websocket.response is not None
        connection = websocket.response.headers["x-lihil-conn"]
        assert ask(lihil_server, f"/_lihil/errors/{connection}", token)[0] == 404
        websocket.send("boom")
        with pytest.raises(ConnectionClosed):
            websocket.recv(DEADLINE_S)
    status, found = ask(lihil_server, f"/_lihil/errors/{connection}", token)
    assert status == 200
    assert found == {
        "connection": connection,
        "route": "/rooms/x",
        "handler": "talk",
        "exception": "AssertionError: no booms",
        "frames": [{"file": "main.py", "line": 14, "function": "talk", "source": 'assert text != "boom", "no booms"'}],
    }
    for stranger in (None, "", "wrong"):
        assert ask(lihil_server, f"/_lihil/errors/{connection}", stranger)[0] == 404
        assert ask(lihil_server, "/_lihil/dev", stranger)[0] == 404
    assert ask(lihil_server, "/_lihil/", token)[0] == 404
    assert ask(lihil_server, "/_lihil/dev", token)[0] == 200


def test_a_refused_handshake_has_an_id_as_well(lihil_server: Running) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{lihil_server.address}/nowhere", proxy=None):
        pass
    assert refused.value.response.status_code == 404
    assert re.fullmatch("[0-9a-f]{12}", refused.value.response.headers["x-lihil-conn"])


def test_nothing_of_this_exists_without_reload(launch: Launch, bare_app: Path) -> None:
    bare_app.write_text(LIHIL_APP)
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    assert ask(server, "/_lihil/dev", str(server.record["token"]))[0] == 404
    with open_websocket(server.address, "/rooms/x") as websocket:
        assert websocket.response is not None
        assert "x-lihil-conn" not in websocket.response.headers
    assert not (server.folder / ".lihil" / "schema.json").exists()


def test_the_schema_is_what_the_routes_command_prints_and_follows_the_code(lihil_server: Running) -> None:
    file = lihil_server.folder / ".lihil" / "schema.json"
    until(file.exists)
    printed = subprocess.run(
        [sys.executable, "-m", "lihil_cli", "routes", "--json"],
        cwd=lihil_server.folder,
        capture_output=True,
        check=True,
    )
    assert json.loads(file.read_text()) == json.loads(printed.stdout)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (lihil_server.folder / "main.py").write_text(LIHIL_APP.replace("/site", "/home"))
    until(lambda: "/home" in file.read_text())
    # And that it was loaded is one line, with files and milliseconds.
    assert re.search(r"^reloaded main\.py in \d+ ms, generation 2$", lihil_server.said, re.MULTILINE)
    assert lihil_server.record["changed"] == ["main.py"]
