"""What `--until`, `--expect` and steps compare a message with: the pattern language of scripts, as one types it.

An object may have other members than those that are written, and binary that is text is compared as text, too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Message = str | bytes


@dataclass(frozen=True, slots=True)
class Pattern:
    """One expectation; `shown` is how it was written, `is_like` compares it with a message."""

    shown: str
    is_like: Callable[[Message], bool]

    def matches(self, payload: Message) -> bool:
        """Whether a message is as expected."""
        if self.is_like(payload):
            return True
        text = _text_of(payload) if isinstance(payload, bytes) else None
        return text is not None and self.is_like(text)


def parse_pattern(written: str) -> Pattern:
    """A pattern as docs/ws-scripts.md describes it. Raises ValueError that says what is wrong, and where."""
    # Here, because it takes a tenth of the whole start, and most conversations expect nothing.
    from lihil_cli.wstest.patterns.match import Match, SourceError, match
    from lihil_cli.wstest.patterns.match import parse_pattern as parse_tree

    try:
        tree = parse_tree(written, is_subset=True)
    except SourceError as error:
        raise ValueError(f"{written!r} is no pattern: {error}") from None
    return Pattern(written, lambda message: isinstance(match(tree, message), Match))


def value_pattern(value: Any) -> Pattern:
    """The pattern for a JSON value that has been read already; a text is a pattern as it is written."""
    return parse_pattern(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text_of(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None
