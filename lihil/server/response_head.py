"""The head of an HTTP response, from what an app says of it (RFC 9112, sections 4 and 5)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

from lihil.asgi import RawHeaders

_NO_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_EMPTY: Final = frozenset({204, 304})  # RFC 9110, sections 15.3.5 and 15.4.5

CHUNKED: Final = -1
"""In place of a length: the body comes in chunks (RFC 9112, section 7.1)."""

_REMEMBERED_FIELDS: Final = 512
_REMEMBERED_BYTES: Final = 128


class ResponseHead(NamedTuple):
    """`data` goes out; `length` is that of the body in bytes, or CHUNKED; `keeps_alive`: another request may come."""

    data: bytes
    length: int
    keeps_alive: bool


class _Field(NamedTuple):
    line: bytes
    special: bytes  # the lower-case name, for the few fields that decide how the message is framed


_SPECIAL: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})


def encode_response_head(
    status: int, defaults: RawHeaders, fields: Iterable[tuple[bytes, bytes]], *, is_head: bool, keeps_alive: bool
) -> ResponseHead:
    """Status line and fields, the server's own first. `is_head`: the request was HEAD, so no body follows.

    A response without a length is chunked. Raises RuntimeError for a field that HTTP cannot carry, ValueError for a
    length that is no number, KeyError for a status outside 100 to 599.
    """
    lines = [STATUS_LINES[status]]
    length: int | None = None
    says_close = False
    for name, value in (*defaults, *fields):
        line, special = _remembered(name, value) if len(value) < _REMEMBERED_BYTES else _field(name, value)
        lines.append(line)
        if not special:
            continue
        if special == b"content-length":
            length = int(value) if length is None else length
        elif special == b"connection":
            says_close = says_close or b"close" in [token.strip() for token in value.lower().split(b",")]
        elif value.lower() == b"chunked":
            length = CHUNKED
    if not (keeps_alive or says_close):
        lines.append(b"connection: close\r\n")
    if length is None and not is_head and status not in _EMPTY:
        length = CHUNKED
        lines.append(b"transfer-encoding: chunked\r\n")
    lines.append(b"\r\n")
    return ResponseHead(b"".join(lines), length or 0, keeps_alive and not says_close)


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


STATUS_LINES: Final = {status: _status_line(status) for status in range(100, 600)}


def _field(name: bytes, value: bytes) -> _Field:
    if not name or _NO_NAME.search(name):
        raise RuntimeError(f"no name of a header field: {name!r}")
    if _NO_VALUE.search(value):
        raise RuntimeError(f"the header field {name!r} has a control character in its value")
    lowered = name.lower()
    return _Field(b"%s: %s\r\n" % (lowered, value), lowered if lowered in _SPECIAL else b"")


# Most fields come again and again, and checking one costs more than all the rest that is done for it. Long ones are
# left out, so the memory is bounded.
_remembered = lru_cache(_REMEMBERED_FIELDS)(_field)
