"""How the screen looks: marks, colours, and rows of a given width that no foreign text can reach out of.

A line is a list of segments, each a style and a text that is harmless already; a row is what fits into one line of
the terminal. We break lines ourselves, with an indent, so that nothing from the server ever begins where our marks do.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from lihil_cli.record import Record

Segment: TypeAlias = tuple[str, str]
Line: TypeAlias = list[Segment]

MARKS: Mapping[str, tuple[str, str, str]] = {
    # name: with Unicode, with ASCII only, style
    "": ("", "", ""),
    "in": ("‹", "<", "dim"),
    "out": ("›", ">", "mark"),
    "go": ("→", "->", "dim"),
    "ok": ("✓", "ok:", "ok"),
    "bad": ("✗", "error:", "bad"),
    "end": ("⚑", "*", "mark"),
    "reload": ("⟳", "~", "mark"),
    "more": ("…", "...", "dim"),
}
_TO_ASCII = str.maketrans(
    {"·": "-", "…": "...", "×": "x", "→": "->", "│": "|", "✓": "ok", "─": "-", "›": ">", "⚑": "*"}
)
# Select Graphic Rendition (ECMA-48, section 8.3.117): 2 faint, 1 bold, 3x a colour.
_SGR = {"dim": "2", "mark": "1", "ok": "32", "bad": "31", "key": "34", "string": "32", "number": "36", "literal": "35"}
_RESET = "\x1b[0m"


class Look(Record):
    """What the terminal can show. `offset_s` is how far its clock on the wall is ahead of UTC.

    `has_commands` tells whether somebody can ask for more.
    """

    width: int = 80
    colour: bool = False
    ascii: bool = False
    offset_s: int = 0
    has_commands: bool = True

    def mark(self, name: str) -> Segment:
        """The mark of that name as a segment."""
        unicode, plain, style = MARKS[name]
        return (style, plain if self.ascii else unicode)

    def plain(self, text: str) -> str:
        """A text of ours in the characters the terminal has."""
        return text.translate(_TO_ASCII) if self.ascii else text

    def paint(self, row: Iterable[Segment]) -> str:
        """The row as it is written: with colours where they are allowed, the text alone elsewhere."""
        if not self.colour:
            return "".join(text for _, text in row)
        return "".join(f"\x1b[{_SGR[style]}m{text}{_RESET}" if style and text else text for style, text in row)


def cells(text: str) -> int:
    """How many columns a text takes; rather too many than too few where terminals disagree."""
    if text.isascii():
        return len(text)
    return sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.east_asian_width(character) in {"W", "F"}:
        return 2
    return 0 if unicodedata.category(character) in {"Mn", "Me", "Cf"} else 1


def width_of(line: Line) -> int:
    """The columns that a whole line takes."""
    return sum(cells(text) for _, text in line)


def wrap(line: Line, first: int, others: int, *, words: bool = False) -> Iterator[Line]:
    """Cut one line into rows of at most `first` and then `others` columns, between words where `words` says so.

    Two columns are the least, or a wide character would fit nowhere.
    """
    room = max(first, 2)
    row: Line = []
    for style, text in line:
        rest = text
        while rest:
            head, rest = _split(rest, room, words=words)
            if head:
                row.append((style, head))
            room -= cells(head)
            if rest:
                yield row
                row, room = [], max(others, 2)
    yield row


def _split(text: str, room: int, *, words: bool) -> tuple[str, str]:
    """The beginning of `text` that takes at most `room` columns, and the rest."""
    at = _cut(text, room)
    if words and at < len(text):
        space = text.rfind(" ", 1, at + 1)
        if space > 0:
            return text[:space], text[space:].lstrip(" ")
    return text[:at], text[at:]


def _cut(text: str, room: int) -> int:
    """How many characters fit into `room` columns."""
    if text[: room + 1].isascii():
        return min(room, len(text))
    used = 0
    for index, character in enumerate(text):
        used += _cell(character)
        if used > room:
            return index
    return len(text)
