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
_ADDRESS = re.compile(r"@([\w-]+)\s+")
# A string, whole or just being typed, or what gives JSON its form
_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*(?:"|\\?$)|'(?:[^'\\]|\\.)*(?:'|\\?$)|[{}\[\],:]""")


class Candidate(Record):
    """What may be put in: `text` in place of the last `replaces` characters before the cursor."""

    text: str
    replaces: int
    about: str = ""


class Words(Record):
    """What is known of here and now. `target` is where the current connection goes, `targets` where each of `peers`."""

    schema: Schema = NO_SCHEMA
    peers: tuple[str, ...] = ()
    target: str = ""
    targets: tuple[str, ...] = ()


def complete(before: str, words: Words) -> list[Candidate]:
    """What can follow the text before the cursor, best first; nothing where anything may follow."""
    address = re.match(r"@([\w-]*)$", before)
    if address is not None:
        return _matching(address[1], ((f"{name} ", "") for name in words.peers))
    name, rest = split_address(before)
    if name in words.peers:
        return complete(rest, words.but(target=dict(zip(words.peers, words.targets, strict=True))[name]))
    if before.startswith("/") and not before.startswith("//") and " " not in before:
        return _matching(before[1:], ((f"{usage.name} ", usage.about) for usage in USAGES))
    command = re.match(r"/(\w+) +(.*)", before, re.DOTALL)
    if command is not None:
        found = _arguments(command[1], command[2], words)
        if found is not None:
            return found
    return list(_json(before, words.schema.messages_to(words.target)))


def split_address(before: str) -> tuple[str, str]:
    """The name that a line begins with, "" for none, and what stands behind it."""
    address = _ADDRESS.match(before)
    return ("", before) if address is None else (address[1], before[address.end() :])


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
    spot = _spot(before) if types else None
    if spot is None:
        return
    present, key, typed = spot
    kinds = [kind for kind in types if _is_of(kind, before)] or list(types)
    yield from _dedupe(_keys(kinds, typed, present) if key is None else _values(kinds, key, typed))


def _spot(before: str) -> tuple[set[str], str | None, str] | None:
    """Where one types in a message: the names of the members before, the one whose value it is, and the piece itself.

    None where it is no JSON object, behind its end, and inside of what is inside of it.
    """
    begin = before.find("{")
    if begin < 0:
        return None
    depth, start = 0, begin + 1
    key: str | None = None
    present: set[str] = set()
    for token in _TOKEN.finditer(before, begin):
        piece = token[0]
        depth += (piece in {"{", "["}) - (piece in {"}", "]"})
        if not depth:
            return None
        if depth == 1 and piece in {":", ","}:
            key = before[start : token.start()].strip(" \t\n\"'") if piece == ":" else None
            present |= {key} if key is not None else set()
            start = token.end()
    return (present, key, before[start:].lstrip()) if depth == 1 else None


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
