"""Listeners, over every kind of line: a server that calls them, and a loop that asks for messages."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from starlette.exceptions import WebSocketException

from lihil import (
    AsyncScope,
    HTTPException,
    Ignore,
    Lihil,
    Param,
    Struct,
    WebSocket,
    WebSocketDisconnect,
    WebSocketRoute,
    use,
)
from lihil.asgi import ASGIApp, Message, Receive, Scope, Send
from lihil.websocket.watch import DisconnectWatch
from tests.lihil.websocket.lines import LINES, Exchange, RefusedError


class Chat(Struct):
    text: str


@dataclass
class Card:
    text: str


Made = Callable[..., Exchange]


@pytest.fixture(params=LINES)
def made(request: pytest.FixtureRequest) -> Made:
    """Makes an app with one listener, behind each kind of line."""

    def make(listener: Callable[..., Any], path: str = "ws", **options: Any) -> Exchange:
        return Exchange(app_with(listener, path, **options), request.param)

    return make


def app_with(listener: Callable[..., Any], path: str = "ws", **options: Any) -> Lihil:
    route = WebSocketRoute(path)
    route.listener(**options)(listener)
    return Lihil(route)


def shout(message: Chat) -> Chat:
    return Chat(message.text.upper())


async def shout_in_passing(message: Chat) -> Chat:
    return Chat(message.text.upper())


async def shout_later(message: Chat) -> Chat:
    await asyncio.sleep(0)
    return Chat(message.text.upper())


class Shouting:
    async def __call__(self, message: Chat) -> Chat:
        return Chat(message.text.upper())


SHOUTS = [shout, shout_in_passing, shout_later, Shouting()]


@pytest.mark.parametrize("listener", SHOUTS)
def test_each_message_is_one_call_and_its_result_is_the_reply(made: Made, listener: Callable[..., Any]) -> None:
    with made(listener).dial() as line:
        for text in ("one", "two"):
            line.say(json.dumps({"text": text}))
            assert line.hear() == f'{{"text":"{text.upper()}"}}'


@pytest.mark.parametrize("listener", SHOUTS)
def test_an_invalid_message_is_answered_with_its_field_and_the_connection_stays_open(
    made: Made, listener: Callable[..., Any]
) -> None:
    with made(listener).dial() as line:
        line.say('{"text":7}')
        assert json.loads(line.hear()) == {  # type: ignore[arg-type]
            "type": "invalid-message",
            "type_": "invalid-message",
            "title": "Invalid message",
            "status": 422,
            "detail": "message.text: expected str, got int",
            "errors": [
                {
                    "type": "InvalidDataType",
                    "location": "message",
                    "param": "message.text",
                    "message": "expected str, got int",
                }
            ],
        }
        line.say('{"text":"on"}')
        assert line.hear() == '{"text":"ON"}'


def test_a_listener_that_gives_none_sends_nothing(made: Made) -> None:
    heard: list[str] = []

    def listen(message: str) -> str | None:
        heard.append(message)
        return message if message == "say" else None

    with made(listen).dial() as line:
        for text in ("a", "b", "say"):
            line.say(text)
        assert line.hear() == "say"
    assert heard == ["a", "b", "say"]


@pytest.mark.parametrize("waits", [False, True])
def test_an_http_exception_is_a_message_and_the_connection_stays_open(made: Made, waits: bool) -> None:
    def refuse(message: str) -> str:
        if message == "no":
            raise HTTPException(403, "not you")
        return message

    async def refuse_later(message: str) -> str:
        await asyncio.sleep(0)
        return refuse(message)

    with made(refuse_later if waits else refuse).dial() as line:
        line.say("no")
        problem = json.loads(line.hear())  # type: ignore[arg-type]
        assert (problem["status"], problem["title"], problem["detail"]) == (403, "Forbidden", "not you")
        line.say("yes")
        assert line.hear() == "yes"


def fails(message: str) -> str:
    raise ValueError("hunter2")


def has_no_form(message: str) -> Any:
    return object()


def no_refusal(message: str) -> Any:
    from starlette.exceptions import HTTPException as AnyStatus

    raise AnyStatus(204)


def closes(message: str) -> None:
    raise WebSocketException(4001, "enough")


@pytest.mark.parametrize(("listener", "code"), [(fails, 1011), (has_no_form, 1011), (no_refusal, 1011), (closes, 4001)])
def test_what_a_listener_raises_ends_the_connection_as_in_a_handler(
    made: Made, listener: Callable[..., Any], code: int
) -> None:
    ended: list[str] = []

    async def resource() -> Ignore[AsyncIterator[str]]:
        try:
            yield "open"
        except Exception as exc:
            ended.append(type(exc).__name__)
            raise

    def listen(message: str, held: Annotated[str, use(resource, reuse=True)]) -> Any:
        return listener(message)

    with made(listen).dial() as line:
        line.say("a")
        line.say("b")
        assert line.hear() == code
    assert len(ended) == 1


@pytest.mark.parametrize("kind", ["direct", "stock"])
def test_a_reply_that_is_no_unicode_ends_the_connection(kind: str) -> None:
    def listen(message: str) -> str:
        return "\ud800"

    with Exchange(app_with(listen), kind).dial() as line:
        line.say("a")
        assert line.hear() == 1011


def test_parameters_come_from_the_handshake_once(made: Made) -> None:
    def listen(
        message: str, room: str, size: int = 1, token: Annotated[str, Param("header", alias="host")] = ""
    ) -> str:
        return f"{room}/{size}/{bool(token)}/{message}"

    with made(listen, "ws/{room}").dial("/ws/blue?size=3") as line:
        line.say("x")
        assert line.hear() == "blue/3/True/x"


def test_a_bad_parameter_refuses_the_handshake(made: Made) -> None:
    def listen(message: str, size: int) -> str:
        return message

    with pytest.raises(RefusedError) as refused, made(listen).dial("/ws?size=x"):
        pass
    assert refused.value.status == 422
    assert b"size" in refused.value.body


def test_reused_dependencies_live_with_the_connection_and_others_with_the_message(made: Made) -> None:
    told: list[str] = []

    def part() -> Ignore[str]:
        told.append("part")
        return "part"

    async def held(ws: WebSocket, it: Annotated[str, use(part)]) -> Ignore[AsyncIterator[str]]:
        told.append(f"held {ws.path_params['room']}")
        yield "held"
        told.append("held ends")

    def first(message: Ignore[str], of: Annotated[str, use(held, reuse=True)]) -> Ignore[Iterator[str]]:
        told.append(f"first {message}")
        try:
            yield f"{of} {message}"
        except LookupError:
            told.append("first sees LookupError")
            raise
        told.append("first ends")

    async def second(first: Annotated[str, use(first)]) -> Ignore[AsyncIterator[str]]:
        try:
            yield first
        finally:
            told.append("second ends")

    async def listen(
        message: str,
        room: str,
        held: Annotated[str, use(held, reuse=True)],
        value: Annotated[str, use(second)],
    ) -> str:
        if message == "fail":
            raise HTTPException(404)
        if message == "break":
            raise LookupError(message)
        return f"{held} {value}"

    with made(listen, "{room}").dial("/r") as line:
        line.say("one")
        assert line.hear() == "held held one"
        line.say("break")
        assert line.hear() == 1011
    assert told == [
        "part",
        "held r",
        "first one",
        "second ends",
        "first ends",
        "first break",
        "second ends",
        "first sees LookupError",
    ]


def test_plain_factories_are_called_for_each_message(made: Made) -> None:
    calls = iter(range(9))

    def number() -> Ignore[int]:
        return next(calls)

    def listen(message: str, at: Annotated[int, use(number)], fixed: Annotated[int, use(number, reuse=True)]) -> str:
        return f"{at} {fixed}"

    with made(listen).dial() as line:
        for heard in ("1 0", "2 0"):
            line.say("x")
            assert line.hear() == heard


def test_a_sync_listener_may_have_dependencies_that_wait(made: Made) -> None:
    async def user(message: Ignore[str]) -> Ignore[str]:
        await asyncio.sleep(0)
        return message.upper()

    def listen(message: str, user: Annotated[str, use(user)]) -> str:
        return user

    with made(listen).dial() as line:
        line.say("x")
        assert line.hear() == "X"


def test_a_factory_of_the_message_type_gets_the_message() -> None:
    class Author(Struct):
        name: str

    def author(chat: Chat) -> Author:
        return Author(chat.text)

    def other(card: Card = Card("default")) -> Ignore[str]:  # noqa: B008
        return card.text

    def listen(author: Annotated[Author, use(author)], chat: Chat, text: Annotated[str, use(other)]) -> str:
        return f"{author.name} {chat.text} {text}"

    with Exchange(app_with(listen), "memory").dial() as line:
        line.say('{"text":"x"}')
        assert line.hear() == "x x default"


def test_a_scope_lives_as_long_as_the_message_and_knows_what_the_connection_holds(made: Made) -> None:
    class Session:
        pass

    ended: list[str] = []

    def listen(message: str, session: Annotated[Session, use(Session, reuse=True)], scope: AsyncScope) -> str:
        scope.register_exit_callback(ended.append, message)
        return f"{session is scope.recipe_of(Session)[1].value} {ended}"  # type: ignore[union-attr]

    with made(listen).dial() as line:
        for heard in ("True []", "True ['a']"):
            line.say("a")
            assert line.hear() == heard


def test_a_scope_of_a_reused_dependency_is_the_connections() -> None:
    ended: list[str] = []

    class Room:
        def __init__(self, scope: AsyncScope) -> None:
            scope.register_exit_callback(ended.append, "room")

    def listen(message: str, room: Annotated[Room, use(Room, reuse=True)]) -> str:
        return f"{ended}"

    with Exchange(app_with(listen), "memory").dial() as line:
        for _ in range(2):
            line.say("a")
            assert line.hear() == "[]"
    assert ended == ["room"]


WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


def test_a_listener_sees_the_context_that_its_dependencies_set(made: Made) -> None:
    def who() -> Ignore[str]:
        WHO.set("bob")
        return "bob"

    def listen(message: str, who: Annotated[str, use(who, reuse=True)]) -> str:
        return WHO.get()

    with made(listen).dial() as line:
        line.say("x")
        assert line.hear() == "bob"


def echo(message: str) -> str:
    return message


def test_a_middleware_sees_every_message(made: Made) -> None:
    seen: list[Message] = []

    def watching(app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_on(message: Message) -> None:
                seen.append(message)
                await send(message)

            await app(scope, receive, send_on)

        return watched

    with made(echo, middlewares=[watching]).dial() as line:
        line.say("x")
        assert line.hear() == "x"
    assert [message["type"] for message in seen][:2] == ["websocket.accept", "websocket.send"]


def test_a_listener_may_send_more_and_close(made: Made) -> None:
    async def listen(message: str, ws: WebSocket[Any, Chat]) -> str:
        await ws.send(Chat("first"))
        if message == "bye":
            await ws.close(4000)
        return "second"

    with made(listen).dial() as line:
        line.say("x")
        assert [line.hear(), line.hear()] == ['{"text":"first"}', '"second"']
        line.say("bye")
        assert [line.hear(), line.hear()] == ['{"text":"first"}', 4000]


def test_a_dependency_may_accept_by_itself_or_refuse(made: Made) -> None:
    async def opened(ws: WebSocket, admit: bool) -> Ignore[str]:
        await (ws.accept("v1") if admit else ws.close())
        return "opened"

    def listen(message: str, how: Annotated[str, use(opened, reuse=True)]) -> str:
        return how

    exchange = made(listen)
    with exchange.dial("/ws?admit=true", ["v1"]) as line:
        line.say("x")
        assert (line.subprotocol, line.hear()) == ("v1", "opened")
    with pytest.raises(RefusedError) as refused, exchange.dial("/ws?admit=false"):
        pass
    assert refused.value.status == 403


def test_messages_that_came_with_the_handshake_are_answered_first_also_when_one_fails() -> None:
    waited: list[str] = []

    async def slow(ws: WebSocket) -> Ignore[str]:
        await ws.accept()
        await asyncio.sleep(0.05)
        return "slow"

    def listen(message: str, how: Annotated[str, use(slow, reuse=True)]) -> str:
        waited.append(message)
        if message == "fail":
            raise LookupError(message)
        return message

    for kind in LINES:
        waited.clear()
        with Exchange(app_with(listen), kind).dial() as line:
            for text in ("a", "fail", "b"):
                line.say(text)
            assert [line.hear(), line.hear()] == ["a", 1011]
        assert waited == ["a", "fail"]


def test_the_client_may_leave_while_a_listener_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DisconnectWatch, "tick_s", 0.02)
    ended: list[type[BaseException]] = []

    async def listen(message: str) -> str:
        try:
            await asyncio.sleep(60)
        except BaseException as exc:
            ended.append(type(exc))
            raise
        return message

    with Exchange(app_with(listen), "memory").dial() as line:
        line.say("x")
    assert ended == [asyncio.CancelledError]


def test_a_reply_to_a_client_that_has_gone_is_dropped() -> None:
    resumed: list[str] = []

    async def held() -> Ignore[AsyncIterator[str]]:
        yield "held"
        resumed.append("normally")

    async def listen(message: str, ws: WebSocket, held: Annotated[str, use(held, reuse=True)]) -> str:
        while True:
            try:
                await ws.send_text("still there?")
            except WebSocketDisconnect:
                return message
            await asyncio.sleep(0.001)

    with Exchange(app_with(listen), "memory").dial() as line:
        line.say("x")
        line.hear()
    assert resumed == ["normally"]


def test_msgpack_may_be_the_routes_own(made: Made) -> None:
    with made(shout, codec="msgpack").dial() as line:
        line.say(msgspec.msgpack.encode({"text": "x"}))
        assert line.hear() == msgspec.msgpack.encode({"text": "X"})
