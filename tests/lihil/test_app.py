"""`Lihil`: how it starts, what it says when it cannot, how it stops, and that it does so more than once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from lihil import AsyncResource, Graph, HTTPException, Lihil, Route, SetupError, WebSocket, WebSocketRoute, use
from lihil.asgi import Message
from lihil.vendors import TestClient
from tests.lihil.lifespan_peer import LifespanPeer, last_word
from tests.lihil.websocket.peer import Peer, app_of, kinds, run, texts


async def echo(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text("echo")


# Starting and stopping.


@pytest.mark.parametrize("has_finally", [True, False])
def test_the_lifespan_surrounds_the_singletons_and_both_halves_are_run(has_finally: bool) -> None:
    lines: list[str] = []

    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        lines.append("pool opened")
        yield Pool()
        lines.append("pool closed")

    async def lifespan(app: Lihil) -> AsyncIterator[None]:
        lines.append("started")
        if not has_finally:
            yield
            lines.append("stopped")
            return
        try:
            yield
        finally:
            lines.append("stopped")

    app = app_of(echo, lifespan=lifespan)
    app.graph.singleton(pool)

    async def main() -> list[str]:
        server = LifespanPeer(app)
        return [last_word(await server.start()), *texts(await Peer(app).finish()), last_word(await server.stop())]

    for _ in range(2):  # a restart
        assert run(main()) == ["startup.complete", "echo", "shutdown.complete"]
    assert lines == ["started", "pool opened", "pool closed", "stopped"] * 2


def test_what_the_lifespan_yields_is_every_connections_state() -> None:
    @asynccontextmanager
    async def lifespan(app: Lihil) -> AsyncIterator[dict[str, Any]]:
        yield {"greeting": "hello"}

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(ws.state.greeting)
        ws.state.greeting = "changed"

    with TestClient(app_of(handler, lifespan=lifespan)) as client:
        for _ in range(2):
            with client.websocket_connect("/ws") as ws:
                assert ws.receive_text() == "hello"


def test_a_lifespan_may_register_what_handlers_need() -> None:
    class Database: ...

    async def lifespan(app: Lihil) -> AsyncIterator[None]:
        app.graph.register_singleton(Database())
        yield

    async def handler(ws: WebSocket, database: Database) -> None:
        await ws.accept()

    with TestClient(app_of(handler, lifespan=lifespan)) as client, client.websocket_connect("/ws"):
        pass


# Without the lifespan protocol.


def counting(opened: list[str], wait: Callable[[], Any] | None = None) -> Lihil:
    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        await asyncio.sleep(1)
        opened.append("opened")
        yield Pool()

    async def handler(ws: WebSocket, pool: Pool) -> None:
        await ws.accept()
        await ws.send_text(str(id(pool)))

    app = app_of(handler)
    app.graph.singleton(pool)
    return app


def test_the_first_connections_start_the_app_together_and_once() -> None:
    opened: list[str] = []
    app = counting(opened)

    async def main() -> list[list[Message]]:
        return await asyncio.gather(*(Peer(app).finish() for _ in range(10)))

    sent = run(main())
    assert len({text for messages in sent for text in texts(messages)}) == 1
    assert opened == ["opened"]


def test_a_new_loop_starts_the_app_anew() -> None:
    """A test client that is not entered has a loop for each connection; what one loop opened is dead on the next."""
    opened: list[str] = []
    app = counting(opened)
    for _ in range(2):
        assert kinds(run(Peer(app).finish())) == ["accept", "send", "close"]
    assert opened == ["opened"] * 2


def test_a_connection_that_is_cancelled_while_it_starts_the_app_leaves_nothing_behind() -> None:
    opened: list[str] = []
    app = counting(opened)

    async def main() -> list[str]:
        peer = Peer(app)
        task = peer.start()
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        return kinds(await Peer(app).finish())

    assert run(main()) == ["accept", "send", "close"]
    assert opened == ["opened"]


def test_a_set_up_error_reaches_the_server_with_the_first_connection_and_the_next() -> None:
    async def body(ws: WebSocket, data: dict[str, int]) -> None: ...

    app = app_of(body)
    for _ in range(2):
        with pytest.raises(SetupError, match=r"body\(data\)"):
            run(Peer(app).finish())


def test_a_lifespan_starts_afresh_an_app_that_a_connection_had_started() -> None:
    app = Lihil(WebSocketRoute("a"))

    async def main() -> list[str]:
        before = kinds(await Peer(app).finish())
        late = WebSocketRoute("ws")
        late.ws_handler(echo)
        app.include(late)
        server = LifespanPeer(app)
        await server.start()
        after = texts(await Peer(app).finish())
        await server.stop()
        return [*before, *after]

    assert run(main()) == ["start", "body", "echo"]


# What the constructor and include take.


def test_routes_are_included_at_once_and_later_by_both_names() -> None:
    routes = [WebSocketRoute(name) for name in ("a", "b", "c")]
    app = Lihil(routes[0])
    assert app.include(routes[1]) is app
    assert app.include_routes(routes[2]) is app
    assert app.routes == tuple(routes)


@pytest.mark.parametrize("option", ["allowed_origins", "allowed_hosts"])
def test_an_entry_of_an_allow_list_is_checked_at_once(option: str) -> None:
    with pytest.raises(ValueError, match=option):
        Lihil(**{option: ["not a name"]})  # type: ignore[arg-type]


def test_handlers_are_given_the_app_and_its_graph_also_in_a_subclass() -> None:
    class MyApp(Lihil): ...

    async def handler(ws: WebSocket, base: Lihil, mine: MyApp, graph: Graph) -> None:
        await ws.accept()
        await ws.send_text(str([base is ws.app, mine is ws.app, graph is ws.app.graph]))

    route = WebSocketRoute("ws")
    route.ws_handler(handler)
    assert texts(run(Peer(MyApp(route)).finish())) == ["[True, True, True]"]


def test_a_shared_graph_is_the_apps_own() -> None:
    graph = Graph()
    assert Lihil(graph=graph).graph is graph


def test_endpoints_tell_of_all_handlers_even_of_those_that_clash() -> None:
    one, two, http = WebSocketRoute("a"), WebSocketRoute("a"), Route("a")
    one.ws_handler(echo)
    two.ws_handler(echo)

    async def page() -> str:
        return "page"

    http.get(page)
    endpoints = Lihil(one, two, http).endpoints()
    assert [(endpoint.kind, endpoint.method) for endpoint in endpoints] == [
        ("websocket", ""),
        ("websocket", ""),
        ("http", "GET"),
    ]


def test_an_override_reaches_http_and_websockets_alike_and_goes_away() -> None:
    def name() -> str:
        return "real"

    async def handler(ws: WebSocket, who: Annotated[str, use(name)]) -> None:
        raise HTTPException(403, who)

    app = app_of(handler)

    async def page(who: Annotated[str, use(name)]) -> str:
        return who

    http = Route("page")
    http.get(page)
    app.include(http)
    with TestClient(app) as client:

        def answers() -> list[str]:
            refused = run(Peer(app).finish())[1]["body"]
            return [client.get("/page").json(), "fake" if b"fake" in refused else "real"]

        assert answers() == ["real", "real"]
        with app.graph.override(name, value="fake"):
            assert answers() == ["fake", "fake"]
        assert answers() == ["real", "real"]
