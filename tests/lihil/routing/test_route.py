"""Routes as users hang them together: parents, children, merges, middlewares, and apps that share them."""

import functools
from typing import Any

import pytest
from starlette.middleware import Middleware as StarletteMiddleware

from lihil import Lihil, Route, SetupError, WebSocket, WebSocketRoute
from lihil.asgi import ASGIApp, Receive, Scope, Send
from lihil.routing.path import PathError
from lihil.routing.route import RouteNode
from lihil.vendors import HandshakeRefused, TestClient


async def where(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json([ws.url.path, ws.path_params])


async def page() -> str:
    return "page"


def asked(app: Lihil, path: str) -> Any:
    """What `where` says on a path; the status when the handshake is refused."""
    try:
        with TestClient(app).websocket_connect(path) as ws:
            return ws.receive_json()
    except HandshakeRefused as refused:
        return refused.status


@pytest.mark.parametrize("path", ["a/", "a//b", "{x", "{x}/{x}"])
def test_a_path_that_cannot_work_is_refused_at_once(path: str) -> None:
    for make in (Route, WebSocketRoute, WebSocketRoute("parent").sub, WebSocketRoute("parent").__truediv__):
        with pytest.raises(PathError):
            make(path)


def test_sub_routes_are_made_once_and_answer_below_their_parents() -> None:
    root = WebSocketRoute("a")
    assert root.sub("b") is root.sub("/b") is root / "b"
    assert type(root / "b") is WebSocketRoute
    (root / "b" / "{x}").ws_handler(where)
    root.ws_handler(where)
    app = Lihil(root)
    assert asked(app, "/a") == ["/a", {}]
    assert asked(app, "/a/b") == 404
    assert asked(app, "/a/b/c") == ["/a/b/c", {"x": "c"}]


def test_a_sub_route_of_the_other_kind_does_not_count_as_the_same() -> None:
    root = WebSocketRoute("a")
    root.merge(Route("b"))
    made = root.sub("b")
    assert type(made) is WebSocketRoute
    assert root.sub("b") is made


def test_what_is_hung_below_a_route_after_it_was_included_is_found() -> None:
    root = WebSocketRoute("a")
    app = Lihil(root)
    root.sub("late").ws_handler(where)
    assert asked(app, "/a/late") == ["/a/late", {}]


@pytest.mark.parametrize("name", ["merge", "include_subroutes"])
def test_routes_of_both_kinds_are_merged_below_a_parent_of_either(name: str) -> None:
    socket, http = WebSocketRoute("socket"), Route("http")
    socket.ws_handler(where)
    http.get(page)
    for parent in (Route("a"), WebSocketRoute("a")):
        assert getattr(parent, name)(socket, http) is parent
        app = Lihil(parent)
        assert asked(app, "/a/socket") == ["/a/socket", {}]
        assert TestClient(app).get("/a/http").status_code == 200


@pytest.mark.parametrize(
    ("written", "prefix", "path"),
    [
        ("api/v1/users", "api/v1", "/below/users"),
        ("/api/v1/users", "/api/v1", "/below/users"),
        ("api/v1", "api/v1", "/below"),
        ("users", "/", "/below/users"),
        ("users", "", "/below/users"),
        ("{org}/users", "{org}", "/below/users"),
    ],
)
def test_a_prefix_that_a_route_was_written_with_is_cut_off(written: str, prefix: str, path: str) -> None:
    route = WebSocketRoute(written)
    route.ws_handler(where)
    route.sub("{x}").ws_handler(where)
    app = Lihil(WebSocketRoute("below").merge(route, parent_prefix=prefix))
    assert asked(app, path) == [path, {}]
    assert asked(app, f"{path}/y") == [f"{path}/y", {"x": "y"}]


@pytest.mark.parametrize("path", ["users", "apix/users", "/"])
def test_a_route_without_the_prefix_is_refused_and_nothing_is_merged(path: str) -> None:
    parent, good = WebSocketRoute("below"), WebSocketRoute("api/a")
    with pytest.raises(ValueError, match=r"does not begin with 'api'; merge it without parent_prefix"):
        parent.merge(good, WebSocketRoute(path), parent_prefix="api")
    assert parent.children == []


def test_a_route_cannot_hang_below_itself() -> None:
    root = WebSocketRoute("a")
    below = root.sub("b").sub("c")
    with pytest.raises(ValueError, match=r"WebSocketRoute\('/c'\) cannot hang below itself"):
        below.merge(root)
    with pytest.raises(ValueError, match="cannot hang below itself"):
        root.merge(root)
    with pytest.raises(ValueError, match="cannot hang below itself"):
        below.merge(root, parent_prefix="a")


@pytest.mark.parametrize("wrong", [where, "route", None, WebSocketRoute])
def test_what_is_no_route_is_refused_and_nothing_is_added(wrong: Any) -> None:
    app = Lihil()
    with pytest.raises(TypeError, match="Route and WebSocketRoute objects are included and merged, not"):
        app.include(WebSocketRoute("a"), wrong)
    assert app.routes == ()


def test_a_bare_node_has_no_handlers() -> None:
    assert Lihil(RouteNode("a")).endpoints() == []


def test_providers_are_those_of_the_nearest_route_and_then_of_the_app() -> None:
    class Name:
        def __init__(self, text: str = "") -> None:
            self.text = text

    def of_app() -> Name:
        return Name("app")

    def of_parent() -> Name:
        return Name("parent")

    def of_child() -> Name:
        return Name("child")

    async def say(ws: WebSocket, name: Name) -> None:
        await ws.accept()
        await ws.send_json(name.text)

    parent, stranger = WebSocketRoute("parent", deps=[of_parent]), WebSocketRoute("stranger")
    for route in (parent, parent / "plain", parent / "own", stranger):
        route.ws_handler(say)
    (parent / "own").factory(of_child)
    app = Lihil(parent, stranger)
    app.graph.add_nodes(of_app)
    paths = ["/parent", "/parent/plain", "/parent/own", "/stranger"]
    assert [asked(app, path) for path in paths] == ["parent", "parent", "child", "app"]


def test_several_providers_are_added_at_once() -> None:
    class One: ...

    class Two: ...

    route = WebSocketRoute("a")
    route.add_nodes(One, Two)
    assert One in route.graph
    assert Two in route.graph


def test_two_apps_that_share_a_route_do_not_see_each_other() -> None:
    class Name:
        def __init__(self, text: str) -> None:
            self.text = text

    async def say(ws: WebSocket, name: Name, app: Lihil) -> None:
        await ws.accept()
        await ws.send_json([name.text, app is ws.app])

    shared = WebSocketRoute("a")
    shared.ws_handler(say)
    one, two = Lihil(shared), Lihil(WebSocketRoute("two").merge(shared))
    one.graph.register_singleton(Name("one"))
    two.graph.register_singleton(Name("two"))
    assert (asked(one, "/a"), asked(two, "/two/a")) == (["one", True], ["two", True])
    assert (asked(one, "/two/a"), asked(two, "/a")) == (404, 404)


# Middlewares.


class Marking:
    """A middleware that leaves its name in the scope, in the order in which it was passed."""

    def __init__(self, app: ASGIApp, name: str = "class") -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "marks": [*scope.get("marks", ()), self.name]}, receive, send)


def marking(name: str) -> Any:
    return functools.partial(Marking, name=name)


async def marks(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_json(ws.scope.get("marks"))


def test_middlewares_wrap_from_the_app_inwards_and_the_first_is_the_outermost() -> None:
    parent = WebSocketRoute("a", middlewares=[marking("parent 1"), marking("parent 2")])
    child = parent.sub("b")
    child.add_middleware(marking("child"))
    child.ws_handler(middlewares=[marking("handler"), Marking, StarletteMiddleware(Marking, name="starlette")])(marks)
    beside = parent.sub("c")
    beside.ws_handler(marks)
    app = Lihil(parent, middlewares=[marking("app 1")])
    app.add_middleware(marking("app 2"))
    outer = ["app 1", "app 2", "parent 1", "parent 2"]
    assert asked(app, "/a/b") == [*outer, "child", "handler", "class", "starlette"]
    assert asked(app, "/a/c") == outer


def test_a_prefixed_route_keeps_what_it_inherits() -> None:
    route = WebSocketRoute("api/a", middlewares=[marking("own")])
    route.ws_handler(marks)
    parent = WebSocketRoute("below", middlewares=[marking("parent")]).merge(route, parent_prefix="api")
    assert asked(Lihil(parent), "/below/a") == ["parent", "own"]


def gives_nothing(app: ASGIApp) -> None: ...


async def is_async(app: ASGIApp) -> ASGIApp:
    return app


def wants_more(app: ASGIApp, more: int) -> ASGIApp:
    return app


WRONG: Any = {"wrong": 1}


@pytest.mark.parametrize(
    ("middleware", "words"),
    [
        (gives_nothing, "the middleware gives_nothing gave NoneType where an ASGI app was expected"),
        (is_async, "the middleware is_async gave coroutine where"),
        (wants_more, "the middleware wants_more failed: .*'more'.*\n.*functools.partial"),
        (StarletteMiddleware(Marking, **WRONG), "the middleware Marking failed: .*'wrong'"),
        ("no middleware", "the middleware str failed: 'str' object is not callable"),
    ],
)
def test_a_bad_middleware_is_a_set_up_error_that_names_it(middleware: Any, words: str) -> None:
    def routes() -> WebSocketRoute:
        route = WebSocketRoute("a")
        route.ws_handler(marks)
        return route

    on_route = routes()
    on_route.add_middleware(middleware)
    for app in (Lihil(on_route), Lihil(routes(), middlewares=[middleware])):
        with pytest.raises(SetupError, match=words), TestClient(app):
            pass


def test_every_bad_middleware_is_named_once() -> None:
    route = WebSocketRoute("a", middlewares=[gives_nothing])  # type: ignore[list-item]
    for path in ("b", "c"):
        route.sub(path).ws_handler(marks)
    app = Lihil(route, middlewares=[wants_more, gives_nothing])  # type: ignore[list-item]
    with pytest.raises(SetupError) as caught, TestClient(app):
        pass
    named = [problem.what.split()[2] for problem in caught.value.problems]
    assert named == ["gives_nothing", "wants_more"]
