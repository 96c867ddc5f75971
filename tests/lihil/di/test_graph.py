"""Where a user says which factory gives which type, and asks for values outside a handler."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from lihil import (
    AsyncResource,
    AsyncScope,
    DependentNode,
    Graph,
    Ignore,
    Lihil,
    NodeMeta,
    Resolver,
    Resource,
    SetupError,
    WebSocket,
    WebSocketRoute,
    use,
)
from lihil.errors import ResourceError
from lihil.vendors import TestClient

pytestmark = pytest.mark.anyio


class Engine:
    def __init__(self, name: str = "real") -> None:
        self.name = name


@dataclass
class Store:
    engine: Engine


def make_engine() -> Engine:
    return Engine("made")


def fake_engine() -> Engine:
    return Engine("fake")


async def test_a_class_is_built_with_what_it_needs() -> None:
    graph = Graph(make_engine, Store)
    assert (await graph.aresolve(Store)).engine.name == "made"


async def test_a_class_that_nobody_registered_is_called() -> None:
    assert (await Graph().aresolve(Engine)).name == "real"


async def test_a_factory_may_be_asked_for_itself() -> None:
    assert (await Graph().aresolve(make_engine)).name == "made"


async def test_node_registers_with_and_without_arguments() -> None:
    graph = Graph()
    assert graph.node(make_engine) is make_engine

    @graph.node(reuse=True)
    def store(engine: Engine) -> Store:
        return Store(engine)

    async with graph.ascope() as scope:
        assert await scope.aresolve(Store) is await scope.aresolve(Store)
        assert await scope.aresolve(Engine) is not await scope.aresolve(Engine)
    assert set(graph.nodes) == {Engine, Store}
    assert isinstance(graph.nodes[Store], DependentNode)
    assert graph.nodes[Store].name.endswith("store")


async def test_add_nodes_takes_factories_alone_and_with_their_mark() -> None:
    graph = Graph()
    graph.add_nodes((make_engine, NodeMeta(reuse=True)), Store)
    async with graph.ascope() as scope:
        assert (await scope.aresolve(Store)).engine is await scope.aresolve(Engine)


async def test_a_finished_value_stands_for_its_type_or_another() -> None:
    graph, engine = Graph(), Engine()
    graph.register_singleton(engine)
    graph.register_singleton("a name", kind=str)
    assert await graph.aresolve(Engine) is engine
    assert await graph.aresolve(str) == "a name"
    assert Engine in graph
    assert Store not in graph


async def test_a_provider_is_forgotten() -> None:
    graph = Graph(make_engine)
    graph.register_singleton("value")
    graph.remove(Engine)
    graph.remove(str)
    assert (await graph.aresolve(Engine)).name == "real"
    with pytest.raises(KeyError):
        graph.remove(Engine)


async def test_the_later_of_merged_graphs_wins() -> None:
    first, second = Graph(make_engine), Graph(fake_engine)
    second.register_singleton("value")
    first.merge(second, Graph(Store))
    assert (await first.aresolve(Store)).engine.name == "fake"
    assert await first.aresolve(str) == "value"


async def nothing() -> None:
    """Provides nothing."""


async def ignored() -> Ignore[Engine]:
    return Engine()


async def ignored_resource() -> AsyncResource[Ignore[Engine]]:
    yield Engine()


async def ignored_whole_resource() -> Ignore[AsyncResource[Engine]]:
    yield Engine()


def untold():  # type: ignore[no-untyped-def]  # noqa: ANN201, RUF100
    return Engine()


def unreadable() -> "Nowhere":  # type: ignore[name-defined]  # noqa: F821
    return Engine()


@pytest.mark.parametrize("factory", [nothing, ignored, ignored_resource, ignored_whole_resource, untold])
async def test_a_provider_that_does_not_say_what_it_gives_is_refused(factory: Callable[..., Any]) -> None:
    with pytest.raises(SetupError) as caught:
        Graph(factory)
    (problem,) = caught.value.problems
    assert problem.what == "its return type does not say what it provides"
    assert problem.fix == "give it a return type, or reach it with use(...) only"
    assert problem.function == factory.__name__
    assert (problem.file.endswith("test_graph.py"), problem.line > 0) == (True, True)


async def test_a_return_type_that_is_not_defined_is_refused() -> None:
    with pytest.raises(SetupError, match=r"unreadable\(return\): the annotation 'Nowhere' is not defined"):
        Graph(unreadable)


async def test_something_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(SetupError, match="5 cannot provide anything"):
        Graph(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("old", [Engine, make_engine])
async def test_an_override_stands_for_a_type_or_a_factory_until_it_ends(old: Any) -> None:
    graph = Graph(make_engine, Store)
    with graph.override(old, fake_engine):
        assert (await graph.aresolve(Store)).engine.name == "fake"
        with graph.override(old, value=Engine("inner")):
            assert (await graph.aresolve(Store)).engine.name == "inner"
        assert (await graph.aresolve(Store)).engine.name == "fake"
    assert (await graph.aresolve(Store)).engine.name == "made"


async def test_an_override_reaches_factories_that_are_only_used() -> None:
    def report(engine: Annotated[Engine, use(make_engine)]) -> str:
        return engine.name

    graph = Graph()
    with graph.override(make_engine, fake_engine):
        assert await graph.aresolve(report) == "fake"
    with graph.override(make_engine, value=Engine("value")):
        assert await graph.aresolve(report) == "value"
    assert await graph.aresolve(report) == "made"


async def test_an_override_of_a_type_that_nobody_registered_stands_for_it() -> None:
    graph = Graph(Store)
    with graph.override(Engine, fake_engine):
        assert (await graph.aresolve(Store)).engine.name == "fake"


async def test_an_override_serves_as_long_as_what_it_stands_for() -> None:
    graph = Graph()
    graph.node(reuse=True)(make_engine)
    with graph.override(Engine, fake_engine):
        async with graph.ascope() as scope:
            assert await scope.aresolve(Engine) is await scope.aresolve(Engine)


async def test_overrides_that_overlap_end_each_on_its_own() -> None:
    graph = Graph(make_engine)
    graph.register_singleton("real")
    first, second = ExitStack(), ExitStack()
    first.enter_context(graph.override(Engine, fake_engine))
    second.enter_context(graph.override(str, value="fake"))
    first.close()
    assert ((await graph.aresolve(Engine)).name, await graph.aresolve(str)) == ("made", "fake")
    second.close()
    assert ((await graph.aresolve(Engine)).name, await graph.aresolve(str)) == ("made", "real")


async def test_an_override_ends_when_the_test_fails() -> None:
    graph = Graph(make_engine)
    with pytest.raises(ZeroDivisionError), graph.override(Engine, fake_engine):
        raise ZeroDivisionError
    assert (await graph.aresolve(Engine)).name == "made"


@pytest.mark.parametrize("options", [{}, {"new": fake_engine, "value": None}])
async def test_an_override_takes_either_a_factory_or_a_value(options: dict[str, Any]) -> None:
    new = options.pop("new", None)
    with pytest.raises(TypeError, match="either a factory or value"), Graph().override(Engine, new, **options):
        pytest.fail("entered")


async def test_none_is_a_value_to_override_with() -> None:
    graph = Graph(make_engine)
    with graph.override(Engine, value=None):
        assert await graph.aresolve(Engine) is None


async def test_a_resource_is_refused_where_nothing_would_close_it() -> None:
    happened: list[str] = []

    async def resource() -> AsyncIterator[Engine]:
        happened.append("open")
        yield Engine()

    def needs(engine: Annotated[Engine, use(resource)]) -> str:
        return engine.name

    with pytest.raises(ResourceError, match="needs a scope that closes it"):
        await Graph().aresolve(needs)
    assert happened == []


async def test_what_a_factory_leaves_in_the_scope_is_closed_at_once() -> None:
    happened: list[str] = []

    def make(scope: AsyncScope) -> str:
        scope.register_exit_callback(happened.append, "closed")
        return "made"

    assert await Graph().aresolve(make) == "made"
    assert happened == ["closed"]


async def test_a_factory_gets_the_graph_and_the_scope() -> None:
    def make(graph: Graph, scope: AsyncScope, resolver: Resolver) -> list[Any]:
        return [graph, scope, resolver]

    graph = Graph()
    async with graph.ascope() as scope:
        assert await scope.aresolve(make) == [graph, scope, scope]
        assert await scope.aresolve(Graph) is graph
        assert await scope.aresolve(AsyncScope) is scope


async def test_what_nothing_provides_is_told_with_the_way_to_it() -> None:
    class Missing:
        def __init__(self, name: str) -> None: ...

    def make(missing: Missing) -> Engine:
        return Engine(repr(missing))

    with pytest.raises(SetupError) as caught:
        await Graph(make).aresolve(Store)
    (problem,) = caught.value.problems
    assert problem.what.startswith("nothing provides missing: Missing")
    assert "└─ make" in problem.what


async def test_the_whole_graph_has_a_common_face() -> None:
    with pytest.raises(NotImplementedError):
        await Resolver().aresolve(Engine)


class Pool:
    """What an app opens once."""


def app_of(happened: list[str]) -> tuple[Lihil, Callable[..., Any]]:
    """An app with two singletons, one in need of the other, and a route that says which it got."""
    graph = Graph()

    @graph.singleton
    def engine() -> Resource[Engine]:
        happened.append("open engine")
        yield Engine("engine")
        happened.append("close engine")

    @graph.singleton
    async def pool(engine: Engine) -> AsyncResource[Pool]:
        happened.append(f"open pool of {engine.name}")
        yield Pool()
        happened.append("close pool")

    route = WebSocketRoute("/")

    @route.ws_handler
    async def tell(
        ws: WebSocket, engine: Engine, pool: Pool, same: Annotated[Pool, use(pool)], scope: AsyncScope
    ) -> None:
        await ws.accept()
        await ws.send_json([engine.name, pool is same is await scope.aresolve(Pool)])

    return Lihil(route, graph=graph), engine


def told(client: TestClient) -> Any:
    with client.websocket_connect("/") as ws:
        return ws.receive_json()


def test_a_singleton_is_made_once_for_the_app_and_closed_when_it_stops_last_in_first_out() -> None:
    happened: list[str] = []
    app, _ = app_of(happened)
    with TestClient(app) as client:
        assert [told(client), told(client)] == [["engine", True], ["engine", True]]
        assert happened == ["open engine", "open pool of engine"]
    assert happened[2:] == ["close pool", "close engine"]


def test_an_override_reaches_a_running_app_and_ends() -> None:
    app, engine = app_of([])
    with TestClient(app) as client:
        with app.graph.override(Engine, fake_engine):
            assert told(client) == ["fake", True]
        with app.graph.override(engine, value=Engine("value")):
            assert told(client) == ["value", True]
        assert told(client) == ["engine", True]


def test_two_apps_in_one_process_have_singletons_of_their_own() -> None:
    first_log: list[str] = []
    second_log: list[str] = []
    (first, _), (second, _) = app_of(first_log), app_of(second_log)
    with TestClient(first) as one:
        with TestClient(second) as two, second.graph.override(Engine, fake_engine):
            assert (told(one), told(two)) == (["engine", True], ["fake", True])
        assert len(second_log) == 4
        assert len(first_log) == 2
