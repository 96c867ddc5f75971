"""A pool of workers: kept up, restarted without a gap, and ended with nothing left."""

import os
import pty
import re
import signal
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.lihil_cli.commands.serving import DEADLINE_S, Launch, get, has_no_escapes_or_tracebacks, open_websocket
from tests.lihil_cli.commands.stage import begun

RESTARTED = "every worker is a new one"


class Visitors:
    """Threads that open one connection after the other; `failures` is what did not get an answer."""

    def __init__(self, address: str, count: int = 3) -> None:
        self.failures: list[Exception] = []
        self.answers: list[bytes] = []
        self._address = address
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _visit(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers.append(get(self._address))
            except OSError as error:
                self.failures.append(error)

    def leave(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)


def test_a_restart_serves_new_code_and_answers_every_connection_meanwhile(launch: Launch, stage: Path) -> None:
    project = stage.parent / "pyproject.toml"
    project.write_text("[tool.lihil]\nworkers = 2\nport = 0\n")
    server = launch("run")
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/") as websocket:
        visitors = Visitors(server.address)
        stage.write_text(stage.read_text().replace("str(os.getpid()))", "'new code')"))
        project.write_text("[tool.lihil]\nworkers = 1\nport = 1\n")
        server.tell(signal.SIGHUP, group=False)
        server.wait_for("1 worker from now on")
        visitors.leave()
        with pytest.raises(ConnectionClosed):
            websocket.recv(DEADLINE_S)
        assert (websocket.close_code, websocket.close_reason) == (1012, "reload")
    assert visitors.failures == []
    assert b"new code" in visitors.answers
    assert {get(server.address) for _ in range(10)} == {b"new code"}
    assert f"note: port stays 0; 1 ({project}) takes a new start" in server.said
    assert f"workers is 1 from now on ({project}), and was 2" in server.said
    server.wait_for("shut down ", times=2)
    server.tell(signal.SIGTERM, group=False)
    assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_restart_that_cannot_be_served_leaves_the_former_workers(launch: Launch, stage: Path) -> None:
    server = launch("run", "--workers", "2", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    project = stage.parent / "pyproject.toml"
    project.write_text("[tool.lihil]\ndrain = 'x'\n")
    server.tell(signal.SIGHUP, group=False)
    server.wait_for("nobody is restarted")
    assert f"error: {project}: [tool.lihil] drain takes seconds" in server.said
    project.unlink()
    good = stage.read_text()
    stage.write_text("def app(:\n")
    server.tell(signal.SIGHUP, group=False)
    server.wait_for("the restart is given up: a new worker cannot serve; the former ones go on")
    assert "error: main:app cannot be imported" in server.said
    assert get(server.address).isdigit()
    stage.write_text(good)
    server.tell(signal.SIGHUP, group=False)
    server.wait_for(RESTARTED)
    assert has_no_escapes_or_tracebacks(server.said)


def test_workers_that_die_again_and_again_are_replaced_ever_later(launch: Launch, stage: Path) -> None:
    server = launch("run", "--workers", "2", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    victim = int(get(server.address))
    os.kill(victim, signal.SIGKILL)
    server.wait_for(f"worker {victim} ended by signal 9; starting another")
    assert int(get(server.address)) != victim
    for _ in range(3):
        with pytest.raises(OSError):  # noqa: PT011 - whichever way a connection breaks
            urllib.request.urlopen(f"http://{server.address}/die", timeout=DEADLINE_S).read()
    server.wait_for("with exit code 9; starting another", times=3)
    server.wait_for("with exit code 9; starting another in 1 s")
    assert get(server.address).isdigit()


def test_a_first_worker_that_hangs_is_killed_and_ends_the_pool_with_1(launch: Launch, stage: Path) -> None:
    stage.write_text("import time\ntime.sleep(3600)\n")
    server = launch("run", "--workers", "2", "--port", "0", "--start-timeout", "0.5")
    assert server.ends() == 1
    assert re.fullmatch(r"worker \d+ did not serve within 0.5 s; killed\n", server.said)


def test_a_worker_whose_event_loop_stands_still_is_replaced_and_one_that_was_stopped_is_not(
    launch: Launch, stage: Path
) -> None:
    server = launch("run", "--workers", "2", "--port", "0", "--hang-timeout", "1.5")
    server.wait_for("Ctrl-C stops it")
    stopped = int(get(server.address))
    os.kill(stopped, signal.SIGSTOP)
    with begun(server.address, "/block"):
        server.wait_for("has not turned its event loop for 1.5 s (hang_timeout) and stands at main.py:")
        server.wait_for("by signal 9; starting another")
    os.kill(stopped, signal.SIGCONT)
    assert get(server.address).isdigit()
    assert f"worker {stopped} " not in server.said


def test_a_worker_that_hears_nothing_any_more_is_killed_at_the_end(launch: Launch, stage: Path) -> None:
    server = launch("run", "--workers", "2", "--port", "0", "--drain", "0.1")
    server.wait_for("Ctrl-C stops it")
    pid = int(get(server.address))
    os.kill(pid, signal.SIGSTOP)
    server.tell(signal.SIGTERM, group=False)
    server.wait_for(f"worker {pid} did not end; killed")
    assert server.ends() == 143


def test_a_stop_while_workers_start_ends_them_too(launch: Launch, stage: Path) -> None:
    stage.write_text("print('importing', flush=True)\nimport time\ntime.sleep(3600)\n")
    server = launch("run", "--workers", "2", "--port", "0")
    server.wait_for("importing")
    server.tell(signal.SIGTERM, group=False)
    assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said)


def test_a_terminal_that_is_closed_ends_the_pool_instead_of_restarting_it(stage: Path) -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(stage.parent)
        os.execv(sys.executable, [sys.executable, "-m", "lihil_cli", "run", "--workers", "2", "--port", "0"])
    said = b""
    while b"Ctrl-C stops it" not in said:
        said += os.read(terminal, 65_536)
    os.kill(pid, signal.SIGHUP)  # with a terminal there, it is an order to restart
    while RESTARTED.encode() not in said:
        said += os.read(terminal, 65_536)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
