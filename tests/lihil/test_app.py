"""`Lihil`: how it starts, what it says when it cannot, how it stops, and that it does so more than once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest

from lihil import AsyncResource, Graph, HTTPException, Lihil, Route, SetupError, WebSocket, WebSocketRoute, use
from lihil.asgi import ERROR_HOOK, Message
from lihil.vendors import TestClient
from tests.lihil.websocket.peer import Peer, app_of, kinds, run, texts


class Lifespan:
    """A server's side of the lifespan protocol, by hand."""

    def __init__(self, app: Lihil, **scope: Any) -> None:
        self.scope: dict[str, Any] = {"type": "lifespan", "state": {}, **scope}
        self.sent: list[Message] = []
        self.app = app
        self._orders: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()

    async def start(self) -> Message:
        self.task = asyncio.ensure_future(self.app(self.scope, self._orders.get, self._send))
        return await self._order("startup")

    async def stop(self) -> Message:
        answer = await self._order("shutdown")
        await self.task
        return answer

    async def _order(self, what: str) -> Message:
        self._answered.clear()
        self._orders.put_nowait({"type": f"lifespan.{what}"})
        await self._answered.wait()
        return self.sent[-1]

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._answered.set()


def last_word(message: Message) -> str:
    return str(message["type"].partition(".")[2])


async def echo(ws: WebSocket) -> None:
    await ws.accept()
    await ws.send_text("echo")


async def body(ws: WebSocket, data: dict[str, int]) -> None: ...


async def unannotated(ws: WebSocket, data) -> None: ...  # type: ignore[no-untyped-def]


def no_middleware(app: Any) -> Any: ...


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
        server = Lifespan(app)
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


# Failing to start.


def fails_to_start(app: Lihil, **scope: Any) -> str:
    """The text of a failed start; the call itself ends well, and nothing more is sent."""

    async def main() -> tuple[str, str]:
        server = Lifespan(app, **scope)
        answer = await server.start()
        await server.task
        assert len(server.sent) == 1
        return last_word(answer), answer["message"]

    word, text = run(main())
    assert word == "startup.failed"
    return text


def test_a_lifespan_that_fails_is_reported_with_its_traceback_and_shown_to_the_hook() -> None:
    seen: list[Exception] = []
    app_is_new = True

    async def lifespan() -> AsyncIterator[None]:
        if app_is_new:
            raise OSError("no database")
        yield

    text = fails_to_start(Lihil(lifespan=lifespan), extensions={ERROR_HOOK: seen.append})
    assert text.startswith("Traceback")
    assert text.endswith("OSError: no database\n")
    assert [type(exc) for exc in seen] == [OSError]


def test_every_set_up_error_comes_out_at_once_and_all_is_cleaned_up() -> None:
    lines: list[str] = []

    class Pool: ...

    class Unknown:
        def __init__(self, other: "Unknown") -> None: ...

    class Needy:
        def __init__(self, unknown: Unknown) -> None: ...

    async def pool() -> AsyncResource[Pool]:
        try:
            yield Pool()
        except SetupError:
            lines.append("pool told")
            raise
        finally:
            lines.append("pool closed")

    async def lifespan() -> AsyncIterator[None]:
        yield
        lines.append("stopped")

    route = WebSocketRoute("a", middlewares=[no_middleware])
    route.ws_handler(body)
    (route / "b").ws_handler(unannotated)
    same = WebSocketRoute("a")
    same.ws_handler(echo)
    clashing = WebSocketRoute("{x}")
    (clashing / "{x}").ws_handler(echo)
    app = Lihil(route, same, clashing, lifespan=lifespan, middlewares=[no_middleware, int])  # type: ignore[list-item]
    app.graph.singleton(pool)
    app.graph.singleton(Needy)
    text = fails_to_start(app)
    for words in (
        "set-up problems",
        "Needy",
        "body(data)",
        "a WebSocket handshake has no body",
        "unannotated(data)",
        "WebSocket /a is taken by body",
        "{x} stands twice",
        "the middleware no_middleware gave NoneType",
        "the middleware int failed",
    ):
        assert words in text
    assert "Traceback" not in text
    assert lines == ["pool told", "pool closed", "stopped"]


def test_a_start_that_failed_may_be_tried_again() -> None:
    attempts: list[int] = []

    async def lifespan() -> AsyncIterator[None]:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        yield

    app = app_of(echo, lifespan=lifespan)
    fails_to_start(app)

    async def main() -> list[str]:
        server = Lifespan(app)
        return [last_word(await server.start()), last_word(await server.stop())]

    assert run(main()) == ["startup.complete", "shutdown.complete"]


@pytest.mark.parametrize(
    ("state", "scope", "words"),
    [
        ("a string", {}, "the lifespan yields str; a state is a mapping"),
        ([("a", 1)], {}, "the lifespan yields list"),
    ],
)
def test_a_state_that_is_none_is_a_set_up_error(state: Any, scope: dict[str, Any], words: str) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        yield state

    assert words in fails_to_start(Lihil(lifespan=lifespan), **scope)


def test_a_server_without_a_place_for_the_state_is_named_as_the_reason() -> None:
    async def lifespan() -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}

    async def main() -> Message:
        server = Lifespan(Lihil(lifespan=lifespan))
        del server.scope["state"]
        return await server.start()

    answer = run(main())
    assert last_word(answer) == "startup.failed"
    assert "this server has no place for it" in answer["message"]


def test_a_clean_up_that_fails_after_a_failed_start_is_logged_beside_it(caplog: pytest.LogCaptureFixture) -> None:
    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        try:
            yield Pool()
        finally:
            raise KeyError("pool")

    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("lifespan")

    app = app_of(body, lifespan=lifespan)
    app.graph.singleton(pool)
    assert "body(data)" in fails_to_start(app)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "KeyError: 'pool'" in caplog.text
    assert "OSError: lifespan" in caplog.text


# Failing to stop.


def test_a_singleton_that_fails_to_close_is_reported_and_the_rest_is_closed() -> None:
    lines: list[str] = []

    class One: ...

    class Two: ...

    async def one() -> AsyncResource[One]:
        try:
            yield One()
        finally:
            lines.append("one closed")

    async def two() -> AsyncResource[Two]:
        yield Two()
        raise OSError("two")

    async def lifespan() -> AsyncIterator[None]:
        yield
        lines.append("stopped")

    app = Lihil(lifespan=lifespan)
    app.graph.singleton(one)
    app.graph.singleton(two)

    async def main() -> Message:
        server = Lifespan(app)
        await server.start()
        return await server.stop()

    answer = run(main())
    assert last_word(answer) == "shutdown.failed"
    assert answer["message"].endswith("OSError: two\n")
    assert lines == ["one closed", "stopped"]


def test_a_lifespan_that_fails_to_stop_is_reported() -> None:
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("disk full")

    async def main() -> Message:
        server = Lifespan(Lihil(lifespan=lifespan))
        await server.start()
        return await server.stop()

    answer = run(main())
    assert (last_word(answer), answer["message"].endswith("OSError: disk full\n")) == ("shutdown.failed", True)


def test_a_server_that_is_cancelled_still_closes_everything() -> None:
    lines: list[str] = []

    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        yield Pool()
        lines.append("pool closed")

    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            lines.append("stopped")

    app = Lihil(lifespan=lifespan)
    app.graph.singleton(pool)

    async def main() -> bool:
        server = Lifespan(app)
        await server.start()
        server.task.cancel()
        await asyncio.wait([server.task])
        return server.task.cancelled()

    assert run(main())
    assert lines == ["pool closed", "stopped"]


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
        server = Lifespan(app)
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
