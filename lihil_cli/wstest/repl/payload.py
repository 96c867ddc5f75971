"""From a message to lines that can be read: JSON laid out, text as it is, bytes as digits, all of it harmless.

JSON is laid out from its own characters, never decoded and written again: what is shown is what came, with its
numbers, escapes and repeated keys (RFC 8259).
"""

import json
import re
from collections.abc import Iterator

from lihil_cli.console import escape_terminal
from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.look import Line, cells

MAX_JSON_CHARACTERS = 65536
"""What is laid out as JSON; more is shown as the text it is."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_OPENING, _CLOSING = frozenset("{["), frozenset("}]")
_SYNTAX = frozenset("{}[],:")
_LITERALS = frozenset({"true", "false", "null"})
DUMP_ROWS = 4
_TAB = "    "
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"RIFF", "RIFF"),
    (b"OggS", "Ogg"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "a zip file"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def payload_lines(
    payload: Payload, width: int, *, first: int | None = None, form: str = "", limit: int | None = None
) -> Iterator[Line]:
    """The lines of a message for `width` columns, `first` of them for the first line.

    `form` is "" for the readable one, "hex" or "raw". A line may be longer than that. Of a long text no more than
    `limit` characters are looked at, and of bytes no more than four rows are shown while there is a limit.
    """
    if form == "hex" or (form == "" and isinstance(payload, bytes)):
        data = payload.encode() if isinstance(payload, str) else payload
        return _binary_lines(data, width, rows=None if limit is None else DUMP_ROWS)
    text = payload if isinstance(payload, str) else payload.decode("utf-8", "backslashreplace")
    tokens = json_tokens(text) if form == "" else None
    if tokens is not None:
        return _Layout(tokens).lines(width if first is None else first, width)
    return _text_lines(text if limit is None else text[:limit])


def _text_lines(text: str) -> Iterator[Line]:
    for line in text.split("\n"):
        yield [("", harmless(line.removesuffix("\r")))]


def harmless(text: str) -> str:
    """One line of foreign text as the terminal may have it."""
    return escape_terminal(text, keep_newlines=False).replace("\t", _TAB)


# JSON


def json_tokens(text: str) -> list[str] | None:
    """The tokens of a JSON object or array; None for any other text, and for one that is too long to lay out."""
    if text.lstrip()[:1] not in _OPENING or len(text) > MAX_JSON_CHARACTERS:
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return [harmless(token) for token in _TOKEN.findall(text)]


def is_laid_out(text: str) -> bool:
    """Whether a text is shown as JSON, and so looked at to its end."""
    return json_tokens(text) is not None


class _Layout:
    """JSON on one line where it fits. Where it does not: one member a line, and so on inside.

    Plain values of an array stand side by side for as long as there is room.
    """

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._ends: dict[int, int] = {}  # where each bracket is closed
        self._starts = [0]  # the column of each token if all stood on one line
        self._flat: set[int] = set()  # arrays without an array or object inside
        opened: list[int] = []
        for index, piece in enumerate(tokens):
            self._starts.append(self._starts[-1] + cells(piece))
            if piece in _OPENING:
                self._flat.difference_update(opened[-1:])
                opened.append(index)
                if piece == "[":
                    self._flat.add(index)
            elif piece in _CLOSING:
                self._ends[opened.pop()] = index

    def lines(self, first: int, width: int) -> Iterator[Line]:
        """The lines: `first` columns for all of it on one, `width` for each when there are several."""
        last = len(self._tokens) - 1
        if self._starts[-1] <= first:
            yield self._run(0, last)
            return
        yield [("", self._tokens[0])]
        yield from self._inside(0, width)

    def _inside(self, start: int, width: int) -> Iterator[Line]:
        """What follows an opened bracket up to the end of everything."""
        opened = [start]
        line: Line = [("", "  ")]
        index = start + 1
        while index < len(self._tokens):
            piece = self._tokens[index]
            end = self._ends.get(index, index)
            if piece in _CLOSING:
                opened.pop()
                yield line
                line = [("", "  " * len(opened)), ("", piece)]
            elif end > index + 1 and self._used(line) + self._length(index, end) > width:
                line.append(("", piece))
                opened.append(index)
                yield line
                line = [("", "  " * len(opened))]
                end = index
            else:
                line += self._run(index, end)
                if piece == ":":
                    line.append(("", " "))
                elif piece == "," and not self._goes_on(opened[-1], index, line, width):
                    yield line
                    line = [("", "  " * len(opened))]
            index = end + 1
        yield line

    def _goes_on(self, container: int, comma: int, line: Line, width: int) -> bool:
        return container in self._flat and self._used(line) + self._length(comma + 1, comma + 1) <= width

    def _run(self, start: int, end: int) -> Line:
        return [(self._style(index), self._tokens[index]) for index in range(start, end + 1)]

    def _length(self, start: int, end: int) -> int:
        """The columns of some tokens, with the comma behind them."""
        comma = self._tokens[end + 1 : end + 2] == [","]
        return self._starts[end + 1] - self._starts[start] + comma

    def _used(self, line: Line) -> int:
        return sum(cells(text) for _, text in line)

    def _style(self, index: int) -> str:
        piece = self._tokens[index]
        if piece.startswith('"'):
            return "key" if self._tokens[index + 1 : index + 2] == [":"] else "string"
        if piece in _LITERALS:
            return "literal"
        return "" if piece in _SYNTAX else "number"


# Bytes


def _binary_lines(data: bytes, width: int, rows: int | None) -> Iterator[Line]:
    kind = sniff(data)
    yield [("", f"binary, {len(data)} byte{'' if len(data) == 1 else 's'}{f', {kind}' if kind else ''}")]
    columns = dump_columns(width)
    shown = data if rows is None else data[: rows * columns]
    for start in range(0, len(shown), columns):
        piece = shown[start : start + columns]
        digits = piece.hex(" ").ljust(3 * columns - 1)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        yield [("dim", f"{start:08x}" if width >= 27 else ""), ("", f"  {digits}  "), ("string", text)]


def dump_columns(width: int) -> int:
    """How many bytes stand in one row of a dump."""
    return next((count for count in (16, 8, 4) if width >= 11 + 4 * count), 2)


def sniff(data: bytes) -> str:
    """What the bytes look like, with their content where it is short; "" for nothing known."""
    named = next((name for magic, name in _MAGIC if data.startswith(magic)), "")
    if named or not data:
        return named
    if data[:1] == b"x" and len(data) > 2 and int.from_bytes(data[:2], "big") % 31 == 0:  # RFC 1950, section 2.2
        return "zlib"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return _sniff_msgpack(data)
    if _sniff_json(text):
        return "JSON"
    return "UTF-8 text" if text.isprintable() else _sniff_msgpack(data)


def _sniff_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return text.lstrip()[:1] in _OPENING


def _sniff_msgpack(data: bytes) -> str:
    """A map or an array that is msgpack from end to end, which its first byte announces."""
    if not (0x80 <= data[0] <= 0x9F or 0xDC <= data[0] <= 0xDF) or len(data) > MAX_JSON_CHARACTERS:
        return ""
    import msgspec  # late: most sessions never need it

    try:
        shown = msgspec.json.encode(msgspec.msgpack.decode(data)).decode()
    except (msgspec.MsgspecError, ValueError, TypeError, NotImplementedError, RecursionError):
        return ""
    return f"msgpack: {harmless(shown)}" if len(shown) <= 200 else "msgpack"
