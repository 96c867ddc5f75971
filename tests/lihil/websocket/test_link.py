"""A connection's messages, states and end, as its handler and its resources see them."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from starlette.websockets import WebSocketState

from lihil import AsyncResource, Ignore, Lihil, WebSocket, WebSocketDisconnect, use
from lihil.asgi import Message
from lihil.websocket.link import Phase
from tests.lihil.websocket.peer import InstantLoop, Peer, app_of, run, texts

States = tuple[WebSocketState, WebSocketState, Phase]


def states(ws: WebSocket) -> States:
    return ws.client_state, ws.application_state, ws.phase


def test_states_are_starlettes_from_connecting_to_disconnected() -> None:
    seen: list[States] = []

    async def handler(ws: WebSocket) -> None:
        seen.append(states(ws))
        assert await ws.receive() == {"type": "websocket.connect"}
        seen.append(states(ws))
        await ws.accept()
        seen.append(states(ws))
        await ws.close()
        seen.append(states(ws))
        await ws.receive()
        seen.append(states(ws))

    run(Peer(app_of(handler)).finish())
    connecting, connected, gone = WebSocketState.CONNECTING, WebSocketState.CONNECTED, WebSocketState.DISCONNECTED
    assert seen == [
        (connecting, connecting, Phase.CONNECTING),
        (connected, connecting, Phase.CONNECTING),
        (connected, connected, Phase.OPEN),
        (connected, gone, Phase.CLOSED),
        (gone, gone, Phase.CLOSED),
    ]


def test_a_refused_handshake_is_disconnected_on_our_side() -> None:
    seen: list[States] = []

    async def handler(ws: WebSocket) -> None:
        await ws.close()
        seen.append(states(ws))

    run(Peer(app_of(handler)).finish())
    assert seen == [(WebSocketState.CONNECTED, WebSocketState.DISCONNECTED, Phase.REFUSED)]


@pytest.mark.parametrize("left", [{"code": 4001, "reason": "bye"}, {"code": 1006, "reason": ""}])
def test_receive_gives_the_disconnect_once_and_raises_it_from_then_on(left: dict[str, object]) -> None:
    raised: list[WebSocketDisconnect] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        assert await ws.receive() == {"type": "websocket.disconnect", **left}
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()
            raised.append(caught.value)

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        peer.leave(**left)  # type: ignore[arg-type]
        await peer.finish()

    run(main())
    assert [(exc.code, exc.reason) for exc in raised] == [(left["code"], left["reason"])] * 2
    assert raised[0] is not raised[1]


def test_send_to_a_peer_that_has_gone_raises_and_so_does_all_that_follows() -> None:
    seen: list[tuple[int, Phase]] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        for call in (ws.send_text("a"), ws.send_bytes(b"b"), ws.send_json(1), ws.receive_text()):
            with pytest.raises(WebSocketDisconnect) as caught:
                await call
            seen.append((caught.value.code, ws.phase))
        await ws.close()

    async def main() -> list[str]:
        peer = await Peer(app_of(handler)).opened()
        peer.text("now")
        peer.leave()
        return [message["type"] for message in await peer.finish()]

    assert run(main()) == ["websocket.accept"]
    assert seen == [(1006, Phase.CLOSED)] * 4


def test_a_client_that_leaves_before_the_handshake_is_answered_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def accepts(ws: WebSocket) -> None:
        await ws.accept()

    async def closes(ws: WebSocket) -> None:
        await ws.close()

    async def asks_first(ws: WebSocket) -> None:
        await ws.receive()
        await ws.receive()
        await ws.accept()

    async def main() -> None:
        peer = Peer(app_of(asks_first))
        peer.leave()
        assert await peer.finish() == []
        for handler in (accepts, closes):
            peer = Peer(app_of(handler))
            await peer.receive()  # the server sees the client go before the app has asked for anything
            peer.leave()
            assert await peer.finish() == []

    run(main())
    assert caplog.records == []


# A client that goes away.


class Story:
    """What a resource and a handler lived through, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def app(self, act: Callable[[WebSocket], Any]) -> Lihil:
        async def resource(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
            self.lines.append("opened")
            await ws.accept()
            try:
                yield ws
            except WebSocketDisconnect as exc:
                self.lines.append(f"told {exc.code}")
                raise
            finally:
                async with asyncio.timeout(100):  # a tear-down may take its time, and its timeouts work
                    await asyncio.sleep(50)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await asyncio.sleep(50)
                self.lines.append("closed")

        async def handler(ws: Annotated[WebSocket, use(resource)]) -> None:
            try:
                await act(ws)
            except asyncio.CancelledError:
                self.lines.append("cancelled")
                raise

        return app_of(handler)


async def receives(ws: WebSocket) -> None:
    await ws.receive_text()


async def iterates(ws: WebSocket) -> None:
    async for _ in ws.iter_text():
        pass


async def sends(ws: WebSocket) -> None:
    while True:
        await ws.send_text("tick")
        await asyncio.sleep(0.01)


async def sleeps(ws: WebSocket) -> None:
    await asyncio.sleep(3600)


async def waits_in_a_task_group(ws: WebSocket) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))
        group.create_task(asyncio.Event().wait())


async def receives_in_a_task_group(ws: WebSocket) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(ws.receive_text())
        group.create_task(asyncio.sleep(3600))


async def sends_in_two_tasks(ws: WebSocket) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sends(ws))
        group.create_task(sends(ws))


async def sleeps_within_a_timeout(ws: WebSocket) -> None:
    async with asyncio.timeout(7200):
        await asyncio.sleep(3600)


GOES = [
    (receives, ["opened", "told 1001", "closed"]),
    (iterates, ["opened", "closed"]),
    (sends, ["opened", "told 1006", "closed"]),
    (sleeps, ["opened", "cancelled", "told 1001", "closed"]),
    (waits_in_a_task_group, ["opened", "cancelled", "told 1001", "closed"]),
    (sleeps_within_a_timeout, ["opened", "cancelled", "told 1001", "closed"]),
    (receives_in_a_task_group, ["opened", "closed"]),
    (sends_in_two_tasks, ["opened", "closed"]),
]


@pytest.mark.parametrize(("act", "lines"), GOES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_client_that_goes_ends_the_handler_and_its_resources_once(
    act: Callable[[WebSocket], Any], lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    story = Story()

    async def main() -> list[asyncio.Task[Any]]:
        peer = await Peer(story.app(act)).opened()
        await asyncio.sleep(1)
        peer.leave()
        await peer.finish()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert run(main()) == []
    assert story.lines == lines
    assert caplog.records == []


def test_a_client_that_sent_what_nobody_reads_is_still_missed_when_it_goes() -> None:
    story = Story()

    async def main() -> None:
        peer = await Peer(story.app(sleeps)).opened()
        peer.text(*map(str, range(20)))
        peer.leave()
        await peer.finish()

    run(main())
    assert story.lines == ["opened", "cancelled", "told 1001", "closed"]


def test_what_a_client_sent_before_it_left_is_worked_off_by_a_handler_that_reads() -> None:
    saved: list[str] = []

    async def slow(ws: WebSocket) -> None:
        async for text in ws.iter_text():
            await asyncio.sleep(10)  # many ticks, in which the watch reads ahead and sees the end
            saved.append(text)

    story = Story()

    async def main() -> None:
        peer = await Peer(story.app(slow)).opened()
        peer.text(*map(str, range(50)))
        peer.leave()
        await peer.finish()

    run(main())
    assert saved == [str(number) for number in range(49)]  # the last is cut off: nothing waits behind it any more
    assert story.lines == ["opened", "cancelled", "told 1001", "closed"]


def test_a_handler_that_starts_to_read_late_gets_every_message_in_order() -> None:
    got: list[str] = []

    async def late(ws: WebSocket) -> None:
        await asyncio.sleep(30)
        got.extend([await ws.receive_text() for _ in range(100)])
        await ws.send_text("all")
        got.append(await ws.receive_text())

    story = Story()

    async def main() -> None:
        peer = await Peer(story.app(late)).opened()
        peer.text(*map(str, range(100)))
        await peer.until(lambda: len(peer.sent) > 1)
        peer.text("one more")
        await peer.finish()

    run(main())
    assert got == [*map(str, range(100)), "one more"]


def test_a_handler_that_reads_some_and_then_sleeps_is_still_missed() -> None:
    """The queue was full; what was read of it makes room, and the watch has to read on by itself."""
    story = Story()

    async def some(ws: WebSocket) -> None:
        await asyncio.sleep(30)
        for _ in range(40):
            await ws.receive_text()
        await asyncio.sleep(3600)

    async def main() -> None:
        peer = await Peer(story.app(some)).opened()
        peer.text(*map(str, range(40)))
        await asyncio.sleep(60)
        peer.leave()
        await peer.finish()

    run(main())
    assert story.lines == ["opened", "cancelled", "told 1001", "closed"]


def test_a_handler_that_receives_has_no_task_beside_it() -> None:
    async def main() -> tuple[int, int]:
        peer = await Peer(Story().app(iterates)).opened()
        counts = set()
        for number in range(20):
            peer.text(str(number))
            await asyncio.sleep(1)
            counts.add(len(asyncio.all_tasks()))
        peer.leave()
        await peer.finish()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        return max(counts), loop.pending_timers()

    assert run(main()) == (2, 0)  # the test's and the connection's


def test_a_slow_set_up_and_tear_down_are_not_cancelled() -> None:
    lines: list[str] = []

    async def slow(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
        await ws.accept()
        await asyncio.sleep(100)
        lines.append("opened")
        try:
            yield ws
        finally:
            await asyncio.sleep(100)
            lines.append("closed")

    async def handler(ws: Annotated[WebSocket, use(slow)]) -> None:
        lines.append("called")
        await asyncio.sleep(3600)

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        peer.leave()
        await peer.finish()

    run(main())
    assert lines == ["opened", "called", "closed"]


def test_a_handler_that_waits_before_it_accepts_is_told_too() -> None:
    ended: list[str] = []

    async def handler(ws: WebSocket) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("ended")

    async def main() -> list[Message]:
        peer = Peer(app_of(handler))
        peer.start()
        await asyncio.sleep(1)
        peer.leave()
        return await peer.finish()

    assert run(main()) == []
    assert ended == ["ended"]


def test_a_handler_may_accept_after_the_watch_has_begun_to_read() -> None:
    async def handler(ws: WebSocket) -> None:
        await asyncio.sleep(10)
        await ws.accept()
        await ws.send_text(await ws.receive_text())

    async def main() -> list[Message]:
        peer = Peer(app_of(handler))
        peer.start()
        await asyncio.sleep(5)
        peer.text("early")
        return await peer.finish()

    assert texts(run(main())) == ["early"]


def test_a_cancel_from_outside_stays_a_cancel() -> None:
    story = Story()

    async def main() -> bool:
        peer = await Peer(story.app(sleeps)).opened()
        await asyncio.sleep(1)
        peer.task.cancel()
        await asyncio.wait([peer.task])
        return peer.task.cancelled()

    assert run(main())
    assert story.lines == ["opened", "cancelled", "closed"]


def test_a_cancel_from_outside_wins_over_a_client_that_goes() -> None:
    async def main() -> bool:
        async def stubborn(ws: WebSocket) -> None:
            await ws.accept()
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(3600)

        peer = await Peer(app_of(stubborn)).opened()
        peer.leave()
        await asyncio.sleep(5)
        peer.task.cancel()
        await asyncio.wait([peer.task])
        return peer.task.cancelled()

    assert run(main())


def test_a_handler_that_swallows_the_cancel_may_finish_and_is_not_cancelled_again() -> None:
    story = Story()

    async def stubborn(ws: WebSocket) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)
            story.lines.append("finished")

    async def main() -> int:
        peer = await Peer(story.app(stubborn)).opened()
        peer.leave()
        await peer.finish()
        return peer.task.cancelling()

    assert run(main()) == 0
    assert story.lines == ["opened", "finished", "closed"]


def test_a_disconnect_beside_a_real_error_does_not_hide_it(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(ws: WebSocket) -> None:
        try:
            await ws.receive_text()
        except WebSocketDisconnect:
            raise ValueError("while cleaning up") from None

    async def both(ws: WebSocket) -> None:
        await ws.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(fails(ws))
            group.create_task(sends(ws))

    async def main() -> None:
        peer = await Peer(app_of(both)).opened()
        await asyncio.sleep(1)
        peer.leave()
        await peer.finish()

    run(main())
    assert "while cleaning up" in caplog.text
