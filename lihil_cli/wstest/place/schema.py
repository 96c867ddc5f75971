"""What the app says about its routes: which exist, what they take, and what is wrong with an address before it is sent.

Made from what `lihil routes --json` prints; the dev server keeps that as `.lihil/schema.json`.
"""

import ast
import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lihil_cli.framework import defer_framework
from lihil_cli.record import Record
from lihil_cli.wstest.place.message_types import MessageType, read_message_types

defer_framework()

from lihil.routing.path import PathError, PathPattern, parse_path  # noqa: E402
from lihil.routing.tree import PathTree  # noqa: E402

FILE = "schema.json"
PARAMETER = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
"""A parameter in a route's path: its name, and its converter if it has one."""

_WEBSOCKET = "websocket"
_MIN_LIKENESS = 0.6
_ONE_OF = "one of "
_NUMBER = r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?"


class Param(Record):
    """A parameter of a route. `location` is path, query, header, cookie or body; `type` is in words, such as `int`."""

    name: str
    location: str
    type: str
    required: bool
    default: str | None = None


class Route(Record):
    """A route of the app. `receives` and `sends` are the types of its messages, "" where they are not declared.

    `messages` are the kinds of objects that it receives.
    """

    kind: str
    path: str
    method: str
    handler: str
    summary: str
    params: tuple[Param, ...]
    receives: str = ""
    sends: str = ""
    messages: tuple[MessageType, ...] = ()

    @property
    def usage(self) -> str:
        """The route as it is asked for: its path, and what its query takes."""
        query = [f"{one.name}:{one.type}" for one in self.params if one.location == "query" and one.required]
        return self.path + (f"?{'&'.join(query)}" if query else "")

    @property
    def example(self) -> str:
        """A target and items for `lihil ws-test` that fit this route."""
        words = [PARAMETER.sub(lambda found: _sample(found[2] or "str", found[1]), self.path)]
        for one in self.params:
            if one.required and one.location in {"query", "header"}:
                mark = "==" if one.location == "query" else ":"
                words.append(f"{one.name}{mark}{_sample(one.type, one.name)}")
        return " ".join(words)


class Schema(Record):
    """All routes of an app."""

    title: str
    routes: tuple[Route, ...]

    @property
    def websockets(self) -> tuple[Route, ...]:
        return tuple(route for route in self.routes if route.kind == _WEBSOCKET)

    def messages_to(self, target: str) -> tuple[MessageType, ...]:
        """The messages that the route of a path or URL takes, as far as they have types."""
        found = self.find(unquote(_path_of(target)))
        return () if found is None else found[0].messages

    def path_of(self, target: str) -> str:
        """The path of a URL as the app writes it, with its parameters; the URL's own where no route has it."""
        path = _path_of(target)
        found = self.find(unquote(path))
        return path if found is None else found[0].path

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The WebSocket route for a decoded path, and what the path says for its parameters."""
        tree: PathTree[tuple[Route, PathPattern]] = PathTree()
        for route in self.websockets:
            _plant(tree, route)
        found = tree.find(path)
        if found is None:
            return None
        (route, pattern), captured = found
        return route, pattern.captured_by_name(captured)


NO_SCHEMA = Schema("", ())


def _path_of(target: str) -> str:
    """The path of a path or URL; "" for what is neither."""
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def names_of(route: Route) -> set[str]:
    """What a route can be called: its handler's name, alone or behind the module's or the class's."""
    _, _, name = route.handler.partition(":")
    return {name.rpartition(".")[2], name, route.handler}


def parse_schema(content: object) -> Schema | None:
    """A schema from JSON's values; None where they are not one."""
    if not isinstance(content, dict):
        return None
    try:
        return Schema(str(content["title"]), tuple(_parse_route(route) for route in content["routes"]))
    except (KeyError, TypeError, AttributeError):
        return None


def read_schema(text: str | bytes) -> Schema | None:
    """A schema from JSON text; None for anything else."""
    try:
        return parse_schema(json.loads(text))
    except (ValueError, RecursionError):
        return None


def complaints(schema: Schema, target: str, headers: Sequence[tuple[str, str]] = ()) -> list[str]:
    """What the app would not take about `target` (path and query) and `headers`; nothing when all is well."""
    parts = urlsplit(target)
    found = schema.find(unquote(parts.path))
    if found is None:
        return [_no_route(schema, unquote(parts.path))]
    route, captured = found
    query = parse_qsl(parts.query, keep_blank_values=True)
    return [
        *_about(route, "path", list(captured.items())),
        *_about(route, "query", query),
        *_about(route, "header", headers),
    ]


def _parse_route(content: Mapping[str, Any]) -> Route:
    params = [
        Param(str(one["name"]), str(one["location"]), str(one["type"]), bool(one["required"]), one.get("default"))
        for one in content["params"]
    ]
    return Route(
        kind=str(content["kind"]),
        path=str(content["path"]),
        method=str(content["method"]),
        handler=str(content["handler"]),
        summary=str(content.get("summary", "")),
        params=tuple(params),
        receives=str(content.get("receives", "")),
        sends=str(content.get("sends", "")),
        messages=tuple(read_message_types(content.get("messages", ()))),
    )


def _plant(tree: PathTree[tuple[Route, PathPattern]], route: Route) -> None:
    try:
        pattern = parse_path(route.path)
    except PathError:
        return  # a route that this version cannot read is a route it cannot judge
    tree.add(pattern, lambda: (route, pattern))


def _no_route(schema: Schema, path: str) -> str:
    http = sorted({route.method for route in schema.routes if route.kind != _WEBSOCKET and route.path == path})
    if http:
        return f"{path} is an HTTP route ({', '.join(http)}), not a WebSocket"
    message = f"no WebSocket route matches {path}"
    near = max(schema.websockets, key=lambda route: _likeness(path, route.path), default=None)
    if near is None:
        return f"{message}: the app has no WebSocket route"
    if _likeness(path, near.path) >= _MIN_LIKENESS:
        return f"{message}; did you mean {near.usage} ?"
    named = {name: route for route in schema.websockets for name in names_of(route)}
    for name in difflib.get_close_matches(path.strip("/"), named, n=1, cutoff=_MIN_LIKENESS):
        return f"{message}; did you mean {name}, which is {named[name].usage} ?"
    return f"{message}; there are {', '.join(route.usage for route in schema.websockets[:8])}"


def _likeness(path: str, pattern: str) -> float:
    """How much a path is like a pattern in which every parameter is filled with the path's own text, 0 to 1."""
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    filled = [
        given[at] if at < len(given) and segment.startswith("{") else segment for at, segment in enumerate(wanted)
    ]
    return difflib.SequenceMatcher(None, "/".join(filled), "/".join(given)).ratio()


def _about(route: Route, location: str, given: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What is missing or wrong in one place; cookies are left to the server."""
    values = {_key(name, location): value for name, value in given}
    for one in route.params:
        if one.location != location:
            continue
        value = values.get(_key(one.name, location))
        if value is not None:
            if not _fits(value, one.type):
                yield f"{location} {one.name}: expected {one.type}, got {value!r}"
        elif one.required:
            near = difflib.get_close_matches(one.name, values, n=1)
            typo = f"; is {near[0]} a slip of it?" if near and location == "query" else ""
            yield f"{location} {one.name} is missing: {one.type}{typo}"


def _key(name: str, location: str) -> str:
    return name.lower().replace("_", "-") if location == "header" else name


def _is_whole(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None and float(text) == float(text) // 1


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "str": lambda text: True,
    "int": _is_whole,
    "float": lambda text: re.fullmatch(_NUMBER + "|[-+]?(inf|infinity|nan)", text, re.IGNORECASE) is not None,
    "bool": lambda text: text.lower() in {"true", "false", "1", "0"},
    "UUID": lambda text: re.fullmatch(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", text) is not None,
    "None": lambda text: text.lower() in {"null", "none", ""},
}


def _fits(text: str, words: str) -> bool:
    """Whether a text can become a type; a type that is not known here is left to the server."""
    if words.startswith(_ONE_OF):
        return text in _listed(words)
    options = [option.strip() for option in words.split("|")]
    return any(option not in _FORMS or _FORMS[option](text) for option in options)


def _listed(words: str) -> list[str]:
    """The values in `one of 'a', 'b'`."""
    return [str(value) for value in ast.literal_eval(f"({words.removeprefix(_ONE_OF)},)")]


def _sample(words: str, name: str) -> str:
    if words.startswith(_ONE_OF):
        return _listed(words)[0]
    return {"int": "1", "float": "1.5", "bool": "true", "uuid": "0" * 32, "UUID": "0" * 32}.get(words, name or "x")
