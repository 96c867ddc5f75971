"""What `--until`, `--expect` and steps compare a message with: the pattern language of scripts, as one types it.

An object may have other members than those that are written, and binary that is text is compared as text, too.
"""

import json
from typing import Any

from lihil_cli.record import Record
from lihil_cli.wstest.closing import Closed

# `lihil_cli.wstest.patterns` is loaded where it is needed: that takes a tenth of a whole start, and most conversations
# expect nothing.


class Pattern(Record):
    """One expectation; `shown` is how it was written, `tree` what that means (`wstest.patterns.tree.Pattern`)."""

    shown: str
    tree: Any

    def matches(self, message: str | bytes | Closed) -> bool:
        """Whether a message, or the end of a connection, is as expected."""
        from lihil_cli.wstest.patterns.match import Match, match

        if isinstance(match(self.tree, message), Match):
            return True
        text = _text_of(message) if isinstance(message, bytes) else None
        return text is not None and isinstance(match(self.tree, text), Match)


def parse_pattern(written: str) -> Pattern:
    """A pattern as docs/ws-scripts.md describes it. Raises ValueError that says what is wrong, and where."""
    from lihil_cli.wstest.patterns.match import SourceError, parse_alone

    try:
        return Pattern(written, parse_alone(written, is_subset=True))
    except SourceError as error:
        raise ValueError(f"{written!r} is no pattern: {error}") from None


def value_pattern(value: Any) -> Pattern:
    """The pattern for a JSON value that has been read already; a text is a pattern as it is written."""
    return parse_pattern(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text_of(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
