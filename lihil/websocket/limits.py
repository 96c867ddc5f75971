"""What may stand in an answer to a client: close codes, close reasons, header fields."""

import re
from collections.abc import Iterable
from typing import Final

MAX_REASON_BYTES: Final = 123  # a control frame's 125 without the code (RFC 6455, sections 5.5 and 5.5.1)
_BREAKS_HEAD: Final = re.compile(rb"[\r\n\0]")  # RFC 9110, section 5.5


def check_close(code: int, reason: str) -> None:
    """Raises ValueError for a code that must not be sent, and for a reason that is too long."""
    # RFC 6455, section 7.4: 1004, 1005, 1006 and 1015 are never sent, 1000-2999 belong to the RFCs, 3000-4999 are free.
    if not (1000 <= code <= 1014 and code not in {1004, 1005, 1006}) and not 3000 <= code <= 4999:
        raise ValueError(f"{code} is no close code that may be sent; use 1000-1014 (not 1004-1006) or 3000-4999")
    size = len(reason.encode())
    if size > MAX_REASON_BYTES:
        raise ValueError(f"a close reason has at most {MAX_REASON_BYTES} bytes (RFC 6455, section 5.5.1), not {size}")


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
