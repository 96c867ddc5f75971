"""One annotation of a function or a class at a time."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
import pydantic
import pytest

from lihil.di.annotations import UnreadableAnnotationError, annotation_of, definition_of, note_local_names

T = TypeVar("T")


class Plain:
    def __init__(self, a: int, b: "str") -> None: ...


class Fields:
    a: int
    b: "str"

    def __init__(self, a, b) -> None: ...  # type: ignore[no-untyped-def]


@dataclass
class Data:
    a: int
    b: "str"


class Child(Data):
    pass


class Record(msgspec.Struct):
    a: int
    b: "str"


class Model(pydantic.BaseModel):
    a: int
    b: "str"


class Pair(NamedTuple):
    a: int
    b: "str"


class New:
    def __new__(cls, a: int, b: "str") -> "New":
        return super().__new__(cls)


class Box(Generic[T]):
    def __init__(self, a: int, b: "str") -> None: ...


@dataclass
class Caller:
    """An object whose class has annotations of its own, and of its call."""

    a: bytes = b""

    def __call__(self, a: int, b: "str") -> None: ...

    def method(self, a: int, b: "str") -> None: ...

    @classmethod
    def of_class(cls, a: int, b: "str") -> None: ...


def function(a: int, b: "str") -> None: ...


@functools.wraps(function)
def wrapper(*args: Any, **kwargs: Any) -> None:
    function(*args, **kwargs)


CALLABLES: list[Callable[..., Any]] = [
    Plain,
    Fields,
    Data,
    Child,
    Record,
    Model,
    Pair,
    New,
    Box[int],
    Caller(),
    Caller().method,
    Caller.of_class,
    function,
    wrapper,
    functools.partial(function),
    functools.partial(functools.partial(Caller(), a=1)),
]


@pytest.mark.parametrize("call", CALLABLES)
def test_annotations_are_found_wherever_a_callable_has_them(call: Callable[..., Any]) -> None:
    assert annotation_of(call, "a") is int
    assert annotation_of(call, "b") is str
    assert annotation_of(call, "c") is None


@pytest.mark.parametrize("call", [print, dict, len, object])
def test_what_python_itself_brings_has_none(call: Callable[..., Any]) -> None:
    assert annotation_of(call, "a") is None
    assert annotation_of(call, "return") is None


def test_marks_stay_in_annotations() -> None:
    def marked(a: "Annotated[int, 1]") -> None: ...

    assert annotation_of(marked, "a") == Annotated[int, 1]


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("Nowhere", "the annotation 'Nowhere' is not defined"),
        ("list[Nowhere]", "the annotation 'Nowhere' is not defined"),
        ("sys.nowhere", "the annotation 'sys.nowhere' cannot be read: module 'sys' has no attribute 'nowhere'"),
        ("int |", "the annotation 'int |' cannot be read: "),
        ("1 / 0", "the annotation '1 / 0' cannot be read: division by zero"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_told(raw: object, what: str) -> None:
    def broken(a: None) -> None: ...

    broken.__annotations__["a"] = raw
    assert sys is not None
    with pytest.raises(UnreadableAnnotationError) as caught:
        annotation_of(broken, "a")
    assert caught.value.what.startswith(what)
    assert caught.value.fix


def test_a_name_that_is_assigned_after_the_function_is_found_when_it_is_there() -> None:
    def late(a: "Later") -> "Later":
        return Later()

    with pytest.raises(UnreadableAnnotationError, match="'Later' is not defined"):
        annotation_of(late, "a")

    class Later:
        pass

    assert annotation_of(late, "a") is Later


def make_local() -> tuple[Callable[..., Any], Callable[..., Any], type]:
    """Functions whose annotations name a class of this function."""

    class Local:
        def __init__(self, other: "Local") -> None: ...

    limit = 5

    def factory(local: "Local") -> "Local":
        return local

    def noted(local: "Local", made: "Annotated[int, factory, limit]") -> None: ...

    def forgotten(local: "Local") -> None: ...

    assert limit
    note_local_names(noted)
    note_local_names(noted)
    return noted, forgotten, Local


def test_names_of_the_function_around_are_known_later_when_they_were_noted() -> None:
    noted, forgotten, local = make_local()
    assert annotation_of(noted, "local") is local
    factory = annotation_of(noted, "made").__metadata__[0]
    assert annotation_of(factory, "return") is local
    assert annotation_of(local, "other") is local
    with pytest.raises(UnreadableAnnotationError, match="'Local' is not defined"):
        annotation_of(forgotten, "local")


def test_a_class_of_a_module_that_is_gone_still_knows_what_needs_no_name() -> None:
    module = ModuleType("gone_module")
    exec("class Thing:\n    a: 'Thing'\n    b: int\n    c: 'int'", vars(module))
    thing = vars(module)["Thing"]
    assert thing.__module__ not in sys.modules
    assert annotation_of(thing, "a") is thing
    assert annotation_of(thing, "c") is int


def test_the_definition_is_what_is_called_in_the_end() -> None:
    caller = Caller()
    assert definition_of(functools.partial(functools.partial(caller))) is Caller.__call__
    assert definition_of(Box[int]) is Box
    assert definition_of(Plain) is Plain
    assert definition_of(function) is function
