"""What kind of value a type stands for."""

import dataclasses
from collections.abc import Collection, Sequence, Set
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pydantic
import pytest

from lihil.params.kinds import holds_structure, is_sequence, is_structured, is_union, options_of, plain_type, type_words

T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Item(msgspec.Struct):
    name: str


class Box(msgspec.Struct, Generic[T]):
    held: T


@dataclasses.dataclass
class Page:
    size: int = 10


class Options(TypedDict):
    a: int


class Model(pydantic.BaseModel):
    a: int


class Pair(NamedTuple):
    a: int


class Known:
    """Has `attrs` marks, as attrs leaves them."""

    __attrs_attrs__ = ()


UserId = NewType("UserId", int)
Items = NewType("Items", list[Item])


@pytest.mark.parametrize(
    "kind", [Item, Page, Options, Model, Known, dict, dict[str, int], Box[int], Annotated[Item, 1], NewType("N", Item)]
)
def test_what_has_fields_or_keys_is_structured(kind: Any) -> None:
    assert is_structured(kind)
    assert holds_structure(kind | None)
    assert holds_structure(list[kind])


@pytest.mark.parametrize(
    "kind", [int, str, Any, Colour, UserId, list[int], int | str, Pair, Literal["a"], tuple[int, ...], T]
)
def test_what_text_can_hold_is_not_structured(kind: Any) -> None:
    assert not is_structured(kind)
    assert not holds_structure(kind)


def test_a_union_with_something_structured_holds_structure() -> None:
    assert holds_structure(int | Item)
    assert holds_structure(Items)
    assert not is_structured(Item | None)


@pytest.mark.parametrize(
    ("kind", "yes"),
    [
        (list, True),
        (list[int], True),
        (set[int] | None, True),
        (Annotated[tuple[int, ...], 1], True),
        (Annotated[frozenset[int], 1] | None, True),
        (Sequence[int], True),
        (Collection[int], True),
        (Set[int], True),
        (Items, True),
        (str, False),
        (dict[str, int], False),
        (int | None, False),
        (Pair, False),
    ],
)
def test_a_repeated_key_is_for_collections_only(kind: Any, yes: bool) -> None:
    assert is_sequence(kind) is yes


@pytest.mark.parametrize(
    ("kind", "plain"), [(int, int), (Annotated[int, 1], int), (UserId, int), (Annotated[UserId, 1], int)]
)
def test_a_plain_type_has_no_names_and_notes_around_it(kind: Any, plain: Any) -> None:
    assert plain_type(kind) is plain


def test_a_type_statement_stands_for_its_value() -> None:
    class TypeAliasType:
        """As Python 3.12's, of which only the value is asked for."""

        __value__ = Annotated[list[int], 1]

    assert plain_type(TypeAliasType()) == list[int]


def test_the_options_of_a_type_leave_none_out() -> None:
    assert options_of(int | str | None) == [int, str]
    assert options_of(Annotated[int | None, 1]) == [int]
    assert options_of(int) == [int]
    assert is_union(int | None)
    assert not is_union(int)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "int"),
        (int | None, "int | None"),
        (Literal["a", 1], "one of 'a', 1"),
        (Colour, "one of 'red'"),
        (list[int | None], "list[int | None]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[int, 1], "int"),
        (UserId, "UserId"),
        (Any, "Any"),
        (Box[int], "Box[int]"),
        ("Later", "Later"),
    ],
)
def test_a_type_is_said_as_a_reader_says_it(kind: Any, words: str) -> None:
    assert type_words(kind) == words
