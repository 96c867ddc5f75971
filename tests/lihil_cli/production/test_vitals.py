import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lihil_cli.production.vitals import Vitals, is_debugged, is_stopped, place_of

ROOT = Path(__file__).resolve().parents[3]


def ask(vitals: Vitals, alive: asyncio.Event) -> list[str]:
    """The places that were told, by another thread, as the parent's words are heard in one."""
    told: list[str] = []
    thread = threading.Thread(target=vitals.probe, args=(alive.set, told.append))
    thread.start()
    thread.join()
    return told


def test_an_event_loop_that_turns_answers_every_time() -> None:
    async def main() -> None:
        vitals = Vitals(asyncio.get_running_loop(), ROOT)
        for _ in range(2):
            alive = asyncio.Event()
            assert ask(vitals, alive) == []
            await alive.wait()

    asyncio.run(main())


def test_one_that_does_not_turn_tells_where_it_stands() -> None:
    async def main() -> None:
        vitals = Vitals(asyncio.get_running_loop(), ROOT)
        alive = asyncio.Event()
        assert ask(vitals, alive) == []
        (place,) = ask(vitals, alive)  # nothing has been awaited since
        assert place.startswith("tests/lihil_cli/production/test_vitals.py:")
        assert place.endswith(", in ask")
        await alive.wait()

    asyncio.run(main())


def test_a_place_is_told_by_the_users_own_code_where_there_is_some() -> None:
    frame = sys._getframe()
    assert place_of(frame, ROOT).endswith(", in test_a_place_is_told_by_the_users_own_code_where_there_is_some")
    assert place_of(frame, Path("/elsewhere")).startswith(f"{__file__}:")
    assert place_of(None, ROOT) == ""


def test_a_debugger_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_debugged()
    monkeypatch.setitem(sys.modules, "pydevd", sys)
    assert is_debugged()


@pytest.mark.parametrize("has_proc", [True, False])
def test_a_process_that_somebody_has_stopped_is_told_from_one_that_runs(
    has_proc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_proc:  # as on macOS, where ps is asked
        if shutil.which("ps") is None:
            pytest.skip("needs ps")
        monkeypatch.setattr("lihil_cli.production.vitals.Path", lambda path: Path("/nowhere"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not is_stopped(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert is_stopped(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    assert not is_stopped(process.pid)
