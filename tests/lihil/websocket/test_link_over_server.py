"""What a handler of ours receives when the server offers its short way: the same as on any other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lihil import Lihil, Struct, WebSocket, WebSocketDisconnect, WebSocketRoute
from tests.lihil.server.memory import CLOSE, connect, ended
from tests.lihil.server.wire import frame, handshake, settle, text


class Chat(Struct):
    say: str


async def as_text(ws: WebSocket[Any, Any]) -> Any:
    return await ws.receive_text()


async def as_bytes(ws: WebSocket[Any, Any]) -> Any:
    return await ws.receive_bytes()


async def as_json(ws: WebSocket[Any, Any]) -> Any:
    return await ws.receive_json()


async def as_it_comes(ws: WebSocket[Any, Any]) -> Any:
    return await ws.receive_message()


TEXT, BINARY = text('{"say":"x"}'), frame(0x82, b'{"say":"x"}')


def app_of(handler: Callable[..., Awaitable[None]]) -> Lihil:
    route = WebSocketRoute("ws")
    route.ws_handler(handler)
    return Lihil(route)


@pytest.mark.parametrize(
    ("receive", "expected"),
    [
        (as_text, ['{"say":"x"}', '{"say":"x"}']),
        (as_bytes, [b'{"say":"x"}', b'{"say":"x"}']),
        (as_json, [{"say": "x"}, {"say": "x"}]),
        (as_it_comes, ['{"say":"x"}', b'{"say":"x"}']),
    ],
)
@pytest.mark.parametrize("is_early", [False, True])
def test_text_and_binary_are_received_until_the_peer_has_gone(
    receive: Callable[[WebSocket[Any, Any]], Awaitable[Any]], expected: list[Any], is_early: bool
) -> None:
    got: list[Any] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                got.append(await receive(ws))
        except WebSocketDisconnect as gone:
            got.append((gone.code, gone.reason))

    async def talk() -> None:
        protocol, transport = connect(app_of(handler), request=handshake("/ws"))
        if is_early:  # before the handler asks
            protocol.data_received(TEXT + BINARY)
        await settle()
        if not is_early:
            for data in (TEXT, BINARY):
                protocol.data_received(data)
                await settle()
        protocol.data_received(CLOSE)
        await ended(transport)

    asyncio.run(talk())
    assert got == [*expected, (4000, "bye")]


def test_typed_messages_are_decoded_and_answered() -> None:
    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(Chat(message.say * 2))

    async def talk() -> None:
        protocol, transport = connect(app_of(handler), request=handshake("/ws"))
        await settle()
        protocol.data_received(TEXT + text("[]") + BINARY)
        await settle()
        first, refusal, last = transport.frames()
        assert (first, last) == ('{"say":"xx"}', '{"say":"xx"}')
        assert '"status":422' in str(refusal)
        protocol.data_received(CLOSE)
        await ended(transport)

    asyncio.run(talk())


def test_a_receive_that_is_given_up_takes_no_message_with_it() -> None:
    got: list[str] = []
    deliver: list[Callable[[bytes], None]] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        given_up = asyncio.ensure_future(ws.receive_text())
        await settle()
        deliver[0](text("kept"))
        given_up.cancel()
        await asyncio.wait([given_up])
        got.append(await ws.receive_text())
        assert given_up.cancelled()

    async def talk() -> None:
        protocol, transport = connect(app_of(handler), request=handshake("/ws"))
        deliver.append(protocol.data_received)
        await settle()
        await settle()
        protocol.data_received(CLOSE)
        await ended(transport)

    asyncio.run(talk())
    assert got == ["kept"]
