import asyncio
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from lihil_cli.wstest.network.loop import running


async def hold_on() -> None:
    """A handler that does not heed its cancellation."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def test_a_task_that_does_not_end_is_left_where_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    left: list[str] = []
    kept: list[asyncio.Task[None]] = []

    async def work() -> int:
        kept.append(asyncio.create_task(hold_on()))
        await asyncio.to_thread(bool)  # a thread that then has nothing to do is not in the way
        return 3

    with running(left, grace_s=0.01) as runner:
        assert runner.run(work()) == 3
    assert len(left) == 1
    assert "in hold_on: await asyncio.Event().wait()" in left[0]
    kept.clear()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [None, LookupError])
def test_whatever_ends_when_it_is_cancelled_has_ended(error: type[Exception] | None) -> None:
    left: list[str] = []
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def work() -> None:
        task = asyncio.create_task(wait())
        await asyncio.to_thread(ended.append, "thread")
        if error is not None:
            raise error(task)

    with suppress(LookupError), running(left) as runner:
        runner.run(work())
    assert (left, ended) == ([], ["thread", "task"])


def test_a_thread_that_does_not_end_is_left_as_well() -> None:
    left: list[str] = []
    release = threading.Event()

    async def work() -> None:
        thread = asyncio.create_task(asyncio.to_thread(release.wait))
        await asyncio.sleep(0)
        thread.cancel()

    try:
        with running(left, grace_s=0.01) as runner:
            runner.run(work())
    finally:
        release.set()
    assert len(left) == 1


def test_what_is_left_does_not_keep_the_process() -> None:
    program = (
        "import threading; from lihil_cli.wstest.leftovers import leave_behind;"
        "threading.Thread(target=threading.Event().wait).start(); leave_behind(['main.py:1', ''], 7)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()) == (
        7,
        ["the app does not end, and is left: at main.py:1", "the app does not end, and is left"],
    )
