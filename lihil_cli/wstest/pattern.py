"""What a message is expected to be: a text, a regular expression, or a part of a JSON value."""

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pattern:
    """One expectation. Of `regex`, `value` and `text` the first that is set counts; `shown` is how it was written."""

    shown: str
    regex: re.Pattern[str] | None = None
    has_value: bool = False
    value: Any = None

    def matches(self, payload: str | bytes) -> bool:
        """Whether a message is as expected; a binary one is read as the text it may be, else as hexadecimal digits."""
        text = payload if isinstance(payload, str) else _text_of(payload)
        if self.regex is not None:
            return self.regex.search(text) is not None
        if text == self.shown:
            return True
        if not self.has_value:
            return False
        try:
            return is_within(self.value, json.loads(text))
        except (ValueError, RecursionError):
            return False


def parse_pattern(written: str) -> Pattern:
    """`/regex/`, a JSON value of which the message may have more, or the text itself. Raises ValueError for a regex."""
    if len(written) > 1 and written.startswith("/") and written.endswith("/"):
        try:
            return Pattern(written, regex=re.compile(written[1:-1], re.DOTALL))
        except re.error as error:
            raise ValueError(f"{written} is no regular expression: {error}") from None
    try:
        return Pattern(written, has_value=True, value=json.loads(written))
    except ValueError:
        return Pattern(written)


def value_pattern(value: Any) -> Pattern:
    """The pattern for a JSON value that has been read already; a text is a pattern as it is written."""
    if isinstance(value, str):
        return parse_pattern(value)
    return Pattern(json.dumps(value, ensure_ascii=False), has_value=True, value=value)


def is_within(part: Any, whole: Any) -> bool:
    """Whether JSON value `part` is in `whole`: an object may have more keys there, everything else is equal.

    True is not 1, and 1 is 1.0.
    """
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and is_within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(is_within, part, whole))
    return isinstance(part, bool) is isinstance(whole, bool) and part == whole


def _text_of(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload.hex()
