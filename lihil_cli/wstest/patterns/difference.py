"""Where a message differs from a pattern, and how that is shown: what was expected, what came, a caret below it."""

import json
import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

from lihil_cli.console import escape_terminal
from lihil_cli.record import Record
from lihil_cli.wstest.closing import Closed

Message: TypeAlias = str | bytes | Closed
"""What can arrive: a text message, a binary one, or the end of the connection."""

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indexes that lead to a value inside a JSON message."""

_BEFORE = 60  # characters shown around a difference in a long message
_AROUND = 160
_LONGEST = 2000
_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"


class Span(Record):
    """From one offset to another in `Difference.actual`."""

    start: int
    end: int


class Inside(Record):
    """A value inside the JSON that arrived; with `at_end`, the bracket that ends it, because something is missing."""

    path: Path
    at_end: bool = False


class Difference(Record):
    """A message that does not match. `expected` is the pattern with the captures filled in, `actual` what came.

    `reason` says what is wrong in one line; `place` is where, in `actual`. Nothing is escaped yet.
    """

    expected: str
    actual: str
    reason: str
    place: Span | Inside

    @property
    def span(self) -> Span:
        """Where `actual` differs; at least one character wide, also beyond its end."""
        place = find_span(self.actual, self.place) if isinstance(self.place, Inside) else self.place
        return Span(place.start, max(place.end, place.start + 1))

    @property
    def wanted(self) -> str:
        """One line for a terminal, escaped: what was expected."""
        return visible(cut(" ".join(line.strip() for line in self.expected.split("\n")), _LONGEST))

    @property
    def got(self) -> list[str]:
        """Two lines for a terminal, escaped: what came, cut where it is long, and a caret with the reason."""
        text, span = _excerpt(self.actual, self.span)
        before = visible(text[: span.start])
        marked = visible(text[span.start : span.end])
        shown = before + marked + visible(text[span.end :])
        return [shown, f"{' ' * width(before)}{'^' * max(width(marked), 1)} {visible(self.reason)}"]


def visible(text: str) -> str:
    """Text for one line of a terminal: harmless, and nothing in it moves the cursor."""
    return escape_terminal(text.replace("\t", "\\t"), keep_newlines=False)


def width(text: str) -> int:
    """How many columns of a terminal `text` takes (Unicode Standard Annex #11)."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def cut(text: str, limit: int = _AROUND) -> str:
    """The beginning of a text that may be long."""
    return text if len(text) <= limit else f"{text[:limit]}..."


def _excerpt(text: str, span: Span) -> tuple[str, Span]:
    """The part of `text` around `span`, and where the span is in it."""
    first = max(span.start - _BEFORE, 0) if len(text) > _AROUND + _BEFORE else 0
    last = first + _AROUND + _BEFORE
    head, tail = "..." if first else "", "..." if last < len(text) else ""
    moved = len(head) - first
    end = min(span.end, last)
    return head + text[first:last] + tail, Span(span.start + moved, max(end, span.start + 1) + moved)


def find_span(text: str, place: Inside) -> Span:
    """Where in the JSON `text` the value of `place` stands. The path must lead somewhere."""
    at = _skip_blank(text, 0)
    for step in place.path:
        at = _key_value(text, at, step) if isinstance(step, str) else _element(text, at, step)
    _, end = _DECODER.raw_decode(text, at)
    return Span(end - 1, end) if place.at_end else Span(at, end)


def _key_value(text: str, at: int, key: str) -> int:
    """The offset of the last value that `key` has in the object at `at`: of a key that comes twice, the last counts."""
    found = at
    at = _skip_blank(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip_blank(text, _skip_blank(text, at) + 1)  # the colon
        if name == key:
            found = at
        at = _next(text, at)
    return found


def _element(text: str, at: int, index: int) -> int:
    at = _skip_blank(text, at + 1)
    for _ in range(index):
        at = _next(text, at)
    return at


def _next(text: str, at: int) -> int:
    """The offset of what follows the value at `at` and its comma."""
    _, at = _DECODER.raw_decode(text, at)
    at = _skip_blank(text, at)
    return _skip_blank(text, at + 1) if text[at] == "," else at


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def text_span(expected: str, actual: str, start: int = 0) -> Span:
    """What differs between two texts from `start` on, without what they share at both ends."""
    limit = min(len(expected), len(actual))
    while start < limit and expected[start] == actual[start]:
        start += 1
    end, other = len(actual), len(expected)
    while end > start and other > start and actual[end - 1] == expected[other - 1]:
        end, other = end - 1, other - 1
    return Span(start, end)


def path_words(path: Sequence[str | int]) -> str:
    """A path as one would write it: `user.names[0]`; "the message" for the whole."""
    words = ""
    for step in path:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else step
    return words or "the message"
