"""The queue between the wire and the app."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from lihil.asgi import Message
from lihil.server.inbound import OVERHEAD_BYTES, Inbound
from tests.lihil.server.wire import settle

END: Message = {"type": "websocket.disconnect", "code": 1000}


def message(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_messages_come_in_order_and_are_counted() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put(message("a"), 1)
        inbound.put(message("bc"), 2)
        assert inbound.size == 3 + 2 * OVERHEAD_BYTES
        assert [await inbound.get(), await inbound.get()] == [message("a"), message("bc")]
        assert (inbound.size, inbound.is_empty) == (0, True)

    run(talk())


def test_the_end_comes_behind_what_waits_and_stays() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put(message("a"), 1)
        inbound.end(END)
        inbound.end(message("a second end"))
        inbound.put(message("too late"), 8)
        assert [await inbound.get() for _ in range(3)] == [message("a"), END, END]

    run(talk())


def test_who_waits_gets_the_next_message_and_the_end_at_once() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        for expected, give in ((message("a"), inbound.put), (END, lambda last, _: inbound.end(last))):
            waiting = asyncio.create_task(inbound.get())
            await settle()
            was_awaited = inbound.is_awaited
            give(expected, 1)
            assert (was_awaited, inbound.is_awaited) == (True, False)
            assert await waiting == expected
        assert inbound.size == 0

    run(talk())


def test_messages_behind_one_that_was_handed_over_keep_their_order() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = asyncio.create_task(inbound.get())
        await settle()
        for text in "abc":
            inbound.put(message(text), 1)
        inbound.end(END)
        assert [await waiting, *[await inbound.get() for _ in range(3)]] == [*map(message, "abc"), END]

    run(talk())


def test_several_tasks_may_wait_and_all_hear_of_the_end() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = [asyncio.create_task(inbound.get()) for _ in range(3)]
        await settle()
        inbound.put(message("a"), 1)
        await settle()
        inbound.end(END)
        assert sorted(str(answer) for answer in await asyncio.gather(*waiting)) == sorted(
            map(str, [message("a"), END, END])
        )

    run(talk())


def test_a_message_handed_to_a_task_that_is_cancelled_is_not_lost() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        binary: Message = {"type": "websocket.receive", "bytes": b"abc"}
        for expected in (message("abc"), binary):
            waiting = asyncio.create_task(inbound.get())
            await settle()
            inbound.put(expected, 3)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            assert inbound.size == 3 + OVERHEAD_BYTES
            assert await inbound.get() == expected

    run(talk())


def test_a_task_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = asyncio.create_task(inbound.get())
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        inbound.put(message("a"), 1)
        assert await inbound.get() == message("a")

    run(talk())


def test_the_end_handed_to_a_cancelled_task_comes_again() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        waiting = asyncio.create_task(inbound.get())
        await settle()
        inbound.end(END)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert inbound.is_empty
        assert await inbound.get() == END

    run(talk())


def test_draining_takes_the_payloads_of_the_peer_alone() -> None:
    async def talk() -> None:
        inbound = Inbound(asyncio.get_running_loop())
        inbound.put({"type": "websocket.connect"}, 0)
        inbound.put(message("a"), 1)
        inbound.put({"type": "websocket.receive", "bytes": b"b"}, 1)
        assert inbound.drain() == ["a", b"b"]
        assert (inbound.size, inbound.has_ended) == (0, False)

    run(talk())
