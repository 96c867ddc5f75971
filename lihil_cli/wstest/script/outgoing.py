"""What a script sends: from text to a message with variables, and from that to the message."""

import json
import re
from collections.abc import Iterator, Mapping

from lihil_cli.wstest.closing import NORMAL, may_be_sent
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.patterns.match import message_text
from lihil_cli.wstest.patterns.pattern import scan_bytes, scan_exact_json, scan_string
from lihil_cli.wstest.patterns.source import Cursor, SourceError
from lihil_cli.wstest.patterns.template import Template, Variable, fill, look_up, quote, split_template, value_text
from lihil_cli.wstest.script.steps import Outgoing, Quoted, SendBytes, SendClose, SendText

MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of which are the close code."""

_CLOSE = re.compile(r'close(?=[ \t]*$|[ \t]+[0-9"#])')
_CODE = re.compile(r"[0-9]{1,9}")
_IN_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|\$\{[A-Za-z_][A-Za-z0-9_]*\}')


def scan_outgoing(cursor: Cursor, text_end: int) -> Outgoing:
    """Read what is sent; plain text reaches up to the offset `text_end`, without spaces at its end.

    What begins like JSON has to be JSON, so that a slip is found here and not by the server. Raises SourceError.
    """
    start = cursor.at
    if cursor.peek("{") or cursor.peek("["):
        scan_exact_json(cursor)
        return SendText(tuple(_json_pieces(cursor.text[start : cursor.at], start)), is_json=True)
    if cursor.take("hex:"):
        return SendBytes(scan_bytes(cursor, text_end))
    if cursor.take("text:"):
        cursor.skip_space()
        return SendText(_scan_text(cursor))
    if cursor.take_match(_CLOSE, text_end) is not None:
        return _scan_close(cursor)
    text = cursor.text[start:text_end].rstrip()
    cursor.at = start + len(text)
    return SendText(split_template(text, start))


def outgoing_of(message: Message) -> str:
    """How a script sends this message: as it stands where that means itself, else `text:`, `hex:`, `close`."""
    if isinstance(message, str):
        return message if _is_plain(message) else f"text: {quote(message)}"
    if isinstance(message, bytes):
        return message_text(message)
    return message_text(message) if may_be_sent(message.code) else "close"


def _is_plain(text: str) -> bool:
    """Whether `text`, written as it is, is sent as it is, and can be seen."""
    if not text or not text.isprintable():
        return False
    cursor = Cursor(text)
    try:
        outgoing = scan_outgoing(cursor, len(text))
    except SourceError:
        return False
    return cursor.is_at_end and isinstance(outgoing, SendText) and "".join(map(str, outgoing.pieces)) == text


def fill_text(message: SendText, values: Mapping[str, object]) -> str:
    """The text that goes out. Raises UnknownNameError."""
    return "".join(_fill_piece(piece, values, is_json=message.is_json) for piece in message.pieces)


def _fill_piece(piece: str | Variable | Quoted, values: Mapping[str, object], *, is_json: bool) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Quoted):
        return fill((piece.variable,), values, lambda text: json.dumps(text, ensure_ascii=False)[1:-1])
    value = look_up(piece, values)
    return json.dumps(value, ensure_ascii=False) if is_json else value_text(value)


def _json_pieces(text: str, at: int) -> Iterator[str | Variable | Quoted]:
    """The JSON as it was written, cut at its variables."""
    done = 0
    for found in _IN_JSON.finditer(text):
        yield text[done : found.start()]
        done = found.end()
        is_string = found.group().startswith('"')
        for piece in split_template(found.group(), at + found.start()):
            yield Quoted(piece) if is_string and isinstance(piece, Variable) else piece
    yield text[done:]


def _scan_text(cursor: Cursor) -> Template:
    """A JSON string that can go out: as UTF-8, which has no place for half of a pair of escapes."""
    at = cursor.at
    template = scan_string(cursor)
    if any(
        isinstance(piece, str) and any("\ud800" <= character <= "\udfff" for character in piece) for piece in template
    ):
        raise cursor.error("half of a character cannot be sent", at=at, expected="both halves, as in \\ud83d\\ude00")
    return template


def _scan_close(cursor: Cursor) -> SendClose:
    cursor.skip_space()
    at = cursor.at
    number = cursor.take_match(_CODE)
    code = NORMAL if number is None else int(number.group())
    if not may_be_sent(code):
        raise cursor.error(
            f"the close code {code} cannot be sent", at=at, expected="1000 to 1003, 1007 to 1014, 3000 to 4999"
        )
    cursor.skip_space()
    if not cursor.peek('"'):
        return SendClose(code, "")
    at = cursor.at
    template = _scan_text(cursor)
    if any(isinstance(piece, Variable) for piece in template):
        raise cursor.error("a variable cannot stand in the reason of a close that is sent", at=at)
    reason = fill(template, {})
    if len(reason.encode()) > MAX_REASON_BYTES:
        raise cursor.error(f"this reason is longer than {MAX_REASON_BYTES} bytes", at=at)
    return SendClose(code, reason)
