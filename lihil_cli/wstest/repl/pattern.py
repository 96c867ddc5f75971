"""What a message is compared with at the prompt; the language is that of scripts."""

import re
from collections.abc import Callable

from lihil_cli.wstest.patterns.match import Difference, Match, Pattern, SourceError, match, parse_alone
from lihil_cli.wstest.patterns.tree import ClosePattern
from lihil_cli.wstest.repl.events import Payload


def make_expectation(text: str) -> Callable[[Payload], str]:
    """What is wrong with a message, "" for nothing. Raises ValueError, saying what and where, for no pattern."""
    pattern = _parse(text)
    if isinstance(pattern.body, ClosePattern):
        raise ValueError('a close is no message: --expect takes one, and so do scripts; text: "close" is the text')

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
        pattern = _parse(text, is_subset=True)
        return lambda payload: isinstance(match(pattern, payload), Match)
    return lambda payload: text in payload if isinstance(payload, str) else text.encode() in payload


def _parse(text: str, *, is_subset: bool = False) -> Pattern:
    try:
        return parse_alone(text, is_subset=is_subset)
    except SourceError as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None
