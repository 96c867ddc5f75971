"""The disconnect watch: who is told, when, and what becomes of messages that were read ahead."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import pytest

from lihil.asgi import Message
from lihil.websocket.watch import MAX_BYTES, MAX_MESSAGES, DisconnectWatch, ReadAhead
from tests.lihil.websocket.peer import InstantLoop, run

GONE: Message = {"type": "websocket.disconnect", "code": 1001}


def text(data: str) -> Message:
    return {"type": "websocket.receive", "text": data}


class Server:
    """A `receive` over a list of messages; it waits for ever behind the last one, and fails where an error stands."""

    def __init__(self, *messages: Message | Exception) -> None:
        self.messages = deque(messages)
        self.calls = 0

    async def receive(self) -> Message:
        self.calls += 1
        await asyncio.sleep(0)
        if not self.messages:
            await asyncio.Event().wait()
        message = self.messages.popleft()
        if isinstance(message, Exception):
            raise message
        return message


def read_ahead_of(server: Server, told: list[Message], *, is_read: bool = False) -> ReadAhead:
    ahead = ReadAhead(server.receive, told.append, is_read=is_read)
    ahead.resume()
    return ahead


async def quiet() -> None:
    """Let everything happen that can."""
    await asyncio.sleep(1)


def test_messages_read_ahead_come_out_in_order_and_whole() -> None:
    async def main() -> list[Message]:
        told: list[Message] = []
        ahead = read_ahead_of(Server(text("a"), text("b"), text("c")), told)
        await quiet()
        got = [await ahead.next(), await ahead.next(), await ahead.next()]
        empty = [ahead.is_empty]  # a read for the fourth is under way
        ahead.stop()
        await quiet()
        assert [*empty, ahead.is_empty] == [False, True]
        assert told == []
        return got

    assert run(main()) == [text("a"), text("b"), text("c")]


def test_a_disconnect_is_told_to_a_handler_that_never_reads_whatever_stands_before_it() -> None:
    async def main() -> None:
        told: list[Message] = []
        read_ahead_of(Server(text("a"), text("b"), GONE), told)
        await quiet()
        assert told == [GONE]

    run(main())


def test_a_handler_that_reads_gets_what_was_sent_before_the_disconnect_and_is_told_then() -> None:
    async def main() -> None:
        told: list[Message] = []
        ahead = read_ahead_of(Server(text("a"), text("b"), GONE), told, is_read=True)
        await quiet()
        assert told == []
        assert [await ahead.next(), await ahead.next()] == [text("a"), text("b")]
        ahead.resume()
        assert told == [GONE]

    run(main())


@pytest.mark.parametrize(
    ("size", "held"), [(1, MAX_MESSAGES), (MAX_BYTES // 2, 2), (MAX_BYTES + 1, 1)], ids=["many", "two halves", "one"]
)
def test_no_more_is_read_ahead_than_the_bound_until_there_is_room(size: int, held: int) -> None:
    async def main() -> None:
        server = Server(*(text("x" * size) for _ in range(100)))
        ahead = read_ahead_of(server, [])
        await quiet()
        assert server.calls == held
        ahead.resume()
        await quiet()
        assert server.calls == held
        await ahead.next()
        ahead.resume()
        await quiet()
        assert server.calls == held + 1

    run(main())


def test_an_error_of_receive_comes_out_of_next_and_not_before() -> None:
    async def main() -> None:
        ahead = read_ahead_of(Server(RuntimeError("broken"), RuntimeError("still broken"), text("a")), [])
        await quiet()
        with pytest.raises(RuntimeError, match="still broken"):
            await ahead.next()
        assert await ahead.next() == text("a")

    run(main())


def test_a_cancelled_next_loses_no_message() -> None:
    async def main() -> Message:
        server = Server()
        ahead = read_ahead_of(server, [])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ahead.next(), 1)
        ahead.stop()
        await quiet()
        server.messages.append(text("a"))
        return await ahead.next()

    assert run(main()) == text("a")


def test_two_readers_get_a_message_each() -> None:
    async def main() -> list[Message]:
        messages: asyncio.Queue[Message] = asyncio.Queue()
        ahead = ReadAhead(messages.get, lambda _: None, is_read=False)
        ahead.resume()
        readers = [asyncio.ensure_future(ahead.next()) for _ in range(2)]
        await quiet()
        messages.put_nowait(text("a"))
        await quiet()
        messages.put_nowait(text("b"))
        return await asyncio.gather(*readers)

    assert run(main()) == [text("a"), text("b")]


class Connection:
    """What the watch sees of a connection."""

    def __init__(self, *, receiving: int = 0) -> None:
        self.receiving = receiving
        self.receives = 0
        self.asked = 0

    def read_ahead(self, on_disconnect: Callable[[], None]) -> None:
        self.asked += 1
        on_disconnect()


class EverySecond(DisconnectWatch):
    tick_s = 1.0


def test_a_connection_is_read_for_after_a_whole_tick_without_receiving() -> None:
    async def main() -> None:
        watch, told = EverySecond(), list[str]()
        connection = Connection()
        stop = watch.add(connection, lambda: told.append("gone"))
        await asyncio.sleep(1.5)
        assert connection.asked == 0  # the first tick only notes where it stands
        await asyncio.sleep(1)
        assert told == ["gone"]
        stop()

    run(main())


def test_a_connection_that_receives_or_has_received_is_left_alone() -> None:
    async def main() -> None:
        watch = EverySecond()
        waiting, busy = Connection(receiving=1), Connection()
        stops = [watch.add(waiting, lambda: None), watch.add(busy, lambda: None)]
        for _ in range(8):
            busy.receives += 1
            await asyncio.sleep(0.9)
        assert (waiting.asked, busy.asked) == (0, 0)
        for stop in stops:
            stop()

    run(main())


def test_the_timer_ends_by_itself_once_no_connection_is_open() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        watch = DisconnectWatch()
        seen = [loop.pending_timers()]
        stops = [watch.add(Connection(receiving=1), lambda: None) for _ in range(3)]
        seen.append(loop.pending_timers())
        await asyncio.sleep(10)
        for stop in stops:
            seen.append(loop.pending_timers())
            stop()
        await asyncio.sleep(10)
        seen.append(loop.pending_timers())
        watch.add(Connection(receiving=1), lambda: None)
        return [*seen, loop.pending_timers()]

    assert run(main()) == [0, 1, 1, 1, 1, 0, 1]


def test_two_loops_in_two_threads_do_not_touch_each_others_connections() -> None:
    watch, threads = EverySecond(), list[tuple[str, int]]()

    class Named(Connection):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def read_ahead(self, on_disconnect: Callable[[], None]) -> None:
            threads.append((self.name, threading.get_ident()))

    both = threading.Barrier(2)
    idents: dict[str, int] = {}

    async def main(name: str) -> None:
        idents[name] = threading.get_ident()
        stop = watch.add(Named(name), lambda: None)
        both.wait(10)
        await asyncio.sleep(10)
        both.wait(10)
        stop()

    workers = [threading.Thread(target=lambda name=name: run(main(name))) for name in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert {name for name, _ in threads} == {"a", "b"}
    assert {(name, ident) for name, ident in threads} == set(idents.items())
