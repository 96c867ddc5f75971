"""Several graphs seen as one."""

from collections.abc import Callable
from typing import Any

import pytest

from lihil import Graph, use
from lihil.di.node import DependentNode
from lihil.di.registry import Constant, Providers, is_hashable


class Engine:
    pass


def near() -> Engine:
    return Engine()


def far() -> Engine:
    return Engine()


class Unhashable:
    """A factory that is equal to others, and so no key."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unhashable)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self) -> Engine:
        return Engine()


def view(*graphs: Graph) -> Providers:
    return Providers([graph.registry for graph in graphs])


def factory_of(found: DependentNode | Constant | None) -> Callable[..., Any]:
    assert isinstance(found, DependentNode)
    return found.factory


def test_the_first_graph_that_knows_a_type_answers() -> None:
    assert factory_of(view(Graph(near), Graph(far)).find(Engine)) is near
    assert factory_of(view(Graph(), Graph(far)).find(Engine)) is far
    assert view(Graph(near)).find(int) is None
    assert view(Graph(near)).find([Engine]) is None


def test_an_override_in_any_graph_stands_for_what_another_provides() -> None:
    outer = Graph()
    providers = view(Graph(near), outer)
    with outer.override(near, value=1):
        assert providers.find(Engine) == Constant(1)
    with outer.override(Engine, value=None):
        assert providers.find(Engine) == Constant(None)
    with outer.override(int, far):
        assert factory_of(providers.find(int)) is far
    assert factory_of(providers.find(Engine)) is near


def test_every_change_of_any_graph_is_seen_in_the_version() -> None:
    first, second = Graph(), Graph()
    providers, versions = view(first, second, first), []

    def note() -> None:
        versions.append(providers.version)

    note()
    first.node(near)
    note()
    with second.override(Engine, far):
        note()
    note()
    second.register_singleton(1)
    note()
    second.remove(int)
    note()
    second.merge(first)
    note()
    assert versions == sorted(set(versions))


def test_use_of_a_registered_factory_is_the_registered_provider() -> None:
    graph = Graph()
    graph.singleton(near)
    providers = view(graph)
    assert providers.marked(use(near)) is providers.find(Engine)
    assert providers.marked(use(near, reuse=True)) is providers.find(Engine)
    assert providers.marked(use(Engine)) is providers.find(Engine)
    assert providers.singletons() == [graph.nodes[Engine]]


def test_one_mark_is_one_provider_for_each_way_of_reuse() -> None:
    providers = view()
    once, shared = providers.marked(use(near)), providers.marked(use(near, reuse=True))
    assert once is providers.marked(use(near))
    assert shared is providers.marked(use(near, reuse=True))
    assert once is not shared
    assert isinstance(shared, DependentNode)
    assert shared.reuse


def test_factories_that_are_no_keys_are_told_apart_by_identity() -> None:
    first, second = Unhashable(), Unhashable()
    providers = view()
    assert providers.marked(use(first)) is providers.marked(use(first))
    assert providers.marked(use(first)) is not providers.marked(use(second))


@pytest.mark.parametrize(("value", "yes"), [(int, True), (Unhashable(), False), ([], False), (None, True)])
def test_a_key_is_what_python_can_hash(value: object, yes: bool) -> None:
    assert is_hashable(value) is yes
