"""From a route's name and items to the path that is asked for."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from lihil_cli.wstest.place.schema import PARAMETER, Route, Schema, names_of
from lihil_cli.wstest.request import add_query

_NAME = re.compile(r"(?:[\w.]+:)?[^\W\d][\w.]*")


def address_of(schema: Schema, text: str, query: Sequence[tuple[str, str]] = ()) -> str:
    """The path and query for what was asked for, `query` being its items.

    The name of a handler (`talk`, or `chat:talk` where several modules have one), or a path as the app writes it
    (`/rooms/{name}`), stands for that route: the items fill the parameters in its path, and what is left of them is the
    query. Any other text is a path already. Raises ValueError, saying what to write, where that leads to no address.
    """
    word, mark, given = text.partition("?")
    routes = _meant(schema, word)
    if not routes:
        return add_query(text, query)
    if len(routes) > 1:
        known = ", ".join(f"{route.handler} ({route.path})" for route in routes)
        raise ValueError(f"{word} is the name of several routes: {known}")
    path, rest = _fill(routes[0], query)
    return add_query(f"{path}{mark}{given}", rest)


def _meant(schema: Schema, word: str) -> list[Route]:
    """The routes that a word names; none where it is a path that the app has."""
    if "{" in word:
        return [route for route in schema.websockets if route.path.strip("/") == word.strip("/")]
    if not _NAME.fullmatch(word) or schema.find(f"/{word}") is not None:
        return []
    return [route for route in schema.websockets if word in names_of(route)]


def _fill(route: Route, query: Sequence[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """The route's path with its parameters, and the items that are none of them."""
    rest = list(query)
    missing: list[str] = []

    def value(found: re.Match[str]) -> str:
        at = next((at for at, (name, _) in enumerate(rest) if name == found[1]), None)
        if at is None:
            missing.append(found[1])
            return ""
        return quote(rest.pop(at)[1], safe="/" if found[2] == "path" else "")

    path = PARAMETER.sub(value, route.path)
    if missing:
        raise ValueError(f"{route.path} needs {' '.join(f'{name}==VALUE' for name in missing)}")
    return path, rest
