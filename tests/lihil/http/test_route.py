"""Registering handlers: one for each method, with and without arguments, and what is refused by name."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from lihil import HTML, Lihil, Route, SetupError, Text
from lihil.asgi import ASGIApp, Receive, Scope, Send
from lihil.http.route import Register
from lihil.routing.path import PathError
from lihil.vendors import TestClient


class Clock:
    """Something to provide."""

    def __init__(self) -> None:
        self.now = "noon"


def answers(route: Route, method: str, path: str = "/x") -> tuple[int, str]:
    with TestClient(Lihil(route)) as client:
        response = client.request(method, path)
    return response.status_code, response.text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_each_method_has_a_decorator_with_and_without_arguments(method: str) -> None:
    plain, with_arguments = Route("x"), Route("x")
    register: Register = getattr(plain, method.lower())
    register_with: Register = getattr(with_arguments, method.lower())

    @register
    async def first() -> Text:
        return "first"

    @register_with(status=202)
    async def second() -> Text:
        return "second"

    assert answers(plain, method) == (200, "first")
    assert answers(with_arguments, method) == (202, "second")


def test_a_head_handler_of_its_own_goes_before_that_of_get() -> None:
    route = Route("x")

    @route.get
    async def read() -> Text:
        return "content"

    @route.head
    async def look() -> None: ...

    with TestClient(Lihil(route)) as client:
        assert client.head("/x").headers["content-type"] == "application/json"
        assert client.get("/x").text == "content"


def test_a_decorated_handler_stays_the_function_it_was() -> None:
    route = Route("x")

    async def handler() -> None: ...

    assert route.get(handler) is handler
    assert route.post(status=201)(handler) is handler


def test_one_function_may_serve_two_methods() -> None:
    route = Route("x")

    @route.get
    @route.post
    async def either() -> Text:
        return "either"

    assert answers(route, "GET") == answers(route, "POST") == (200, "either")


def test_the_type_checker_accepts_a_page_that_is_a_str() -> None:
    route = Route("x")

    @route.get
    async def page() -> HTML:
        return "<h1>hello</h1>"

    assert answers(route, "GET") == (200, "<h1>hello</h1>")


# What a handler may be.


async def by_coroutine(name: str) -> Text:
    return f"hello {name}"


def by_function(name: str) -> Text:
    return f"hello {name}"


class ByObject:
    """An object that is called."""

    async def __call__(self, name: str) -> Text:
        return f"hello {name}"


async def greets(greeting: str, name: str) -> Text:
    return f"{greeting} {name}"


@functools.wraps(by_coroutine)
def by_plain_wrapper(*args: Any, **kwargs: Any) -> Any:
    return by_coroutine(*args, **kwargs)


async def by_async_generator(name: str) -> AsyncIterator[Text]:
    yield "hello "
    yield name


def by_generator(name: str) -> Iterator[Text]:
    yield "hello "
    yield name


@pytest.mark.parametrize(
    "handler",
    [
        by_coroutine,
        by_function,
        ByObject(),
        functools.partial(greets, "hello"),
        by_plain_wrapper,
        by_async_generator,
        by_generator,
    ],
    ids=["async def", "def", "object", "partial", "wrapper", "async generator", "generator"],
)
def test_a_handler_may_be_any_kind_of_function(handler: Callable[..., Any]) -> None:
    route = Route("x")
    route.get(handler)
    with TestClient(Lihil(route)) as client:
        response = client.get("/x?name=you")
    assert (response.text, response.headers["content-type"]) == ("hello you", "text/plain; charset=utf-8")


def test_a_second_handler_of_one_method_is_refused_and_both_are_named() -> None:
    route = Route("x")

    @route.get
    async def first() -> None: ...

    async def second() -> None: ...

    with pytest.raises(
        SetupError, match=r"(?s)second: Route\('/x'\) has a GET handler already: first \(.*:\d+\).*fix:"
    ):
        route.get(second)


def test_a_refused_handler_leaves_no_provider_behind() -> None:
    route = Route("x")

    @route.get
    async def first() -> None: ...

    with pytest.raises(SetupError):
        route.get(deps=[Clock])(first)
    assert Clock not in route.graph


@pytest.mark.parametrize("wrong", ["/path", Clock])
def test_what_is_no_function_is_refused_with_the_way_to_write_it(wrong: Any) -> None:
    with pytest.raises(SetupError, match=r"(?s)get takes a function.*write `@route.get`; the path stands in Route"):
        Route("x").get(wrong)


@pytest.mark.parametrize("status", [0, 101, 199, 600])
def test_a_status_that_is_none_of_a_response_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"from 200 to 599, not {status}"):
        Route("x").get(status=status)


def test_a_pattern_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(PathError):
        Route("x/{")


def test_providers_given_with_a_handler_serve_it() -> None:
    route = Route("x")

    @route.get(deps=[Clock])
    async def now(clock: Clock) -> Text:
        return clock.now

    assert answers(route, "GET") == (200, "noon")


def test_middlewares_given_with_a_handler_wrap_it_alone_inside_those_of_the_route() -> None:
    seen: list[str] = []

    def noting(name: str) -> Callable[[ASGIApp], ASGIApp]:
        def middleware(app: ASGIApp) -> ASGIApp:
            async def noted(scope: Scope, receive: Receive, send: Send) -> None:
                seen.append(name)
                await app(scope, receive, send)

            return noted

        return middleware

    route = Route("x", middlewares=[noting("route")])

    @route.get(middlewares=[noting("outer"), noting("inner")])
    async def read() -> None: ...

    @route.post
    async def write() -> None: ...

    with TestClient(Lihil(route)) as client:
        client.get("/x")
        client.post("/x")
    assert seen == ["route", "outer", "inner", "route"]


def test_a_route_without_a_handler_is_a_parent_only() -> None:
    parent = Route("rooms")
    child = parent / "{name}"

    @child.get
    async def room(name: str) -> Text:
        return name

    assert answers(parent, "GET", "/rooms/blue") == (200, "blue")
    assert answers(parent, "GET", "/rooms")[0] == 404


def test_two_routes_of_a_kind_keep_their_handlers_apart() -> None:
    one, other = Route("one"), Route("other")

    @one.get
    async def handler() -> Text:
        return "one"

    with TestClient(Lihil(one, other)) as client:
        assert client.get("/one").text == "one"
        assert client.get("/other").status_code == 404
