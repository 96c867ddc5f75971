"""JSON in and out of typed values."""

import dataclasses
from typing import Any, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from lihil.params.codec import encode_json, issues_of_decode, json_decoder


class Item(msgspec.Struct):
    name: str


@dataclasses.dataclass
class Page:
    size: int


class Options(TypedDict):
    a: int


class Model(pydantic.BaseModel):
    id: UUID


VALUES: list[tuple[Any, Any, bytes]] = [
    (Item, Item("é"), '{"name":"é"}'.encode()),
    (Page, Page(1), b'{"size":1}'),
    (Options, {"a": 1}, b'{"a":1}'),
    (Model, Model(id=UUID(int=0)), b'{"id":"00000000-0000-0000-0000-000000000000"}'),
    (list[Model], [], b"[]"),
    (dict[str, Model], {"m": Model(id=UUID(int=0))}, b'{"m":{"id":"00000000-0000-0000-0000-000000000000"}}'),
]


@pytest.mark.parametrize(("kind", "value", "text"), VALUES)
def test_a_value_is_written_and_read_back(kind: Any, value: object, text: bytes) -> None:
    assert encode_json(value) == text
    assert json_decoder(kind)(text) == value


@pytest.mark.parametrize("value", [object(), {"a": object()}, 1j])
def test_a_value_without_a_json_form_is_refused(value: object) -> None:
    with pytest.raises(NotImplementedError, match="cannot be written as JSON"):
        encode_json(value)


def test_a_type_that_json_has_no_form_for_is_refused_when_it_is_read() -> None:
    with pytest.raises(msgspec.ValidationError, match="Expected `complex`, got `int`"):
        json_decoder(complex)(b"1")


def test_a_value_that_is_of_the_type_already_is_kept() -> None:
    class Meta(type):
        def __instancecheck__(cls, value: object) -> bool:
            return True

    class Whatever(metaclass=Meta):
        pass

    assert json_decoder(Whatever)(b"1") == 1


@pytest.mark.parametrize(
    ("kind", "text", "where"),
    [(Item, b'{"name":1}', "body.name"), (list[Item], b'[{"name":"a"},1]', "body[1]"), (Item, b"1", "body")],
)
def test_the_issue_names_the_field(kind: Any, text: bytes, where: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        json_decoder(kind)(text)
    (issue,) = issues_of_decode(caught.value, "body", "body")
    assert (issue.param, issue.message.startswith("expected ")) == (where, True)
