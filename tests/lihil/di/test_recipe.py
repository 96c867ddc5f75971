"""The ordered list of factory calls behind a value."""

from typing import Annotated, Any

import pytest

from lihil import Graph, NodeMeta, SetupError, use
from lihil.di.node import Parameter, meta_of
from lihil.di.recipe import RecipeBuilder, Slot, Source
from lihil.di.registry import Constant, Providers


class Engine:
    pass


class Store:
    def __init__(self, engine: Engine) -> None: ...


def report(store: Annotated[Store, use(Store)], engine: Engine) -> str:
    return repr(store)


def builder_of(graph: Graph, **built: Any) -> RecipeBuilder:
    return RecipeBuilder(Providers([graph.registry]), {})


def supplied(builder: RecipeBuilder) -> Any:
    def supply(parameter: Parameter, function: object) -> Source | None:
        meta = meta_of(parameter.annotation)
        kind = Engine if meta is None else meta.factory
        return builder.need(builder.providers.marked(NodeMeta(kind)), supply)

    return supply


@pytest.mark.parametrize(
    ("reuse", "order"), [(True, [Engine, Store, report]), (False, [Engine, Store, Engine, report])]
)
def test_what_is_needed_comes_first_and_once_when_it_is_reused(reuse: bool, order: list[object]) -> None:
    graph = Graph()
    graph.node(reuse=reuse)(Engine)
    builder = builder_of(graph)
    source = builder.need(builder.providers.marked(use(report)), supplied(builder))
    assert [step.node.factory for step in builder.steps] == order
    assert source == Slot(len(order) - 1)


def test_a_finished_value_needs_no_step() -> None:
    builder = builder_of(Graph())
    assert builder.need(Constant(5), supplied(builder)) == Constant(5)
    assert builder.steps == []


def test_what_was_built_before_needs_no_step() -> None:
    graph = Graph(Engine)
    builder = RecipeBuilder(Providers([graph.registry]), {graph.nodes[Engine]: "built"})
    assert builder.need(graph.nodes[Engine], supplied(builder)) == Constant("built")
    assert builder.steps == []


def test_a_factory_that_needs_itself_is_refused() -> None:
    class Loop:
        def __init__(self, loop: "Annotated[Any, use(Loop)]") -> None: ...

    builder = builder_of(Graph())
    builder.need(builder.providers.marked(use(Loop)), supplied(builder))
    (problem,) = builder.problems
    assert "these factories need each other" in problem.what
    assert [line.split()[-2:] for line in problem.what.splitlines()][-1] == ["<-", "again"]
    with pytest.raises(SetupError):
        raise SetupError(builder.problems)
