"""Comparing a value of a JSON message with its place in a pattern."""

import json
import re
from collections.abc import Callable, Mapping

from lihil_cli.wstest.patterns.captures import Captures, UnlikeError, as_json, is_same
from lihil_cli.wstest.patterns.difference import Inside, Path, cut, path_words
from lihil_cli.wstest.patterns.pattern import compile_regex
from lihil_cli.wstest.patterns.tree import Elements, Hole, Kind, Members, Node, Regex, Scalar, Words

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # RFC 9562, section 4
TIME = (  # RFC 3339, section 5.6, with the zone left out if one likes, as in ISO 8601
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def read_json(text: str) -> object:
    """The JSON value of a message. Raises ValueError: for what RFC 8259 does not allow, such as NaN, as well."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


def _spells(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


_HAS_KIND: Mapping[Kind, Callable[[object], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "uuid": _spells(UUID),
    "time": _spells(TIME),
    "any": lambda value: True,
}


def compare_value(node: Node, value: object, path: Path, names: Captures) -> None:
    """Return if `value`, which stands at `path`, is what `node` expects. Raises UnlikeError, UnknownNameError."""
    match node:
        case Members():
            _compare_members(node, value, path, names)
        case Elements():
            _compare_elements(node, value, path, names)
        case Hole(kind, name):
            if not _HAS_KIND[kind](value):
                raise _unlike(path, value, f"expected <{kind}>")
            names.bind(name, value, path_words(path), Inside(path))
        case Regex():
            _compare_regex(node, value, path, names)
        case Scalar(expected):
            _compare_same(expected, value, path)
        case Words(template):
            _compare_same(names.fill(template), value, path)
        case _:
            _compare_same(names.value_of(node), value, path)


def _compare_members(node: Members, value: object, path: Path, names: Captures) -> None:
    if not isinstance(value, dict):
        raise _unlike(path, value, "expected an object")
    for key, expected in node.entries:
        if key not in value:
            raise UnlikeError(f"{path_words((*path, key))} is missing", Inside(path, at_end=True))
        compare_value(expected, value[key], (*path, key), names)
    if node.is_open:
        return
    known = {key for key, _ in node.entries}
    for key in value:
        if key not in known:
            words = path_words((*path, key))
            raise UnlikeError(f"{words} is not expected; ... allows other keys", Inside((*path, key)))


def _compare_elements(node: Elements, value: object, path: Path, names: Captures) -> None:
    if not isinstance(value, list):
        raise _unlike(path, value, "expected an array")
    for index, expected in enumerate(node.first):
        _need_element(value, index, path)
        compare_value(expected, value[index], (*path, index), names)
    count = len(node.first)
    if node.last is None:
        if len(value) > count:
            words = path_words((*path, count))
            raise UnlikeError(f"{words} is not expected; ... allows other elements", Inside((*path, count)))
        return
    start = max(len(value) - len(node.last), count)
    for index, expected in enumerate(node.last, start):
        _need_element(value, index, path)
        compare_value(expected, value[index], (*path, index), names)


def _need_element(value: list[object], index: int, path: Path) -> None:
    if index >= len(value):
        raise UnlikeError(f"{path_words((*path, index))} is missing", Inside(path, at_end=True))


def _compare_regex(node: Regex, value: object, path: Path, names: Captures) -> None:
    source = names.regex_source(node.template)
    if not isinstance(value, str):
        raise _unlike(path, value, f"expected a string like /{source}/")
    found = compile_regex(source, node.flags).search(value)
    if found is None:
        raise UnlikeError(f"{path_words(path)} does not match /{source}/", Inside(path))
    for name, text in found.groupdict().items():
        if text is not None:
            names.bind(name, text, path_words(path), Inside(path))


def _compare_same(expected: object, value: object, path: Path) -> None:
    if not is_same(expected, value):
        raise _unlike(path, value, f"expected {cut(as_json(expected), 60)}")


def _unlike(path: Path, value: object, wanted: str) -> UnlikeError:
    return UnlikeError(f"{path_words(path)} is {_described(value)}, {wanted}", Inside(path))


def _described(value: object) -> str:
    """A value in few words."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
    return cut(as_json(value), 60)
