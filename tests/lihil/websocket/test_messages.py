"""Typed messages of a WebSocket handler: what it gets, what it sends, and what a client is told of a bad one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import msgspec
import pydantic
import pytest

from lihil import AsyncResource, Ignore, Lihil, SetupError, Struct, WebSocket, WebSocketRoute, use
from lihil.errors import WebSocketStateError
from lihil.vendors import TestClient
from tests.lihil.websocket.lines import LINES, Exchange
from tests.lihil.websocket.peer import Peer, app_of, run, texts


class Chat(Struct, tag="chat"):
    text: str


class Wipe(Struct, tag="wipe"):
    pass


@dataclass
class Card:
    text: str


class Note(TypedDict):
    text: str


class Model(pydantic.BaseModel):
    text: str


def app_with(handler: Callable[..., Any], **options: Any) -> Lihil:
    route = WebSocketRoute("ws")
    route.ws_handler(**options)(handler)
    return Lihil(route)


async def relay(ws: WebSocket[Chat | Wipe, Chat | Wipe]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


async def relay_dataclass(ws: WebSocket[Card, Card]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(Card(message.text))


async def relay_typed_dict(ws: WebSocket[Note, Note]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send({"text": message["text"]})


async def relay_model(ws: WebSocket[Model, Model]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(Model(text=message.text))


async def relay_anything(ws: WebSocket[Any, Any]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


async def relay_strings(ws: WebSocket[Any, str | int]) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


@pytest.mark.parametrize("kind", LINES)
def test_a_typed_socket_iterates_values_and_answers_what_is_none(kind: str) -> None:
    with Exchange(app_with(relay), kind).dial() as line:
        line.say('{"type":"chat","text":"a"}')
        line.say('{"type":"chat"}')
        line.say(b'{"type":"wipe"}')
        assert line.hear() == '{"type":"chat","text":"a"}'
        problem = json.loads(line.hear())  # type: ignore[arg-type]
        assert (problem["type"], problem["status"]) == ("invalid-message", 422)
        assert problem["detail"] == "message: object missing required field text"
        assert line.hear() == '{"type":"wipe"}'


@pytest.mark.parametrize(
    ("handler", "said", "heard"),
    [
        (relay_dataclass, '{"text":"x"}', '{"text":"x"}'),
        (relay_typed_dict, '{"text":"x"}', '{"text":"x"}'),
        (relay_model, '{"text":"x"}', '{"text":"x"}'),
        (relay_anything, '{"text":[1]}', '{"text":[1]}'),
        (relay_anything, '"x"', "x"),
        (relay_strings, '"x"', '"x"'),
        (relay_strings, "1", "1"),
    ],
)
def test_values_of_every_kind_go_both_ways(handler: Callable[..., Any], said: str, heard: str) -> None:
    with Exchange(app_with(handler), "memory").dial() as line:
        line.say(said)
        assert line.hear() == heard


async def accepts_itself(ws: WebSocket[Chat, Chat]) -> None:
    await ws.accept("msgpack" if "msgpack" in ws.subprotocols else "v1")
    await ws.send(Chat("hi"))


PACKED = msgspec.msgpack.encode({"type": "chat", "text": "hi"})
WRITTEN = '{"type":"chat","text":"hi"}'


async def greets(ws: WebSocket[Chat, Chat]) -> None:
    await ws.accept()
    await ws.send(Chat("hi"))


async def greets_raw(ws: WebSocket[str, str]) -> None:
    await ws.accept()
    await ws.send("hi")


@pytest.mark.parametrize(
    ("handler", "codec", "offers", "subprotocol", "heard"),
    [
        (greets, None, [], None, WRITTEN),
        (greets, None, ["msgpack"], "msgpack", PACKED),
        (greets, None, ["v1", "msgpack", "json"], "msgpack", PACKED),
        (greets, None, ["json", "msgpack"], "json", WRITTEN),
        (greets, None, ["v1"], None, WRITTEN),
        (greets, "json", ["msgpack"], None, WRITTEN),
        (greets, "msgpack", [], None, PACKED),
        (greets, "msgpack", ["msgpack"], "msgpack", PACKED),
        (greets_raw, None, ["msgpack"], None, "hi"),
        (accepts_itself, None, ["msgpack"], "msgpack", PACKED),
        (accepts_itself, None, ["v1"], "v1", WRITTEN),
    ],
)
def test_the_format_is_the_routes_or_the_clients_choice(
    handler: Callable[..., Any], codec: Any, offers: list[str], subprotocol: str | None, heard: str | bytes
) -> None:
    with Exchange(app_with(handler, codec=codec), "memory").dial(offers=offers) as line:
        assert (line.subprotocol, line.hear()) == (subprotocol, heard)


def test_msgpack_messages_are_binary_and_so_is_what_a_client_is_told_of_others() -> None:
    with Exchange(app_with(relay), "memory").dial(offers=["msgpack"]) as line:
        line.say(PACKED)
        assert line.hear() == PACKED
        for said, detail in (
            (WRITTEN, "message: not msgpack: it came as text"),
            (msgspec.msgpack.encode({"type": "chat", "text": 1}), "message.text: expected str, got int"),
            (b"\xc1", "message: not msgpack: "),
        ):
            line.say(said)
            problem = msgspec.msgpack.decode(line.hear())  # type: ignore[arg-type]
            assert problem["detail"].startswith(detail)


def test_a_plain_socket_iterates_messages_as_they_come_and_sends_asgi_messages() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send({"type": "websocket.send", "text": repr(message)})

    with Exchange(app_with(handler), "memory").dial() as line:
        for said in ("a", b"b"):
            line.say(said)
            assert line.hear() == repr(said)


def test_one_message_may_be_received_by_itself() -> None:
    async def handler(ws: WebSocket[Chat, str]) -> None:
        await ws.accept()
        first = await ws.receive_message()
        await ws.send(first.text)
        await ws.receive_message()

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        peer.text("{}", WRITTEN)
        await peer.until(lambda: len(peer.sent) == 3)
        peer.leave()
        await peer.finish()
        assert [json.loads(peer.sent[1]["text"])["status"], *texts(peer.sent)[1:]] == [422, "hi"]

    run(main())


def test_an_invalid_message_after_our_close_is_passed_over() -> None:
    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        await ws.accept()
        await ws.close(4000)
        assert [message async for message in ws] == []

    async def main() -> None:
        peer = Peer(app_of(handler))
        peer.text("{}")
        assert [message["type"] for message in await peer.finish()] == ["websocket.accept", "websocket.close"]

    run(main())


def test_a_client_that_leaves_before_it_is_told_of_its_message_ends_the_loop() -> None:
    ended: list[str] = []

    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        await ws.accept()
        async for _ in ws:
            pass
        ended.append("in order")

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        peer.text("{}")
        peer.leave()
        await peer.finish()

    run(main())
    assert ended == ["in order"]


def test_a_typed_socket_sends_and_receives_only_while_it_is_open() -> None:
    raised: list[str] = []

    async def handler(ws: WebSocket[Chat, Chat]) -> None:
        for call in (lambda: ws.send(Chat("x")), ws.receive_message):
            with pytest.raises(WebSocketStateError) as refused:
                await call()
            raised.append(str(refused.value))
        await ws.accept()
        await ws.close()
        with pytest.raises(WebSocketStateError) as refused:
            await ws.send(Chat("x"))
        raised.append(str(refused.value))

    run(Peer(app_of(handler)).finish())
    assert raised == [
        "send() comes after the handshake; call `await ws.accept()` first",
        "nothing can be received before the handshake; call `await ws.accept()` first",
        "send() on a WebSocket that is closed",
    ]


async def opened(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket[Chat, Chat]]]:
    await ws.accept()
    yield ws


async def marked(ws: Annotated[WebSocket[Chat, Chat], use(opened)]) -> None:
    async for message in ws:
        await ws.send(Chat(message.text * 2))


def test_a_socket_that_a_factory_gives_is_typed_by_the_handlers_annotation() -> None:
    with Exchange(app_with(marked), "memory").dial() as line:
        line.say(WRITTEN)
        assert line.hear() == '{"type":"chat","text":"hihi"}'


class Unreadable:
    pass


async def no_type(ws: WebSocket[Unreadable, Chat]) -> None: ...


async def untagged(ws: WebSocket[Chat | Card, Chat]) -> None: ...


async def typed_otherwise(ws: WebSocket[Card, Chat]) -> Ignore[int]:
    return 1


async def disagrees(ws: WebSocket[Chat, Chat], count: Annotated[int, use(typed_otherwise)]) -> None: ...


async def untyped(ws: WebSocket) -> None: ...


@pytest.mark.parametrize(
    ("handler", "codec", "what"),
    [
        (no_type, None, "no_type: no message can be read as the Unreadable of WebSocket[Unreadable, ...]: "),
        (untagged, None, "untagged: no message can be read as the Chat | Card of WebSocket[Chat | Card, ...]: "),
        (disagrees, None, "typed_otherwise(ws): its messages are others than those of disagrees"),
        (untyped, "msgpack", "untyped: codec='msgpack' is for typed messages, and untyped has none"),
    ],
)
def test_types_that_cannot_work_are_refused_at_the_start(handler: Callable[..., Any], codec: Any, what: str) -> None:
    with pytest.raises(SetupError) as refused, TestClient(app_with(handler, codec=codec)):
        pass
    assert what in str(refused.value)
    assert "fix: " in str(refused.value)


def test_a_codec_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="codec is one of json, msgpack, not 'xml'"):
        WebSocketRoute("ws").ws_handler(codec="xml")  # type: ignore[call-overload]
