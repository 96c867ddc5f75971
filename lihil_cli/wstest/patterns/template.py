"""Text with `${name}` in it: split once, filled when the values are known. `$${` stands for the characters `${`."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.source import SourceError

_START = re.compile(r"\$\$\{|\$\{")
_REST = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\}")


class Variable(Record):
    """`${name}`: what a matcher captured under that name before, or else an environment variable."""

    name: str


Template: TypeAlias = tuple[str | Variable, ...]
"""Literal pieces and variables, in order."""


class UnknownNameError(KeyError):
    """A variable stands for nothing: no capture and no environment variable has its `name`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def split_template(text: str, at: int = 0) -> Template:
    """`text` as a template; `at` is where it stands in its source. Raises SourceError for a `${` without a name."""
    return tuple(_pieces(text, at))


def _pieces(text: str, at: int) -> Iterator[str | Variable]:
    literal = ""
    done = 0
    while (start := _START.search(text, done)) is not None:
        literal += text[done : start.start()]
        if start.group() == "$${":
            literal += "${"
            done = start.end()
            continue
        rest = _REST.match(text, start.end())
        if rest is None:
            raise SourceError("this variable has no end", at + start.end(), expected="a name and }, or $${ for ${")
        if literal:
            yield literal
            literal = ""
        yield Variable(rest[1])
        done = rest.end()
    literal += text[done:]
    if literal:
        yield literal


def fill(template: Template, values: Mapping[str, object], encode: Callable[[str], str] = str) -> str:
    """The text, with each variable's value as text after `encode`. Raises UnknownNameError."""
    return "".join(
        piece if isinstance(piece, str) else encode(value_text(look_up(piece, values))) for piece in template
    )


def look_up(variable: Variable, values: Mapping[str, object]) -> object:
    """The variable's value. Raises UnknownNameError."""
    try:
        return values[variable.name]
    except KeyError:
        raise UnknownNameError(variable.name) from None


def names_in(template: Template) -> frozenset[str]:
    """The names of the variables."""
    return frozenset(piece.name for piece in template if isinstance(piece, Variable))


def value_text(value: object) -> str:
    """A value as it stands inside a text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def quote(text: str) -> str:
    """A JSON string that, read as a template, is `text` again; what cannot be seen stands there as an escape."""
    quoted = json.dumps(text, ensure_ascii=False).replace("${", "$${")
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in quoted)
