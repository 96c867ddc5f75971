"""How far a response has come, and a client that leaves while nobody listens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from starlette.requests import ClientDisconnect

from lihil.asgi import Message, Scope
from lihil.errors import HTTPException
from lihil.http.exchange import READ_AHEAD_MESSAGES, Exchange

T = TypeVar("T")
LIMIT_S = 10.0

GONE: Message = {"type": "http.disconnect"}


def run(main: Callable[[], Awaitable[T]]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await main()

    return asyncio.run(limited())


def body(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def piece(data: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def head() -> Message:
    return {"type": "http.response.start", "status": 200, "headers": []}


class Wire:
    """A server's two ends of one request, recorded."""

    def __init__(self, *messages: Message | Exception) -> None:
        self.sent: list[Message] = []
        self.taken = 0
        self._messages: asyncio.Queue[Message | Exception] = asyncio.Queue()
        for message in messages:
            self._messages.put_nowait(message)

    def put(self, message: Message) -> None:
        self._messages.put_nowait(message)

    async def receive(self) -> Message:
        message = await self._messages.get()
        self.taken += 1
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def exchange(self, method: str = "POST", **headers: str) -> Exchange:
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope: Scope = {"type": "http", "method": method, "path": "/", "headers": fields}
        return Exchange(scope, self.receive, self.send)


def test_a_body_in_pieces_is_put_together_and_kept() -> None:
    async def main() -> tuple[bytes, bytes]:
        exchange = Wire(body(b"ab", more=True), body(b"", more=True), body(b"c")).exchange()
        return await exchange.read(3), await exchange.body()

    assert run(main) == (b"abc", b"abc")


def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    async def main() -> None:
        wire = Wire(body(b"abcd"))
        with pytest.raises(HTTPException) as refused:
            await wire.exchange(content_length="4").read(3)
        assert refused.value.status_code == 413
        assert wire.taken == 0

    run(main)


def test_a_body_that_grows_too_large_is_refused_at_once() -> None:
    async def main() -> None:
        wire = Wire(body(b"ab", more=True), body(b"cd", more=True), body(b"ef"))
        with pytest.raises(HTTPException, match="more than 3 bytes"):
            await wire.exchange().read(3)
        assert wire.taken == 2

    run(main)


def test_a_client_that_leaves_inside_its_body_is_noticed() -> None:
    async def main() -> None:
        exchange = Wire(body(b"ab", more=True), GONE).exchange()
        with pytest.raises(ClientDisconnect):
            await exchange.read(3)
        assert exchange.is_gone

    run(main)


def test_the_response_is_followed_from_its_head_to_its_end() -> None:
    async def main() -> list[tuple[bool, bool]]:
        exchange = Wire().exchange()
        steps = [(exchange.has_started, exchange.is_complete)]
        for message in (head(), piece(b"a", more=True), piece()):
            await exchange.send(message)
            steps.append((exchange.has_started, exchange.is_complete))
        return steps

    assert run(main) == [(False, False), (True, False), (True, False), (True, True)]


def test_the_answer_to_head_has_no_content() -> None:
    async def main() -> None:
        wire = Wire()
        await wire.exchange("HEAD").send(piece(b"content"))
        assert wire.sent == [piece()]

    run(main)


def test_a_message_of_an_extension_passes_as_it_is() -> None:
    async def main() -> None:
        wire = Wire()
        await wire.exchange().send({"type": "http.response.pathsend", "path": "/file"})
        assert wire.sent == [{"type": "http.response.pathsend", "path": "/file"}]

    run(main)


def test_a_server_that_cannot_send_means_that_the_client_has_gone() -> None:
    async def broken(message: Message) -> None:
        raise ConnectionResetError

    async def main() -> None:
        exchange = Exchange({"type": "http", "method": "GET", "path": "/", "headers": []}, Wire().receive, broken)
        for _ in range(2):
            with pytest.raises(ClientDisconnect):
                await exchange.send(head())
        assert exchange.is_gone

    run(main)


def test_the_end_that_follows_a_complete_response_is_no_disconnect() -> None:
    async def main() -> None:
        exchange = Wire(GONE).exchange()
        await exchange.send(head())
        await exchange.send(piece())
        assert await exchange.receive() == GONE
        assert not exchange.is_gone

    run(main)


def test_work_that_ends_gives_its_result() -> None:
    async def work() -> str:
        return "done"

    async def main() -> str:
        return await Wire(body()).exchange().while_connected(work())

    assert run(main) == "done"


def test_work_is_cancelled_once_when_the_client_leaves_and_may_clean_up_in_peace() -> None:
    said: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append("cancelled")
            await asyncio.sleep(0)
            said.append("cleaned up")
            raise

    async def main() -> int:
        wire = Wire(body(b"unread", more=True), body())
        exchange = wire.exchange()
        watching = asyncio.current_task()
        assert watching is not None
        asyncio.get_running_loop().call_soon(wire.put, GONE)
        with pytest.raises(ClientDisconnect):
            await exchange.while_connected(work())
        assert exchange.is_gone
        return watching.cancelling()

    assert run(main) == 0
    assert said == ["cancelled", "cleaned up"]


def test_work_that_ignores_its_cancellation_can_send_nothing_more() -> None:
    async def main() -> None:
        wire = Wire(GONE)
        exchange = wire.exchange()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await exchange.send(head())

        with pytest.raises(ClientDisconnect):
            await exchange.while_connected(work())
        task = asyncio.current_task()
        assert task is not None
        assert (task.cancelling(), wire.sent) == (0, [])

    run(main)


def test_a_cancellation_from_outside_stays_one() -> None:
    async def main() -> None:
        began = asyncio.Event()

        async def work() -> None:
            began.set()
            await asyncio.Event().wait()

        watching = asyncio.create_task(Wire().exchange().while_connected(work()))
        await began.wait()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    run(main)


def test_a_cancellation_from_outside_wins_over_a_client_that_leaves() -> None:
    async def main() -> None:
        wire = Wire(GONE)
        told = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.set()
                await asyncio.Event().wait()

        watching = asyncio.create_task(wire.exchange().while_connected(work()))
        await told.wait()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    run(main)


def test_the_end_of_a_complete_response_cancels_nothing() -> None:
    async def main() -> str:
        wire = Wire(GONE)
        exchange = wire.exchange()

        async def work() -> str:
            await exchange.send(head())
            await exchange.send(piece())
            while not wire.taken:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            return "undisturbed"

        return await exchange.while_connected(work())

    assert run(main) == "undisturbed"


def test_a_body_is_still_read_whole_while_the_client_is_watched() -> None:
    sent = [bytes([number]) for number in range(3 * READ_AHEAD_MESSAGES)]

    async def main() -> list[bytes]:
        wire = Wire(*(body(data, more=True) for data in sent), body())
        exchange = wire.exchange()

        async def work() -> list[bytes]:
            while wire.taken < READ_AHEAD_MESSAGES:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert wire.taken == READ_AHEAD_MESSAGES  # the rest waits at the server, as back-pressure
            return [data async for data in exchange.stream() if data]

        return await exchange.while_connected(work())

    assert run(main) == sent


def test_who_reads_after_a_disconnect_is_told_of_it_each_time() -> None:
    async def main() -> list[Message]:
        exchange = Wire(GONE).exchange()
        received: list[Message] = []

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                received.extend([await exchange.receive(), await exchange.receive()])

        with pytest.raises(ClientDisconnect):
            await exchange.while_connected(work())
        return received

    assert run(main) == [GONE, GONE]


def test_what_receive_raises_reaches_who_reads() -> None:
    async def main() -> None:
        exchange = Wire(ValueError("not today")).exchange()
        with pytest.raises(ValueError, match="not today"):
            await exchange.while_connected(exchange.body())

    run(main)
