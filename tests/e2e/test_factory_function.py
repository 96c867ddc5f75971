"""An app made inside a function, as tests and factories make it, with text annotations and types of its own."""

from __future__ import annotations

import enum

from lihil import Graph, Lihil, Route, Text, WebSocket, WebSocketRoute
from lihil.vendors import TestClient


def make_app(built: list[str]) -> Lihil:
    class Colour(enum.Enum):
        RED = "red"

    class Paint:
        pass

    sockets, pages = WebSocketRoute("socket"), Route("page")

    @sockets.ws_handler
    async def tell(ws: WebSocket, colour: Colour) -> None:
        await ws.accept()
        await ws.send_text(colour.name)

    @pages.get
    async def show(colour: Colour) -> Text:
        return colour.name

    app = Lihil(sockets, pages)

    @app.graph.singleton
    def of_app(graph: Graph, lihil: Lihil) -> Paint:
        built.append(f"app: {graph is app.graph and lihil is app}")
        return Paint()

    @pages.graph.singleton
    def of_route() -> Paint:
        built.append("route")
        return Paint()

    return app


def test_handlers_find_types_that_are_local_to_the_function_that_made_the_app() -> None:
    with TestClient(make_app([])) as client:
        with client.websocket_connect("/socket?colour=red") as websocket:
            assert websocket.receive_text() == "RED"
        assert client.get("/page?colour=red").text == "RED"


def test_every_graph_builds_its_own_singleton_of_a_type_and_may_ask_for_the_app() -> None:
    built: list[str] = []
    with TestClient(make_app(built)):
        assert sorted(built) == ["app: True", "route"]
