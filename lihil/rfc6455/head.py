"""The head of an HTTP/1.1 message, as far as an opening handshake needs it (RFC 9112, sections 2 to 5)."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_HEAD_BYTES: Final = 65_536
"""What nginx, Apache and Node allow is 8 to 32 KiB; cookies and tokens fit here with room to spare."""
MAX_FIELDS: Final = 256

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")
# White space around the value is cut off afterwards: matched here, a line of it would take cubic time to refuse.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")


class HeadError(ValueError):
    """Bytes that are no head, or a larger one than is taken."""


class Head(NamedTuple):
    """Start line and fields; names in lower case, fields in their order. `minor` is HTTP/1's minor version."""

    fields: tuple[tuple[bytes, bytes], ...]
    minor: int
    method: bytes = b""
    target: bytes = b""
    status: int = 0
    phrase: bytes = b""

    def all(self, name: bytes) -> list[str]:
        """The values of every field of that name, as Latin-1 text."""
        return [value.decode("latin-1") for field, value in self.fields if field == name]

    def tokens(self, name: bytes) -> list[str]:
        """The members of a list-valued field (RFC 9110, section 5.6.1), empty ones left out."""
        return tokens_of(self.all(name))


def tokens_of(values: Iterable[str]) -> list[str]:
    """The members of a list-valued field from its lines, empty ones left out."""
    return [token for value in values for part in value.split(",") if (token := part.strip(" \t"))]


def find_head(buffer: bytes) -> int:
    """Where the head ends, its empty line included; 0 while it is not complete. Raises HeadError when too large."""
    end = buffer.find(b"\r\n\r\n")
    size = end + 4 if end >= 0 else len(buffer)
    if size > MAX_HEAD_BYTES:
        raise HeadError(f"a head of more than {MAX_HEAD_BYTES} bytes")
    return end + 4 if end >= 0 else 0


def parse_request(head: bytes) -> Head:
    """A request's head. Raises HeadError."""
    line, fields = _split(head)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise HeadError(f"no request line: {line[:80]!r}")
    return Head(fields, int(match[3]), method=match[1], target=match[2])


def parse_response(head: bytes) -> Head:
    """A response's head. Raises HeadError."""
    line, fields = _split(head)
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise HeadError(f"no status line: {line[:80]!r}")
    return Head(fields, int(match[1]), status=int(match[2]), phrase=match[3] or b"")


def _split(head: bytes) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
    line, *rest = head[:-4].split(b"\r\n")
    if len(rest) > MAX_FIELDS:
        raise HeadError(f"more than {MAX_FIELDS} fields")
    return line, tuple(_field(text) for text in rest)


def _field(text: bytes) -> tuple[bytes, bytes]:
    match = _FIELD.fullmatch(text)
    if match is None:  # also a folded line (section 5.2), a bare CR, a NUL
        raise HeadError(f"no header field: {text[:80]!r}")
    return match[1].lower(), match[2].strip(b"\t ")
