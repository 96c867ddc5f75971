"""The messages that a route of the app takes, as its schema tells: their members, and an example of each."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lihil_cli.record import Record

_EXAMPLES = {"str": '""', "int": "0", "float": "0.0", "bool": "false", "dict": "{}", "list": "[]", "None": "null"}


class Field(Record):
    """One member of a message."""

    name: str
    type: str
    required: bool = True

    @property
    def example(self) -> str:
        """A value of its type in JSON, the first where there is a choice."""
        choices = self.choices
        if choices:
            return choices[0]
        return _EXAMPLES.get(re.split(r"[\[ |]", self.type)[0], "null")

    @property
    def choices(self) -> tuple[str, ...]:
        """The values in JSON where there are only a few."""
        if self.type == "bool":
            return ("true", "false")
        if not self.type.startswith("one of "):
            return ()
        return tuple(json.dumps(word.strip("'")) if "'" in word else word for word in self.type[7:].split(", "))


class MessageType(Record):
    """One kind of message. Its JSON has `tag` as the value of `tag_field`, where the type is one of several."""

    name: str
    tag_field: str
    tag: str
    fields: tuple[Field, ...]

    def template(self) -> str:
        """The least that is a message of this type."""
        tag = [f"{json.dumps(self.tag_field)}:{json.dumps(self.tag)}"] if self.tag_field else []
        fields = [f"{json.dumps(field.name)}:{field.example}" for field in self.fields if field.required]
        return "{" + ",".join([*tag, *fields]) + "}"

    @property
    def words(self) -> str:
        """One line: the name, and each member with its type."""
        fields = ", ".join(f"{field.name}: {field.type}{'' if field.required else '?'}" for field in self.fields)
        return f"{self.tag or self.name}  {fields}".rstrip()


def read_message_types(entries: Iterable[Mapping[str, Any]]) -> Iterator[MessageType]:
    """The types of messages that an app receives, from one route of its schema. Raises KeyError or TypeError."""
    return (_message(entry) for entry in entries if entry["direction"] == "receives")


def _message(entry: Mapping[str, Any]) -> MessageType:
    fields = tuple(Field(field["name"], field["type"], bool(field["required"])) for field in entry["fields"])
    return MessageType(entry["name"], entry["tag_field"], entry["tag"], fields)
