"""What the app's schema says (`.lihil/schema.json`): routes to connect to, and the messages they take.

The file is made by `lihil run --reload` from the running app, and read here; the app is never imported.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

_EXAMPLES = {"str": '""', "int": "0", "float": "0.0", "bool": "false", "dict": "{}", "list": "[]", "None": "null"}


@dataclass(frozen=True, slots=True)
class Field:
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


@dataclass(frozen=True, slots=True)
class MessageType:
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


@dataclass(frozen=True, slots=True)
class Route:
    """One WebSocket route; `query` are its parameters with their types."""

    path: str
    summary: str = ""
    query: tuple[tuple[str, str], ...] = ()
    receives: tuple[MessageType, ...] = ()

    @property
    def words(self) -> str:
        """The path with its query, as /routes lists it."""
        query = "&".join(f"{name}:{kind}" for name, kind in self.query)
        return f"{self.path}?{query}" if query else self.path

    def takes(self, path: str) -> bool:
        """Whether a path is one of this route's."""
        pieces = re.split(r"\{[^}]*\}", self.path)
        return re.fullmatch("[^/]+".join(map(re.escape, pieces)), path) is not None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All WebSocket routes of an app; none where no schema is known."""

    routes: tuple[Route, ...] = ()

    def messages_to(self, target: str) -> tuple[MessageType, ...]:
        """The messages that the route of a path or URL takes."""
        path = unquote(urlsplit(target).path)
        return next((route.receives for route in self.routes if route.takes(path)), ())


def parse_schema(text: bytes) -> Vocabulary:
    """The vocabulary of a schema file; an empty one for what is no schema, because nothing depends on it."""
    try:
        routes = json.loads(text)["routes"]
        return Vocabulary(tuple(_route(entry) for entry in routes if entry["kind"] == "websocket"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Vocabulary()


def _route(entry: dict[str, Any]) -> Route:
    return Route(
        path=str(entry["path"]),
        summary=str(entry.get("summary", "")),
        query=tuple((p["name"], p["type"]) for p in entry["params"] if p["location"] == "query"),
        receives=tuple(
            _message(message) for message in entry.get("messages", ()) if message["direction"] == "receives"
        ),
    )


def _message(entry: dict[str, Any]) -> MessageType:
    fields = tuple(Field(field["name"], field["type"], bool(field["required"])) for field in entry["fields"])
    return MessageType(entry["name"], entry["tag_field"], entry["tag"], fields)
