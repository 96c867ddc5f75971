"""What may stand in an answer to a client: close codes, close reasons, header fields."""

import re
from collections.abc import Iterable
from typing import Final

from lihil.rfc6455.close import MAX_REASON_BYTES, check_close

__all__ = ["MAX_REASON_BYTES", "check_close", "checked_headers", "fitting_reason"]

_BREAKS_HEAD: Final = re.compile(rb"[\r\n\0]")  # RFC 9110, section 5.5


def fitting_reason(text: str) -> str:
    """As much of a text as a close frame has room for."""
    return text.encode(errors="replace")[:MAX_REASON_BYTES].decode(errors="ignore")


def checked_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Header fields that end no line early: a value made from a client's text could add fields of its own.

    Raises TypeError for what is no pair of bytes, ValueError for a line break or NUL.
    """
    fields = list(headers)
    for name, value in fields:
        if not (isinstance(name, bytes) and isinstance(value, bytes)):
            raise TypeError(f"a header is a pair of bytes, not ({name!r}, {value!r})")
        if _BREAKS_HEAD.search(name) or _BREAKS_HEAD.search(value):
            raise ValueError(f"the header {name!r} holds a line break or a NUL: {value!r}")
    return fields
