"""The short way past ASGI's queues: the same messages, the same ends."""

from collections.abc import Awaitable, Callable

import pytest

from lihil import Lihil, Struct, WebSocket, WebSocketDisconnect, WebSocketRoute
from lihil.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.lihil.websocket.directpeer import DirectPeer
from tests.lihil.websocket.peer import app_of, kinds, run


class Chat(Struct):
    text: str


async def send_text(ws: WebSocket[Chat, Chat]) -> None:
    await ws.send_text("x")


async def send_bytes(ws: WebSocket[Chat, Chat]) -> None:
    await ws.send_bytes(b"x")


async def send_value(ws: WebSocket[Chat, Chat]) -> None:
    await ws.send(Chat("x"))


SENDS = [(send_text, "x"), (send_bytes, b"x"), (send_value, '{"text":"x"}')]


@pytest.mark.parametrize(("send", "taken"), SENDS)
@pytest.mark.parametrize("is_behind", [False, True])
def test_messages_go_the_short_way_and_wait_while_the_peer_is_behind(
    send: Callable[[WebSocket[Chat, Chat]], Awaitable[None]], taken: str | bytes, is_behind: bool
) -> None:
    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        await ws.accept()
        await send(ws)

    peer = DirectPeer(app_of(handler))
    peer.is_behind = is_behind
    assert kinds(run(peer.finish())) == ["accept", "close"]
    assert (peer.taken, peer.drains) == ([taken], int(is_behind))


@pytest.mark.parametrize(("send", "taken"), SENDS)
@pytest.mark.parametrize("offers_short_way", [False, True])
def test_a_peer_that_has_gone_is_a_disconnect_on_either_way(
    send: Callable[[WebSocket[Chat, Chat]], Awaitable[None]], taken: str | bytes, offers_short_way: bool
) -> None:
    codes: list[int] = []

    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        await ws.accept()
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as gone:
                await send(ws)
            codes.append(gone.value.code)

    async def main() -> None:
        peer = DirectPeer(app_of(handler))
        peer.is_lost = True
        if not offers_short_way:
            del peer.scope["extensions"]["lihil.direct"]
        await peer.opened()
        peer.leave()
        await peer.finish()
        assert kinds(peer.sent) == ["accept"]

    run(main())
    assert codes == [1006, 1006]


def test_a_middleware_that_wraps_receive_or_send_keeps_to_the_ordinary_way() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text("x")

    def wrapping(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def receive_on() -> Message:
                return await receive()

            await app(scope, receive_on, send)

        return wrapped

    peer = DirectPeer(app_of(handler, middlewares=[wrapping]))
    assert kinds(run(peer.finish())) == ["accept", "send", "close"]
    assert peer.taken == []


def listening(listener: Callable[[str], str]) -> Lihil:
    route = WebSocketRoute("ws")
    route.listener(listener)
    return Lihil(route)


def echo(message: str) -> str:
    if message == "fail":
        raise LookupError(message)
    return message


async def listened(peer: DirectPeer) -> None:
    peer.start()
    await peer.until(lambda: hasattr(peer, "on_message"))


def test_after_a_failure_no_message_is_handed_on() -> None:
    async def main() -> None:
        peer = DirectPeer(listening(echo))
        await listened(peer)
        for text in ("a", "fail", "b"):
            peer.on_message(text)
        assert kinds(await peer.finish()) == ["accept", "close"]
        assert peer.sent[-1]["code"] == 1011
        assert peer.taken == ["a"]

    run(main())


def test_a_reply_that_the_peer_does_not_take_any_more_is_dropped() -> None:
    async def main() -> None:
        peer = DirectPeer(listening(echo))
        await listened(peer)
        peer.is_lost = True
        peer.on_message("a")
        peer.leave()
        assert kinds(await peer.finish()) == ["accept"]

    run(main())
