"""What a message is compared with at the prompt; the language is that of scripts."""

import re
from collections.abc import Callable

from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.script.match import Difference, Match, Pattern, SourceError, match, parse_pattern


def make_expectation(text: str) -> Callable[[Payload], str]:
    """What is wrong with a message, "" for nothing. Raises ValueError, saying what and where, for no pattern."""
    pattern = _parse(text)

    def check(payload: Payload) -> str:
        outcome = match(pattern, payload)
        return outcome.reason if isinstance(outcome, Difference) else ""

    return check


def make_filter(text: str) -> Callable[[Payload], bool]:
    """Whether a message is one of those that are meant.

    JSON means all messages with these members, a /regex/ what it finds, anything else the messages it occurs in.
    Raises ValueError for a pattern that is none.
    """
    if text.startswith(("{", "[", "hex:", "<")) or re.fullmatch(r"/.*/\w*", text):
        pattern = _parse(_opened(text))
        return lambda payload: isinstance(match(pattern, payload), Match)
    return lambda payload: text in payload if isinstance(payload, str) else text.encode() in payload


def _opened(text: str) -> str:
    """An object that other members are allowed in."""
    if not text.startswith("{") or "..." in text or not text.endswith("}"):
        return text
    inside = text[1:-1].strip()
    return f"{{{inside}, ...}}" if inside else "{...}"


def _parse(text: str) -> Pattern:
    try:
        return parse_pattern(text)
    except SourceError as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None
