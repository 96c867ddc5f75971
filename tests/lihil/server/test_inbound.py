"""The queue between the wire and the app."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from lihil.asgi import Message
from lihil.server.inbound import OVERHEAD_BYTES, Inbound
from tests.lihil.server.wire import settle

END: Message = {"type": "websocket.disconnect", "code": 1000}


async def taken(inbound: Inbound) -> str | bytes | Message:
    """What the app does for each message."""
    while (arrival := inbound.arrival()) is not None:
        await arrival
    return inbound.take()


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_messages_come_in_order_and_are_counted() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put("a")
        inbound.put(b"bc")
        assert inbound.size == 3 + 2 * OVERHEAD_BYTES
        assert [await taken(inbound), await taken(inbound)] == ["a", b"bc"]
        assert (inbound.size, inbound.is_empty) == (0, True)

    run(talk())


def test_nothing_is_taken_from_an_empty_queue() -> None:
    async def talk() -> None:
        with pytest.raises(IndexError):
            Inbound(asyncio.get_running_loop()).take()

    run(talk())


def test_the_end_comes_behind_what_waits_and_stays() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put("a")
        inbound.end(END)
        inbound.end({"type": "a second end"})
        inbound.put("too late")
        assert [await taken(inbound) for _ in range(3)] == ["a", END, END]

    run(talk())


def test_who_waits_gets_the_next_message_and_the_end() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        for expected in ("a", END):
            waiting = asyncio.create_task(taken(inbound))
            await settle()
            was_awaited = inbound.is_awaited
            if isinstance(expected, str):
                inbound.put(expected)
            else:
                inbound.end(expected)
            assert (was_awaited, inbound.is_awaited) == (True, False)
            assert await waiting == expected
        assert inbound.size == 0

    run(talk())


def test_messages_that_come_before_the_waiting_task_runs_keep_their_order() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = asyncio.create_task(taken(inbound))
        await settle()
        for text in "abc":
            inbound.put(text)
        inbound.end(END)
        assert [await waiting, *[await taken(inbound) for _ in range(3)]] == ["a", "b", "c", END]

    run(talk())


def test_several_tasks_may_wait_and_all_hear_of_the_end() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = [asyncio.create_task(taken(inbound)) for _ in range(3)]
        await settle()
        inbound.put("a")
        await settle()
        inbound.end(END)
        assert sorted(map(str, await asyncio.gather(*waiting))) == sorted(map(str, ["a", END, END]))

    run(talk())


@pytest.mark.parametrize("payload", ["abc", b"abc"])
def test_a_message_is_not_lost_with_the_task_that_was_woken_for_it(payload: str | bytes) -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = asyncio.create_task(taken(inbound))
        await settle()
        inbound.put(payload)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert inbound.size == 3 + OVERHEAD_BYTES
        assert await taken(inbound) == payload

    run(talk())


def test_a_task_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting, other = (asyncio.create_task(taken(inbound)) for _ in range(2))
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        inbound.put("a")
        assert await other == "a"

    run(talk())


def test_draining_takes_all_that_waits() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put("a")
        inbound.put(b"b")
        assert inbound.drain() == ["a", b"b"]
        assert (inbound.size, inbound.has_ended, inbound.is_empty) == (0, False, True)

    run(talk())
