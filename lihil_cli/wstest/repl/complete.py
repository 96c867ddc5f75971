"""What Tab offers: commands, connections, routes, close codes, and the messages of the route with their members."""

import json
import re
from collections.abc import Iterable, Iterator

from lihil_cli.record import Record
from lihil_cli.wstest.closing import meaning_of
from lihil_cli.wstest.place.message_types import MessageType
from lihil_cli.wstest.place.schema import NO_SCHEMA, Schema
from lihil_cli.wstest.repl.commands import USAGES

_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 4000)
_CHOICES = {
    "only": ("in", "out", "all"),
    "frames": ("on", "off"),
    "keys": ("emacs", "vi"),
    "filter": ("off",),
}
_KEY = re.compile(r'[{,]\s*("(?:[^"\\]|\\.)*)?$')
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:\s*("?[^",{}\[\]]*)$')
_MEMBERS = re.compile(r'"((?:[^"\\]|\\.)*)"\s*:')


class Candidate(Record):
    """What may be put in: `text` in place of the last `replaces` characters before the cursor."""

    text: str
    replaces: int
    about: str = ""


class Words(Record):
    """What is known of here and now."""

    schema: Schema = NO_SCHEMA
    peers: tuple[str, ...] = ()
    target: str = ""


def complete(before: str, words: Words) -> list[Candidate]:
    """What can follow the text before the cursor, best first; nothing where anything may follow."""
    address = re.match(r"@(\w*)$", before)
    if address is not None:
        return _matching(address[1], ((f"{name} ", "") for name in words.peers))
    if before.startswith("/") and not before.startswith("//") and " " not in before:
        return _matching(before[1:], ((f"{usage.name} ", usage.about) for usage in USAGES))
    command = re.match(r"/(\w+) +(.*)", before, re.DOTALL)
    if command is not None:
        found = _arguments(command[1], command[2], words)
        if found is not None:
            return found
    return list(_json(before, words.schema.messages_to(words.target)))


def _matching(typed: str, known: Iterable[tuple[str, str]]) -> list[Candidate]:
    return [Candidate(text, len(typed), about) for text, about in known if text.startswith(typed)]


def _arguments(name: str, typed: str, words: Words) -> list[Candidate] | None:
    """What a command takes; None where that is a message."""
    if name in _CHOICES:
        return _matching(typed, ((choice, "") for choice in _CHOICES[name]))
    match name:
        case "help":
            return _matching(typed, ((usage.name, usage.about) for usage in USAGES))
        case "use":
            return _matching(typed, ((peer, "") for peer in words.peers))
        case "close":
            return _matching(typed, ((str(code), meaning_of(code)) for code in _CODES))
        case "connect":
            return _routes(typed, words)
        case "open":
            _, space, target = typed.partition(" ")
            return _routes(target, words) if space else []
        case "new":
            types = words.schema.messages_to(words.target)
            return _matching(typed, ((kind.tag or kind.name, kind.words) for kind in types))
    return None


def _routes(typed: str, words: Words) -> list[Candidate]:
    return _matching(typed, ((route.path, route.summary or route.usage) for route in words.schema.websockets))


# Inside a message


def _json(before: str, types: tuple[MessageType, ...]) -> Iterator[Candidate]:
    """The members of a JSON object that is being typed, and the values of those that have a few only."""
    if "{" not in before or not types:
        return
    kinds = [kind for kind in types if _is_of(kind, before)] or list(types)
    key = _KEY.search(before)
    value = _VALUE.search(before)
    if key is not None:
        typed = key[1] or ""
        present = set(_MEMBERS.findall(before))
        yield from _dedupe(_keys(kinds, typed, present))
    elif value is not None:
        yield from _dedupe(_values(kinds, value[1], value[2]))


def _is_of(kind: MessageType, text: str) -> bool:
    if not kind.tag_field:
        return True
    tag = rf"{re.escape(json.dumps(kind.tag_field))}\s*:\s*{re.escape(json.dumps(kind.tag))}"
    return re.search(tag, text) is not None


def _keys(kinds: list[MessageType], typed: str, present: set[str]) -> Iterator[Candidate]:
    for kind in kinds:
        tag = [(kind.tag_field, "the type of the message")] if kind.tag_field else []
        for name, about in [*tag, *((member.name, member.type) for member in kind.fields)]:
            text = f"{json.dumps(name)}:"
            if name not in present and text.startswith(typed):
                yield Candidate(text, len(typed), about)


def _values(kinds: list[MessageType], key: str, typed: str) -> Iterator[Candidate]:
    for kind in kinds:
        options = [(json.dumps(kind.tag), kind.words)] if key == kind.tag_field else []
        options += [(choice, "") for member in kind.fields if member.name == key for choice in member.choices]
        yield from _matching(typed, options)


def _dedupe(candidates: Iterator[Candidate]) -> Iterator[Candidate]:
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.text not in seen:
            seen.add(candidate.text)
            yield candidate
