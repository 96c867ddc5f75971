"""The loop beside a test, and how long a test lets it keep it waiting."""

import asyncio
import contextvars
import threading

import pytest

from lihil.testing.call import Wait
from lihil.testing.errors import AppTimeout, ReceiveTimeout
from lihil.testing.loop import LoopThread

LONG = Wait("an answer", 5.0)


def test_a_coroutine_gives_its_value_and_its_exception_to_the_caller() -> None:
    loop = LoopThread(5.0)

    async def value() -> int:
        return 42

    async def failure() -> None:
        raise LookupError("lost")

    try:
        assert loop.run(value(), LONG) == 42
        with pytest.raises(LookupError, match="lost"):
            loop.run(failure(), LONG)
    finally:
        loop.close()


def test_context_variables_of_the_test_are_seen_by_the_app() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    loop = LoopThread(5.0)

    async def read() -> str:
        return name.get()

    token = name.set("anna")
    try:
        assert loop.run(read(), LONG) == "anna"
    finally:
        name.reset(token)
        loop.close()


def test_closing_leaves_no_thread_and_no_task() -> None:
    before = set(threading.enumerate())
    loop = LoopThread(5.0)
    ended: list[str] = []

    async def start() -> None:
        async def stay() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("stay")

        held.append(asyncio.create_task(stay()))
        await asyncio.sleep(0)

    held: list[asyncio.Task[None]] = []
    loop.run(start(), LONG)
    loop.close()
    loop.close()
    assert ended == ["stay"]
    assert set(threading.enumerate()) <= before


def test_a_blocked_loop_is_reported_with_the_line_that_blocks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lihil.testing.loop.GRACE_S", 0.1)
    loop = LoopThread(5.0)
    release = threading.Event()

    async def block() -> None:
        release.wait()

    async def value() -> int:
        return 1

    try:
        with pytest.raises(ReceiveTimeout, match="does not answer") as first:
            loop.run(block(), Wait("a message", 0.01, ReceiveTimeout))
        with pytest.raises(AppTimeout, match=r"waited 0\.1 s for more"):  # and is not given the full time again
            loop.run(value(), Wait("more", 60.0))
        with pytest.raises(AppTimeout, match=r"waited 0\.1 s for the app's event loop to end"):
            loop.close()
    finally:
        release.set()
        monkeypatch.undo()
    assert f"{__file__}:" in str(first.value)
    assert "in test_a_blocked_loop_is_reported_with_the_line_that_blocks_it.<locals>.block" in str(first.value)
    assert "asyncio.to_thread" in str(first.value)
    loop.close()


def test_an_interrupt_of_the_test_cancels_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = LoopThread(5.0)
    ended = threading.Event()
    begun = threading.Event()

    async def stay() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupted(*_: object) -> None:
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.wait", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run(stay(), LONG)
        assert ended.wait(5.0)
    finally:
        loop.close()
