import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lihil.server.drain import Drain
from lihil_cli.devserver.processes import Ended, Events, Ready, Stop, WorkerProcess, signals_as_events
from lihil_cli.loader import Target
from lihil_cli.serving.listener import chosen_port, open_listener
from lihil_cli.serving.server import Plan

WAITING = """
async def app(scope, receive, send):
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
"""

STUBBORN = """
import signal

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        while True:
            signal.pause()
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with open_listener("127.0.0.1", 0) as opened:
        yield opened


def plan(folder: Path, source: str, *, grace_s: float = 0.1) -> Plan:
    (folder / "stage.py").write_text(source)
    return Plan(Target("stage", "app", folder), "info", Drain(0.0, grace_s, grace_s, 3600.0), False)


def test_a_worker_tells_that_it_is_ready_and_that_it_has_ended(listener: socket.socket, tmp_path: Path) -> None:
    events: Events = SimpleQueue()
    worker = WorkerProcess(plan(tmp_path, "async def app(scope, receive, send): raise OSError"), listener, events)
    assert events.get(timeout=60) == Ready(worker.pid, ())
    worker.stop(signal.SIGTERM)
    assert events.get(timeout=60) == Ended(worker.pid, 0)
    worker.stop(signal.SIGTERM)  # a second time does no harm
    worker.tell(signal.SIGTERM)


def test_a_worker_that_cannot_serve_has_ended_with_1(
    listener: socket.socket, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: Events = SimpleQueue()
    worker = WorkerProcess(plan(tmp_path, "app = None"), listener, events)
    assert events.get(timeout=60) == Ended(worker.pid, 1)
    assert "error: stage:app is None, not an ASGI application" in capfd.readouterr().err


@pytest.mark.parametrize("is_replaced", [False, True])
def test_websockets_are_told_whether_another_worker_follows(
    is_replaced: bool, listener: socket.socket, tmp_path: Path
) -> None:
    events: Events = SimpleQueue()
    worker = WorkerProcess(plan(tmp_path, WAITING), listener, events)
    assert events.get(timeout=60) == Ready(worker.pid, ())
    with connect(f"ws://127.0.0.1:{chosen_port(listener)}/") as client:
        worker.replace() if is_replaced else worker.stop(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=60)
        told = (1012, "reload") if is_replaced else (1001, "the server is stopping")
        assert (client.close_code, client.close_reason) == told
    assert events.get(timeout=60) == Ended(worker.pid, 0)
    worker.replace()  # once it has ended, that does no harm


def test_a_worker_may_be_replaced_before_it_is_ready(listener: socket.socket, tmp_path: Path) -> None:
    events: Events = SimpleQueue()
    worker = WorkerProcess(plan(tmp_path, "import time\ntime.sleep(3600)"), listener, events)
    worker.replace()
    ended = events.get(timeout=60)
    assert isinstance(ended, Ended)


def test_a_worker_that_overstays_its_grace_is_killed(listener: socket.socket, tmp_path: Path) -> None:
    events: Events = SimpleQueue()
    worker = WorkerProcess(plan(tmp_path, STUBBORN, grace_s=-2.5), listener, events)
    assert events.get(timeout=60) == Ready(worker.pid, ())
    worker.stop(signal.SIGTERM)
    assert events.get(timeout=60) == Ended(worker.pid, -signal.SIGKILL)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_signals_become_events_and_their_handlers_come_back(signum: int, code: int) -> None:
    before = signal.getsignal(signum)
    events: Events = SimpleQueue()
    with signals_as_events(events):
        os.kill(os.getpid(), signum)
        stop = events.get(timeout=60)
    assert isinstance(stop, Stop)
    assert (stop.signum, stop.code) == (signum, code)
    assert signal.getsignal(signum) is before
