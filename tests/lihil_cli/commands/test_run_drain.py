"""How a production server ends: everything is told, what is short is finished, and nothing lasts longer than it may."""

import asyncio
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.lihil_cli.commands.serving import DEADLINE_S, Launch, get, has_no_escapes_or_tracebacks, open_websocket
from tests.lihil_cli.commands.stage import begun, rest

MODES = [["--workers", "1"], ["--workers", "2"]]
WAITING = ["slow", "events", "much"]  # which a cancellation ends
STUBBORN = ["stubborn", "thread"]  # which nothing ends but the process's own end
BLOCKING = ["block"]  # with which the event loop itself stands still
BLOCKERS = pytest.mark.parametrize("paths", [WAITING, STUBBORN, BLOCKING], ids="-".join)


@pytest.mark.parametrize("mode", MODES)
def test_requests_under_way_are_finished_and_websockets_told(launch: Launch, stage: Path, mode: list[str]) -> None:
    server = launch("run", "--port", "0", "--drain", "3600", *mode)
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/") as websocket, begun(server.address, "/short") as client:
        server.tell(signal.SIGTERM, group=False)
        with pytest.raises(ConnectionClosed):
            websocket.recv(DEADLINE_S)
        assert (websocket.close_code, websocket.close_reason) == (1001, "the server is stopping")
        assert b"and done" in rest(client)
    assert server.ends() == 143
    assert "shut down " in server.said
    assert has_no_escapes_or_tracebacks(server.said), server.said


@pytest.mark.parametrize("mode", MODES)
@BLOCKERS
def test_the_bound_of_a_stop_is_kept_whoever_is_in_the_way(
    launch: Launch, stage: Path, mode: list[str], paths: list[str]
) -> None:
    server = launch("run", "--port", "0", "--drain", "0.4", *mode)
    server.wait_for("Ctrl-C stops it")
    with ExitStack() as open_ones:
        for path in paths:
            open_ones.enter_context(begun(server.address, f"/{path}"))
        server.tell(signal.SIGTERM, group=False)
        assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said), server.said
    assert not (server.folder / ".lihil" / "dev.json").exists()


@pytest.mark.parametrize("mode", MODES)
@BLOCKERS
def test_one_ctrl_c_does_not_wait_for_the_bound(launch: Launch, stage: Path, mode: list[str], paths: list[str]) -> None:
    server = launch("run", "--port", "0", "--drain", "3600", *mode)
    server.wait_for("Ctrl-C stops it")
    with open_websocket(server.address, "/"), ExitStack() as open_ones:
        for path in paths:
            open_ones.enter_context(begun(server.address, f"/{path}"))
        server.tell(signal.SIGINT)
        assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said), server.said
    assert not (server.folder / ".lihil" / "dev.json").exists()


@pytest.mark.parametrize("mode", MODES)
def test_a_ctrl_c_hurries_a_stop_that_takes_its_time(launch: Launch, stage: Path, mode: list[str]) -> None:
    server = launch("run", "--port", "0", "--drain", "3600", *mode)
    server.wait_for("Ctrl-C stops it")
    with begun(server.address, "/slow"), begun(server.address, "/short") as short:
        server.tell(signal.SIGTERM, group=False)
        assert b"and done" in rest(short)  # and so the stop is under way
        server.tell(signal.SIGINT, group=False)
        assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said), server.said


def test_a_lifespan_that_does_not_end_is_left(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--drain", "0.4", STAGE_SHUTDOWN="endless")
    server.wait_for("Ctrl-C stops it")
    server.tell(signal.SIGTERM, group=False)
    assert server.ends() == 143
    assert has_no_escapes_or_tracebacks(server.said), server.said


def test_cancelled_handlers_are_told_of(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--drain", "1")
    server.wait_for("Ctrl-C stops it")
    with begun(server.address, "/slow"):
        server.tell(signal.SIGTERM)
        assert server.ends() == 143
    assert "1 handler(s) had not ended after 0.75 s: cancelled" in server.said


def test_each_of_many_websockets_is_told(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--drain", "3600")
    server.wait_for("Ctrl-C stops it")

    async def crowd() -> list[tuple[int | None, str | None]]:
        clients = [await connect(f"ws://{server.address}/", proxy=None, open_timeout=DEADLINE_S) for _ in range(60)]
        assert {await client.recv() for client in clients} == {"open"}
        server.tell(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*(client.wait_closed() for client in clients)), DEADLINE_S)
        return [(client.close_code, client.close_reason) for client in clients]

    assert set(asyncio.run(crowd())) == {(1001, "the server is stopping")}
    assert server.ends() == 143


def test_a_second_ctrl_c_does_not_wait_for_the_lifespan(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--drain", "3600", STAGE_SHUTDOWN="endless")
    server.wait_for("Ctrl-C stops it")
    with begun(server.address, "/slow") as client:
        server.tell(signal.SIGINT)
        rest(client)  # which ends when the handlers have been cancelled
        server.tell(signal.SIGINT)
        assert server.ends() == 0
    assert has_no_escapes_or_tracebacks(server.said), server.said
    assert not (server.folder / ".lihil" / "dev.json").exists()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("moment", ["import", "start", "shutdown exit"])
def test_signals_at_unlucky_moments_are_quiet(launch: Launch, stage: Path, mode: list[str], moment: str) -> None:
    """In a finalizer, whose exceptions the interpreter prints and drops; and once more in its own end."""
    unlucky = (
        "class Unlucky:\n"
        "    def __del__(self):\n"
        "        for number in (signal.SIGINT, signal.SIGTERM):\n"
        "            os.kill(os.getpid(), number)\n"
        "            time.sleep(0)\n"
        f"def reach(moment):\n    if moment in {moment.split()!r}: Unlucky()\n"
    )
    source = stage.read_text().replace("\nHEAD", f"\nimport atexit, signal\n{unlucky}reach('import')\nHEAD", 1)
    source = source.replace(
        "        message = await receive()\n",
        "        message = await receive()\n        reach(message['type'][9:].replace('startup', 'start'))\n",
        1,
    )
    if moment == "shutdown exit":  # a handler of the app's own is no obstacle
        source = source.replace("reach('import')", "signal.signal(signal.SIGTERM, lambda *given: None)", 1)
    stage.write_text(f"{source}\natexit.register(reach, 'exit')\n")
    server = launch("run", "--port", "0", *mode)
    if moment == "shutdown exit":
        server.wait_for("Ctrl-C stops it")
        server.tell(signal.SIGTERM, group=False)
    ended_by_worker = mode == MODES[1] and moment != "shutdown exit"
    assert server.ends() == (1 if ended_by_worker else 0 if moment != "shutdown exit" else 143)
    assert has_no_escapes_or_tracebacks(server.said), server.said
    assert "ignored" not in server.said
    assert not (server.folder / ".lihil" / "dev.json").exists()


def test_a_closed_terminal_ends_a_single_process_as_sigterm_does(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0")
    server.wait_for("Ctrl-C stops it")
    server.tell(signal.SIGHUP)
    assert server.ends() == 143
    assert "shut down " in server.said


def test_a_worker_told_by_somebody_else_ends_gracefully_and_is_replaced(launch: Launch, stage: Path) -> None:
    server = launch("run", "--port", "0", "--workers", "2")
    server.wait_for("Ctrl-C stops it")
    pid = int(get(server.address))
    os.kill(pid, signal.SIGTERM)
    server.wait_for(f"worker {pid} ended with exit code 0; starting another")
    assert f"shut down {pid}" in server.said
