"""The pattern language: from text to a tree, with the place of every mistake.

    exact text, with <int:id> holes     {"json": 1, ...}     /regex/     hex: 00 ff     text: "..."     close 1000 "bye"

It is described in docs/ws-scripts.md. `match` compares a pattern with a message.
"""

import difflib
import json
import re
import warnings
from collections.abc import Iterator

from lihil_cli.wstest.patterns.source import Cursor, SourceError
from lihil_cli.wstest.patterns.template import Template, Variable, names_in, split_template
from lihil_cli.wstest.patterns.tree import (
    KINDS,
    AnyPattern,
    BinaryPattern,
    Body,
    ClosePattern,
    Elements,
    Hole,
    JsonPattern,
    Members,
    Node,
    Pattern,
    Regex,
    Scalar,
    TextPattern,
    Words,
)

MAX_DEPTH = 100
"""How deep a JSON pattern may be nested."""

_KIND_BY_NAME = {str(kind): kind for kind in KINDS}
_HOLE = re.compile(r"<([A-Za-z]+)(?::([A-Za-z_][A-Za-z0-9_]*))?>")
_REGEX = re.compile(r"/((?:[^/\\\n]|\\[^\n])+)/([A-Za-z]*)")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrtu])*)"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.])")
_WORDS = re.compile(r"(true|false|null)(?![0-9A-Za-z_])")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DIGITS = re.compile(r"[0-9A-Fa-f \t]*")
_CLOSE = re.compile(r'close(?=[ \t]*$|[ \t]+[0-9"/#])')
_CODE = re.compile(r"[0-9]{1,9}")
_EXACT_VALUES = 'a value: "text", 1, true, null, {...}, [...] or ${name}'
_VALUES = 'a value: "text", 1, true, null, {...}, [...], <int>, /regex/, ${name} or ...'


def parse_pattern(text: str, *, is_subset: bool = False) -> Pattern:
    """The pattern that the whole of `text` is. Raises SourceError with the offset of the mistake.

    With `is_subset` every object may have other keys as well, as if `...` stood in each: for patterns that are typed.
    """
    cursor = Cursor(text)
    cursor.skip_blank()
    pattern = _Scanner(cursor, is_subset=is_subset).scan(len(text))
    cursor.skip_blank()
    if not cursor.is_at_end:
        raise cursor.error("the pattern has ended before this", expected='the end, or text: "..." for exact text')
    return pattern


def parse_alone(text: str, *, is_subset: bool = False) -> Pattern:
    """As `parse_pattern`, for a pattern that no other stands before: what it asks for by name it has to capture itself.

    Raises SourceError.
    """
    pattern = parse_pattern(text, is_subset=is_subset)
    for name in sorted(pattern.uses - pattern.captures):
        raise SourceError(
            f"nothing says what ${{{name}}} stands for", text.find(f"${{{name}}}"), expected="$${ for the characters ${"
        )
    return pattern


def scan_pattern(cursor: Cursor, text_end: int) -> Pattern:
    """Read the pattern that begins here; exact text reaches up to the offset `text_end`, without spaces at its end.

    Raises SourceError.
    """
    return _Scanner(cursor).scan(text_end)


def scan_exact_json(cursor: Cursor) -> None:
    """Step over an object or array as it is sent: with variables, without matchers. Raises SourceError."""
    _Scanner(cursor, is_exact=True).scan(cursor.at)


def compile_regex(source: str, flags: int) -> re.Pattern[str]:
    """The compiled expression. Raises ValueError with the reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what may change one day is no mistake of the user's today
            return re.compile(source, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


def scan_string(cursor: Cursor) -> Template:
    """Read a JSON string with variables in it. Raises SourceError."""
    start = cursor.at
    found = cursor.take_match(_STRING)
    if found is None:
        raise cursor.error("this string has no end on its line, or holds a bad escape", expected='a closing "')
    pieces = split_template(found[1], start + 1)
    try:
        return tuple(piece if isinstance(piece, Variable) else json.loads(f'"{piece}"') for piece in pieces)
    except ValueError:
        raise cursor.error("this string holds a bad escape", at=start, expected="four digits after \\u") from None


def scan_bytes(cursor: Cursor, end: int) -> bytes:
    """Read pairs of hexadecimal digits, spaced or not, up to the offset `end`. Raises SourceError."""
    cursor.skip_space()
    at = cursor.at
    digits = cursor.take_span(_DIGITS, end)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        expected = "pairs of hexadecimal digits, such as 00 ff"
        raise cursor.error("these are no whole bytes", at=at, expected=expected) from None


class _Scanner:
    """Reads one pattern, and notes the names in it; with `is_exact`, JSON without matchers."""

    def __init__(self, cursor: Cursor, *, is_exact: bool = False, is_subset: bool = False) -> None:
        self._cursor = cursor
        self._is_exact = is_exact
        self._is_subset = is_subset
        self._captures: set[str] = set()
        self._uses: set[str] = set()

    def scan(self, text_end: int) -> Pattern:
        start = self._cursor.at
        body = self._body(text_end)
        source = self._cursor.text[start : self._cursor.at].strip()
        return Pattern(source, body, frozenset(self._captures), frozenset(self._uses))

    def _body(self, text_end: int) -> Body:
        cursor = self._cursor
        if cursor.peek("{") or cursor.peek("["):
            return JsonPattern(self._value(0))
        if cursor.peek("/"):
            return self._regex()
        if cursor.take("hex:"):
            return self._binary(text_end)
        if cursor.take("text:"):
            cursor.skip_space()
            return TextPattern(self._used(scan_string(cursor)))
        if cursor.take_match(_CLOSE, text_end) is not None:
            return self._close()
        return self._text(text_end)

    # Whole messages

    def _text(self, text_end: int) -> TextPattern | AnyPattern:
        cursor = self._cursor
        start = cursor.at
        text = cursor.text[start:text_end].rstrip()
        cursor.at = start + len(text)
        pieces = tuple(self._pieces(text, start))
        if pieces == ("...",):
            return AnyPattern()
        if len(pieces) == 1 and isinstance(pieces[0], Hole) and pieces[0].kind == "any":
            return AnyPattern(pieces[0].name)
        return TextPattern(pieces)

    def _pieces(self, text: str, start: int) -> Iterator[str | Variable | Hole]:
        """Variables and holes between literal text; `<word>` that names no kind is literal."""
        for piece in self._used(split_template(text, start)):
            if isinstance(piece, Variable):
                yield piece
                continue
            done = 0
            for found in _HOLE.finditer(piece):
                if found[1] not in _KIND_BY_NAME:
                    continue
                if found.start() > done:
                    yield piece[done : found.start()]
                yield self._hole(found)
                done = found.end()
            if done < len(piece):
                yield piece[done:]

    def _binary(self, end: int) -> BinaryPattern:
        cursor = self._cursor
        data = scan_bytes(cursor, end)
        is_open = cursor.take("...")
        cursor.skip_space()
        if cursor.at < end and not cursor.peek("#"):
            raise cursor.error("these are no bytes", expected="pairs of hexadecimal digits, such as 00 ff, or ...")
        return BinaryPattern(data, is_open)

    def _close(self) -> ClosePattern:
        cursor = self._cursor
        cursor.skip_space()
        at = cursor.at
        number = cursor.take_match(_CODE)
        code = None if number is None else int(number.group())
        if code is not None and not 1000 <= code <= 4999:
            raise cursor.error(f"{code} is no close code", at=at, expected="a number from 1000 to 4999")
        cursor.skip_space()
        if cursor.peek('"'):
            return ClosePattern(code, Words(self._used(scan_string(cursor))))
        return ClosePattern(code, self._regex() if cursor.peek("/") else None)

    # JSON

    def _value(self, depth: int) -> Node:
        cursor = self._cursor
        if depth > MAX_DEPTH:
            raise cursor.error(f"this is nested deeper than {MAX_DEPTH} levels")
        if cursor.take("{"):
            return self._members(depth)
        if cursor.take("["):
            return self._elements(depth)
        if self._takes_dots():
            return Hole("any")
        return self._leaf()

    def _leaf(self) -> Node:
        cursor = self._cursor
        if cursor.peek('"'):
            return Words(self._used(scan_string(cursor)))
        if cursor.peek("${"):
            return self._variable()
        if cursor.peek("/") and not self._is_exact:
            return self._regex()
        if cursor.peek("<") and not self._is_exact:
            return self._typed_hole()
        start = cursor.at
        found = cursor.take_match(_WORDS) or cursor.take_match(_NUMBER)
        if found is None:
            raise cursor.error("this is no value", expected=_EXACT_VALUES if self._is_exact else _VALUES)
        try:
            return Scalar(json.loads(found.group()))
        except ValueError:
            raise cursor.error("this number is too long", at=start) from None

    def _members(self, depth: int) -> Members:
        cursor = self._cursor
        entries: dict[str, Node] = {}
        while not self._ends("}"):
            if self._takes_dots():
                self._end("}", "nothing can follow ... in an object")
                return Members(tuple(entries.items()), is_open=True)
            at = cursor.at
            key = self._key()
            if key in entries:
                raise cursor.error(f"the key {json.dumps(key)} stands here twice", at=at)
            cursor.skip_blank()
            if not cursor.take(":"):
                raise cursor.error("this key has no value", expected=":")
            cursor.skip_blank()
            entries[key] = self._value(depth + 1)
            self._separate("}")
        return Members(tuple(entries.items()), is_open=self._is_subset)

    def _key(self) -> str:
        cursor = self._cursor
        at = cursor.at
        if not cursor.peek('"'):
            raise cursor.error("this is no key", expected="a key in double quotes, ... or }")
        pieces = scan_string(cursor)
        if any(isinstance(piece, Variable) for piece in pieces):
            raise cursor.error("a variable cannot stand in a key", at=at, expected="the key itself, or $${ for ${")
        return "".join(str(piece) for piece in pieces)

    def _elements(self, depth: int) -> Elements:
        cursor = self._cursor
        first: list[Node] = []
        last: list[Node] | None = None
        while not self._ends("]"):
            if self._takes_dots():
                if last is not None:
                    raise cursor.error("... can stand in an array once", expected="<any> for one element, or ]")
                last = []
            else:
                (first if last is None else last).append(self._value(depth + 1))
            self._separate("]")
        return Elements(tuple(first), None if last is None else tuple(last))

    def _takes_dots(self) -> bool:
        if not self._cursor.peek("..."):
            return False
        if self._is_exact:
            raise self._cursor.error("... cannot be sent", expected=_EXACT_VALUES)
        return self._cursor.take("...")

    def _ends(self, bracket: str) -> bool:
        cursor = self._cursor
        cursor.skip_blank()
        if cursor.is_at_end:
            raise cursor.error(f"the text ends before the closing {bracket}", expected=bracket)
        return cursor.take(bracket)

    def _end(self, bracket: str, message: str) -> None:
        if not self._ends(bracket):
            raise self._cursor.error(message, expected=bracket)

    def _separate(self, bracket: str) -> None:
        """Step over the comma that must stand before the next element, unless the bracket comes."""
        cursor = self._cursor
        cursor.skip_blank()
        if cursor.take(","):
            cursor.skip_blank()
            if cursor.peek(bracket):
                raise cursor.error(f"a comma before {bracket}", expected="one more element, or no comma")
        elif not cursor.peek(bracket) and not cursor.is_at_end:  # an early end is told by `_ends`
            raise cursor.error("elements are separated by commas", expected=f", or {bracket}")

    # What may stand in a text and in JSON

    def _regex(self) -> Regex:
        cursor = self._cursor
        at = cursor.at
        found = cursor.take_match(_REGEX)
        if found is None:
            raise cursor.error("this regex has no end on its line", expected='a closing /, or text: "/..." for text')
        unknown = next((flag for flag in found[2] if flag not in _FLAGS), None)
        if unknown is not None:
            raise cursor.error(f"a regex has no flag {unknown!r}", at=found.start(2), expected="i, m, s or x")
        flags = sum(_FLAGS[flag] for flag in set(found[2]))
        template = self._used(split_template(found[1], at + 1))
        try:
            # A variable is filled in escaped, so that any text does for the check.
            groups = compile_regex("".join("x" if isinstance(p, Variable) else p for p in template), flags).groupindex
        except ValueError as error:
            raise cursor.error(f"this regex is wrong: {error}", at=at) from None
        self._captures |= set(groups)
        return Regex(template, flags)

    def _variable(self) -> Variable:
        found = self._cursor.take_match(_VARIABLE)
        if found is None:
            raise self._cursor.error("this variable has no name", expected="${name}")
        self._uses.add(found[1])
        return Variable(found[1])

    def _typed_hole(self) -> Hole:
        cursor = self._cursor
        at = cursor.at
        found = cursor.take_match(_HOLE)
        if found is None:
            raise cursor.error("this is no matcher", expected=f"<{'>, <'.join(KINDS)}>, or one with a name: <int:id>")
        if found[1] not in _KIND_BY_NAME:
            near = difflib.get_close_matches(found[1], KINDS, n=1)
            likely = f"<{near[0]}>" if near else f"<{'>, <'.join(KINDS)}>"
            raise cursor.error(f"there is no matcher <{found[1]}>", at=at, expected=likely)
        return self._hole(found)

    def _hole(self, found: re.Match[str]) -> Hole:
        if found[2] is not None:
            self._captures.add(found[2])
        return Hole(_KIND_BY_NAME[found[1]], found[2])

    def _used(self, template: Template) -> Template:
        self._uses |= names_in(template)
        return template
