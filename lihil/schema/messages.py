"""The messages of a typed WebSocket as a client has to write them: names, tags, members."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from lihil.params.kinds import is_pydantic_model, is_structured, options_of, type_words


@dataclass(frozen=True, slots=True)
class FieldModel:
    """One member of a message under its name on the wire."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class MessageModel:
    """One kind of message. `direction` is "receives" or "sends", seen from the app.

    Where a type is one of several, the member `tag_field` says which, by the value `tag`; both are "" otherwise.
    """

    direction: str
    name: str
    tag_field: str
    tag: str
    fields: tuple[FieldModel, ...]


def describe_messages(direction: str, kind: Any) -> Iterator[MessageModel]:
    """The kinds of messages that a type stands for; none for one that is no object with known members."""
    for option in options_of(kind):
        if is_pydantic_model(option):
            yield MessageModel(direction, option.__name__, "", "", tuple(_pydantic_fields(option)))
        elif is_structured(option):
            yield from _structured(direction, option)


def _structured(direction: str, option: type) -> Iterator[MessageModel]:
    info = msgspec.inspect.type_info(option)
    if isinstance(info, msgspec.inspect.StructType):
        tag = "" if info.tag is None else str(info.tag)
        yield MessageModel(
            direction, info.cls.__name__, info.tag_field or "", tag, tuple(_fields(info.cls, info.fields))
        )
    elif isinstance(info, msgspec.inspect.DataclassType | msgspec.inspect.TypedDictType):
        yield MessageModel(direction, info.cls.__name__, "", "", tuple(_fields(info.cls, info.fields)))


def _fields(cls: type, fields: tuple[msgspec.inspect.Field, ...]) -> Iterator[FieldModel]:
    kinds = get_type_hints(cls, include_extras=True)
    for field in fields:
        yield FieldModel(field.encode_name, type_words(kinds[field.name]), field.required)


def _pydantic_fields(model: Any) -> Iterator[FieldModel]:
    for name, field in model.model_fields.items():
        yield FieldModel(field.alias or name, type_words(field.annotation), field.is_required())
