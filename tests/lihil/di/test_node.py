"""One provider: a factory, what it gives, what it asks for, and where it stands."""

import functools
import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest

from lihil import AsyncResource, DependentNode, Ignore, NodeMeta, Resource, use
from lihil.di.node import FactoryKind, kind_of, meta_of, name_of, parameters_of, place_of, problem_at, return_hint

T = TypeVar("T")


class Box(Generic[T]):
    def __init__(self, size: int = 1) -> None: ...


class Caller:
    def __call__(self, a: int) -> str:
        return str(a)


def plain() -> int:
    return 1


async def coroutine() -> int:
    return 1


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def iterator() -> Iterator[int]:
    return iter([1])


def resource() -> Resource[int]:
    return generator()  # type: ignore[return-value]


def async_resource() -> AsyncResource[Annotated[int, "a note"]]:
    return async_generator()  # type: ignore[return-value]


KINDS: list[tuple[Callable[..., Any], FactoryKind, Any]] = [
    (plain, FactoryKind.PLAIN, int),
    (coroutine, FactoryKind.COROUTINE, int),
    (generator, FactoryKind.GENERATOR, int),
    (async_generator, FactoryKind.ASYNC_GENERATOR, int),
    (iterator, FactoryKind.PLAIN, Iterator[int]),
    (resource, FactoryKind.GENERATOR, int),
    (async_resource, FactoryKind.ASYNC_GENERATOR, int),
    (Box, FactoryKind.PLAIN, Box),
    (Box[int], FactoryKind.PLAIN, Box),
    (functools.partial(Box, 1), FactoryKind.PLAIN, Box),
    (Caller(), FactoryKind.PLAIN, str),
]


@pytest.mark.parametrize(("factory", "kind", "provides"), KINDS)
def test_a_factory_is_known_by_how_it_is_called_and_what_it_promises(
    factory: Callable[..., Any], kind: FactoryKind, provides: Any
) -> None:
    node = DependentNode.of(factory)
    assert (node.kind, node.provides) == (kind, provides)
    assert kind.is_resource is (kind in {FactoryKind.GENERATOR, FactoryKind.ASYNC_GENERATOR})


def test_the_return_hint_of_a_class_is_the_class() -> None:
    assert return_hint(Box) is Box
    assert return_hint(plain) is int
    assert return_hint(lambda: 1) is None


@pytest.mark.parametrize("call", [dict, type, iter])
def test_a_builtin_without_a_signature_has_no_parameters(call: Callable[..., Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        inspect.signature(call)
    assert parameters_of(call) == []
    assert kind_of(call) is FactoryKind.PLAIN


def test_parameters_come_in_order_with_what_is_known_of_each() -> None:
    def many(a: int, /, b: str = "b", *args: int, c: float, **rest: int) -> None: ...

    parameters = parameters_of(many)
    assert [(item.name, item.annotation, item.has_default) for item in parameters] == [
        ("a", int, False),
        ("b", str, True),
        ("args", int, False),
        ("c", float, False),
        ("rest", int, False),
    ]
    assert [item.by_position for item in parameters] == [True, False, False, False, False]
    assert [item.is_variadic for item in parameters] == [False, False, True, False, True]
    assert [item.name for item in parameters_of(functools.partial(many, 1, c=2))] == ["b", "args", "rest"]
    assert [item.name for item in parameters_of(Box[int])] == ["size"]


def test_an_annotation_that_cannot_be_read_is_a_problem_of_its_parameter() -> None:
    def broken(a: "Nowhere", b: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    first, second = parameters_of(broken)
    assert (first.annotation, second.annotation, second.problem) == (None, int, None)
    assert first.problem is not None
    assert str(first.problem).startswith(f"{os.path.relpath(__file__)}:{broken.__code__.co_firstlineno}: broken(a): ")


@pytest.mark.parametrize(
    ("annotation", "meta"),
    [
        (int, None),
        (Annotated[int, 1], None),
        (Annotated[int, 1, use(plain)], use(plain)),
        (Ignore[int], NodeMeta(ignore=True)),
        (Annotated[int, Annotated[Any, use(plain, reuse=True)]], use(plain, reuse=True)),
    ],
)
def test_a_mark_is_found_among_others(annotation: Any, meta: NodeMeta | None) -> None:
    assert meta_of(annotation) == meta


def test_a_function_is_said_by_its_own_name_and_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(Path(__file__).parent)

    def local() -> None: ...

    line = local.__code__.co_firstlineno
    assert (name_of(local), place_of(local)) == ("local", ("test_node.py", line))
    assert place_of(functools.partial(local)) == ("test_node.py", line)
    assert name_of(functools.partial(functools.partial(local))) == "local"
    assert (name_of(Caller()), place_of(Caller())[0]) == ("Caller", "test_node.py")
    assert place_of(Box) == ("test_node.py", inspect.getsourcelines(Box)[1])
    monkeypatch.chdir(tmp_path)
    assert place_of(local) == (__file__, line)


@pytest.mark.parametrize("target", [dict, len, type("Made", (), {"__module__": "nowhere"})])
def test_a_place_that_nobody_knows_is_left_out(target: Any) -> None:
    assert place_of(target) == ("", 0)
    assert str(problem_at(target, "wrong", "mend it")).startswith(name_of(target))
