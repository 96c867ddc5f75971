"""A user's file: what a type checker says about WebSocket and listeners. `test_messages.py` checks it."""

from dataclasses import dataclass
from typing import Any, assert_type

from lihil import Ignore, Struct, WebSocket, WebSocketRoute


class Chat(Struct, tag="chat"):
    text: str


class Wipe(Struct, tag="wipe"):
    pass


@dataclass
class Reply:
    text: str


typed = WebSocketRoute("typed")
plain = WebSocketRoute("plain")
listened = WebSocketRoute("listened")


@typed.ws_handler(codec="msgpack")
async def relay(ws: WebSocket[Chat | Wipe, Reply]) -> None:
    await ws.accept()
    async for message in ws:
        assert_type(message, Chat | Wipe)
        await ws.send(Reply(message.text if isinstance(message, Chat) else ""))
    assert_type(await ws.receive_message(), Chat | Wipe)
    await ws.send("no reply")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@plain.ws_handler
async def untyped(ws: WebSocket) -> None:
    assert_type(await ws.receive_text(), str)
    async for message in ws:
        assert_type(message, Any)
    await ws.send({"type": "websocket.send", "text": "as ASGI says"})


def opened(ws: Ignore[WebSocket]) -> Ignore[WebSocket[Chat, Reply]]:
    return ws


async def half_typed(ws: WebSocket[Chat]) -> None:
    async for message in ws:
        assert_type(message, Chat)
    await ws.send(object())


@listened.listener
def answer(message: Chat, ws: WebSocket) -> Reply | None:
    return Reply(message.text) if message.text else None


@WebSocketRoute("later").listener(codec="json")
async def answer_later(message: Chat) -> Reply:
    return Reply(message.text)


assert_type(answer(Chat(""), WebSocket({}, untyped, untyped)), Reply | None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
