"""What is known while a message is compared: names captured so far, and what variables stand for."""

import json
import re
from collections.abc import Callable, Mapping

from lihil_cli.wstest.patterns.difference import Inside, Span, cut
from lihil_cli.wstest.patterns.template import Template, Variable, fill, look_up, value_text


class UnlikeError(Exception):
    """Ends a comparison at the first difference: why, and where in what arrived."""

    def __init__(self, reason: str, place: Span | Inside) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


class Captures:
    """Names and their values; `values` are all that a variable may stand for, the environment too."""

    def __init__(self, known: Mapping[str, object], environ: Mapping[str, str]) -> None:
        self.values = dict(known)
        self._environ = environ

    def fill(self, template: Template, encode: Callable[[str], str] = str) -> str:
        """The template's text. Raises UnknownNameError."""
        return fill(template, self._all(), encode)

    def regex_source(self, template: Template) -> str:
        """The expression with the variables' text escaped. Raises UnknownNameError."""
        known = self._all()
        return "".join(
            piece if isinstance(piece, str) else re.escape(value_text(look_up(piece, known))) for piece in template
        )

    def value_of(self, variable: Variable) -> object:
        """Raises UnknownNameError."""
        return look_up(variable, self._all())

    def text_of(self, name: str | None) -> str | None:
        """A captured name's value as text; None for what has not been captured."""
        return value_text(self.values[name]) if name is not None and name in self.values else None

    def bind(self, name: str | None, value: object, subject: str, place: Span | Inside) -> None:
        """Capture a value of a JSON message. Raises UnlikeError when the name had another value before."""
        if name is None:
            return
        if name in self.values and not is_same(self.values[name], value):
            was = cut(as_json(self.values[name]), 60)
            raise UnlikeError(f"{subject} is {cut(as_json(value), 60)}, and {name} was {was} before", place)
        self.values[name] = value

    def bind_text(self, name: str, text: str, place: Span) -> None:
        """Capture a part of a text. Raises UnlikeError when the name's value was another before, read as text."""
        before = self.text_of(name)
        if before is not None and before != text:
            raise UnlikeError(f"{name} is {cut(as_json(text), 60)} here, and was {cut(as_json(before), 60)}", place)
        self.values.setdefault(name, text)

    def _all(self) -> Mapping[str, object]:
        return {**self._environ, **self.values}


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but true is not 1."""
    match one, other:
        case list(), list():
            return len(one) == len(other) and all(map(is_same, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def as_json(value: object) -> str:
    """A JSON value's text."""
    return json.dumps(value, ensure_ascii=False)
