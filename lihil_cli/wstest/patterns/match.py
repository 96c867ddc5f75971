"""Does a message look like a pattern? The public face of the pattern language.

    pattern = parse_pattern('{"type": "said", "from": <int:id>, ...}')      # SourceError: offset, what was expected
    outcome = match(pattern, '{"type": "said", "from": 3, "text": "hi"}')   # Match or Difference, raises nothing
    outcome.captures                                                        # {"id": 3}
    outcome.wanted, *outcome.got                                            # of a Difference: lines for a terminal

A message is what arrived: text, bytes, or the `Closed` that ended the connection. A name that was captured before must
have the same value again, as if it stood there.
"""

import json
import re
from collections.abc import Mapping

from lihil_cli.record import Record
from lihil_cli.wstest.closing import Closed, meaning_of
from lihil_cli.wstest.patterns.captures import Captures, UnlikeError
from lihil_cli.wstest.patterns.difference import Difference, Message, Span, text_span
from lihil_cli.wstest.patterns.pattern import compile_regex, parse_alone, parse_pattern, scan_pattern
from lihil_cli.wstest.patterns.source import SourceError
from lihil_cli.wstest.patterns.template import UnknownNameError, Variable, names_in, quote, value_text
from lihil_cli.wstest.patterns.tree import (
    AnyPattern,
    BinaryPattern,
    Body,
    ClosePattern,
    Elements,
    Hole,
    JsonPattern,
    Kind,
    Members,
    Node,
    Pattern,
    Regex,
    Scalar,
    TextPattern,
    Words,
)
from lihil_cli.wstest.patterns.values import TIME, UUID, compare_value, read_json

__all__ = [
    "Difference",
    "Match",
    "Message",
    "Pattern",
    "SourceError",
    "match",
    "parse_alone",
    "parse_pattern",
    "pattern_of",
    "scan_pattern",
    "shown",
]

_NUMBER = r"-?(?:0|[1-9][0-9]{0,999})"  # of a length that int() takes
_IN_TEXT: dict[Kind, str] = {
    "int": _NUMBER,
    "float": rf"{_NUMBER}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?",
    "str": r"(?s:.*?)",
    "uuid": UUID,
    "time": TIME,
    "any": r"(?s:.*?)",
}
_NOWHERE = Span(0, 0)


class Match(Record):
    """The message looks like the pattern; `captures` are those known before and those of this pattern."""

    captures: Mapping[str, object]


def match(
    pattern: Pattern,
    message: Message,
    captures: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Match | Difference:
    """Compare one message with `pattern`; `captures` and `environ` are what `${name}` stands for, in this order."""
    known = captures or {}
    names = Captures(known, environ or {})
    try:
        _compare(pattern.body, message, names)
    except UnlikeError as unlike:
        return Difference(shown(pattern, known), message_text(message), unlike.reason, unlike.place)
    except UnknownNameError as error:
        reason = f"no capture and no environment variable is called {error.name}"
        return Difference(pattern.source, message_text(message), reason, _NOWHERE)
    return Match(names.values)


def pattern_of(message: Message) -> str:
    """A pattern that matches this message: as it stands where that can be read back, else `text:`, `hex:`, `close`."""
    if not isinstance(message, str):
        return message_text(message)
    return message if _is_plain(message) else f"text: {quote(message)}"


def _is_plain(text: str) -> bool:
    """Whether `text`, written as it is, means itself, and can be seen."""
    if not text or not text.isprintable():
        return False
    try:
        pattern = parse_pattern(text)
    except SourceError:
        return False
    return _is_literal(pattern.body) and isinstance(match(pattern, text), Match)


def message_text(message: Message) -> str:
    """What arrived, written as a pattern would be; a text message as it is."""
    if isinstance(message, str):
        return message
    if isinstance(message, bytes):
        return f"hex: {message.hex(' ')}".rstrip()
    reason = f" {quote(message.reason)}" if message.reason else ""
    return f"close {message.code}{reason}"


def shown(pattern: Pattern, captures: Mapping[str, object]) -> str:
    """The pattern as it was written, with the values of names that are known."""

    def replace(found: re.Match[str]) -> str:
        name = found["hole"] or found["variable"]
        if name not in captures:
            return found.group()
        value = captures[name]
        is_in_json = found["hole"] and isinstance(pattern.body, JsonPattern)
        return json.dumps(value, ensure_ascii=False) if is_in_json else value_text(value)

    return _NAMED.sub(replace, pattern.source)


_NAMED = re.compile(r"<[a-z]+:(?P<hole>[A-Za-z_][A-Za-z0-9_]*)>|(?<!\$)\$\{(?P<variable>[A-Za-z_][A-Za-z0-9_]*)\}")


def _is_literal(body: Body) -> bool:
    match body:
        case JsonPattern(node):
            return _is_literal_node(node)
        case TextPattern(pieces):
            return all(isinstance(piece, str) for piece in pieces)
    return False


def _is_literal_node(node: Node) -> bool:
    match node:
        case Members(entries, is_open):
            return not is_open and all(_is_literal_node(value) for _, value in entries)
        case Elements(first, last):
            return last is None and all(map(_is_literal_node, first))
        case Words(template):
            return not names_in(template)
    return isinstance(node, Scalar)


def _compare(body: Body, message: Message, names: Captures) -> None:
    """Return if they are alike. Raises UnlikeError, UnknownNameError."""
    match body, message:
        case ClosePattern(), Closed():
            _compare_close(body, message, names)
        case _, Closed():
            raise UnlikeError(f"the connection has ended: {meaning_of(message.code)}", _everything(message))
        case ClosePattern(), _:
            raise UnlikeError("a message came where the close was expected", _everything(message))
        case AnyPattern(name), _:
            value = message if isinstance(message, str) else message.hex(" ")
            names.bind(name, value, "the message", _everything(message))
        case BinaryPattern(), bytes():
            _compare_bytes(body, message)
        case BinaryPattern(), _:
            raise UnlikeError("this is a text message, expected a binary one", _everything(message))
        case _, bytes():
            raise UnlikeError("this is a binary message, expected text", _everything(message))
        case _:
            _compare_text(body, message, names)


def _everything(message: Message) -> Span:
    return Span(0, len(message_text(message)))


def _compare_bytes(pattern: BinaryPattern, message: bytes) -> None:
    expected = pattern.data
    if message == expected or (pattern.is_open and message.startswith(expected)):
        return
    pairs = zip(expected, message, strict=False)
    index = next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(expected), len(message)))
    start = len("hex: ") + 3 * index  # two digits and a space for each byte
    if index == len(message):
        raise UnlikeError(f"{len(message)} bytes, expected {len(expected)}", Span(start - 1, start))
    if index == len(expected):
        reason = f"{len(message)} bytes, expected {len(expected)}; ... allows more"
        raise UnlikeError(reason, Span(start, _everything(message).end))
    raise UnlikeError(f"byte {index} is {message[index]:02x}, expected {expected[index]:02x}", Span(start, start + 2))


def _compare_close(pattern: ClosePattern, message: Closed, names: Captures) -> None:
    code = Span(len("close "), len(f"close {message.code}"))
    if pattern.code not in {None, message.code}:
        came = f"{message.code} ({meaning_of(message.code)})"
        raise UnlikeError(f"the close code is {came}, expected {pattern.code}", code)
    end = _everything(message).end
    reason = Span(min(code.end + 1, end), end)
    match pattern.reason:
        case Words(template) if names.fill(template) != message.reason:
            said = f"is {quote(message.reason)}" if message.reason else "is left out"
            raise UnlikeError(f"the close reason {said}", reason)
        case Regex():
            _search(pattern.reason, message.reason, reason, names)


def _compare_text(body: JsonPattern | TextPattern | Regex, message: str, names: Captures) -> None:
    match body:
        case JsonPattern(node):
            try:
                value = read_json(message)
            except ValueError as error:
                raise UnlikeError(f"this is no JSON: {error}", _everything(message)) from None
            compare_value(node, value, (), names)
        case TextPattern(pieces):
            _compare_pieces(pieces, message, names)
        case _:
            _search(body, message, _everything(message), names)


def _search(pattern: Regex, text: str, place: Span, names: Captures) -> None:
    """Find the expression in `text`, which stands at `place`."""
    source = names.regex_source(pattern.template)
    found = compile_regex(source, pattern.flags).search(text)
    if found is None:
        raise UnlikeError(f"does not match /{source}/", place)
    for name, part in found.groupdict().items():
        if part is not None:
            names.bind_text(name, part, place)


def _compare_pieces(pieces: tuple[str | Variable | Hole, ...], text: str, names: Captures) -> None:
    """Exact text with holes: one expression, with a group for each hole that captures."""
    parts = [_piece_regex(piece, names) for piece in pieces]
    found = re.compile("".join(parts)).fullmatch(text)
    if found is None:
        raise _text_difference(pieces, parts, text, names)
    holes = [piece for piece in pieces if isinstance(piece, Hole)]
    for number, hole in enumerate(holes, 1):
        if hole.name is not None and names.text_of(hole.name) is None:
            part = found[number]
            names.values[hole.name] = json.loads(part) if hole.kind in {"int", "float"} else part
        elif hole.name is not None:
            names.bind_text(hole.name, found[number], Span(*found.span(number)))


def _piece_regex(piece: str | Variable | Hole, names: Captures) -> str:
    if isinstance(piece, Hole):
        before = names.text_of(piece.name)
        return f"({_IN_TEXT[piece.kind]})" if before is None else f"({re.escape(before)})"
    return re.escape(piece if isinstance(piece, str) else names.fill((piece,)))


def _text_difference(
    pieces: tuple[str | Variable | Hole, ...], parts: list[str], text: str, names: Captures
) -> UnlikeError:
    """Where a text leaves the pattern: after the longest run of pieces that it begins with."""
    count, start = len(pieces), 0
    while count and (found := re.compile("".join(parts[:count])).match(text)) is None:
        count -= 1
    if count:
        start = found.end() if found is not None else 0
    if count == len(pieces):
        return UnlikeError("the text goes on here" if start < len(text) else "the text differs", Span(start, len(text)))
    piece = pieces[count]
    if isinstance(piece, Hole):
        return UnlikeError(f"expected {_hole_words(piece, names)} here", Span(start, len(text)))
    rest = piece if isinstance(piece, str) else names.fill((piece,))
    is_last = count == len(pieces) - 1
    span = text_span(text[:start] + rest, text, start)
    return UnlikeError("the text differs", span if is_last else Span(span.start, len(text)))


def _hole_words(hole: Hole, names: Captures) -> str:
    before = names.text_of(hole.name)
    return f"<{hole.kind}>" if before is None else quote(before)
