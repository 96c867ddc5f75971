"""How a WebSocket handler is registered, and which ones are refused."""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lihil import Lihil, SetupError, WebSocket, WebSocketRoute
from lihil.asgi import ASGIApp, Receive, Scope, Send
from tests.lihil.websocket.peer import Peer, kinds, run, texts


async def echo(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text("echo")


def answers(route: WebSocketRoute) -> list[Any]:
    return texts(run(Peer(Lihil(route)).finish()))


@pytest.mark.parametrize("name", ["ws_handler", "endpoint"])
def test_both_names_register_as_a_plain_call_and_as_a_decorator(name: str) -> None:
    plain, called = WebSocketRoute("ws"), WebSocketRoute("ws")
    assert getattr(plain, name)(echo) is echo
    assert getattr(called, name)()(echo) is echo
    assert answers(plain) == answers(called) == ["echo"]


def test_dependencies_and_middlewares_of_one_handler_are_given_with_it() -> None:
    class Greeting:
        def __init__(self) -> None:
            self.text = "hello"

    def shout(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def loud(message: Any) -> None:
                await send({**message, "text": message["text"].upper()} if "text" in message else message)

            await app(scope, receive, loud)

        return wrapped

    route = WebSocketRoute("ws")

    @route.ws_handler(deps=[Greeting], middlewares=[shout])
    async def handler(ws: WebSocket, greeting: Greeting) -> None:
        await ws.accept()
        await ws.send_text(greeting.text)

    assert answers(route) == ["HELLO"]


def sync_handler(ws: WebSocket) -> None: ...


def generator_handler(ws: WebSocket) -> Any:
    yield


async def async_generator_handler(ws: WebSocket) -> AsyncIterator[str]:
    yield "x"


class SyncObject:
    def __call__(self, ws: WebSocket) -> None: ...


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (sync_handler, r"test_route.py:\d+: sync_handler: .* must be async.*\n.*write `async def sync_handler"),
        (generator_handler, r"generator_handler: a WebSocket handler must be async"),
        (async_generator_handler, r"async_generator_handler: .* is no generator\n.*ws.send_text"),
        (SyncObject(), "SyncObject: a WebSocket handler must be async"),
        (functools.partial(sync_handler), "sync_handler: a WebSocket handler must be async"),
        (len, "len: a WebSocket handler must be async"),
        ("handler", "str: a WebSocket handler must be async"),
    ],
)
def test_what_cannot_serve_a_connection_is_refused_by_name(handler: Any, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        WebSocketRoute("ws").ws_handler(handler)


class Echo:
    async def __call__(self, ws: WebSocket) -> None:
        await echo(ws)

    async def method(self, ws: WebSocket) -> None:
        await echo(ws)


async def repeated(text: str, ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text(text)


@pytest.mark.parametrize("handler", [Echo(), Echo().method, functools.partial(repeated, "echo")])
def test_any_async_callable_is_a_handler(handler: Callable[..., Any]) -> None:
    route = WebSocketRoute("ws")
    route.ws_handler(handler)
    assert answers(route) == ["echo"]


def test_a_second_handler_is_refused_and_both_are_named() -> None:
    route = WebSocketRoute("ws")
    route.ws_handler(functools.partial(repeated, "first"))

    async def second(ws: WebSocket) -> None: ...

    with pytest.raises(SetupError, match=r"second: WebSocketRoute\('/ws'\) has a handler already: repeated"):
        route.ws_handler(second)
    assert answers(route) == ["first"]


def test_a_route_without_a_handler_is_a_parent_only() -> None:
    parent = WebSocketRoute("ws")
    parent.sub("below").ws_handler(echo)
    assert kinds(run(Peer(Lihil(parent)).finish())) == ["start", "body"]
    assert texts(run(Peer(Lihil(parent), "/ws/below").finish())) == ["echo"]
