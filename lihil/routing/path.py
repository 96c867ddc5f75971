"""Path patterns: parsed, joined, and given back as what they captured.

A pattern is made of segments: plain text, `{name}`, `{name:convertor}`, or both mixed as in `v{major:int}`. Convertors:
str (one segment), int, float, uuid, path (the rest, slashes included). In a segment with several parameters the first
one takes as much as it can: `{stem}.{suffix}` reads `a.tar.gz` as `a.tar` and `gz`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

Captured: TypeAlias = tuple[str, ...]
"""The texts of a path's parameters, in the order of the pattern."""


@dataclass(frozen=True, slots=True)
class Convertor:
    """What a `{name:convertor}` matches and becomes in `path_params`. A lower rank is tried first."""

    pattern: str
    convert: Callable[[str], Any]
    rank: int


CONVERTORS: Mapping[str, Convertor] = {
    "uuid": Convertor(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", UUID, 1),
    "int": Convertor(r"[0-9]{1,1000}", int, 2),  # int() refuses text of more than 4,300 digits
    "float": Convertor(r"[0-9]{1,1000}(?:\.[0-9]{1,1000})?", float, 3),
    "str": Convertor(r"[^/]+", str, 4),
    "path": Convertor(r".*", str, 9),
}

_STR: Final = CONVERTORS["str"]
_ANY_TEXT: Final = "{:str}"
_PATH: Final = CONVERTORS["path"]
PARAMETER: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


class PathError(ValueError):
    """A path pattern that cannot be read; the text says what is wrong and what to write."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a pattern between slashes. `regex` is None for plain text."""

    text: str  # without the parameters' names, so that patterns which differ only in names are one
    regex: re.Pattern[str] | None = None
    rank: int = 0
    is_rest: bool = False

    def match(self, part: str) -> Captured | None:
        """What this segment captures of a path's part, which has no slash in it unless it is the rest; or None."""
        if self.text == _ANY_TEXT:  # the plain `{name}`: no need for an expression
            return (part,) if part else None
        match = self.regex.fullmatch(part) if self.regex is not None else None
        return None if match is None else match.groups()


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A parsed pattern. `path` is its normal form: leading slash, no trailing one, `/` for the root."""

    path: str
    segments: tuple[Segment, ...]
    convertors: Mapping[str, Convertor] = field(default_factory=dict)
    _is_all_text: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        is_all_text = all(convertor.convert is str for convertor in self.convertors.values())
        object.__setattr__(self, "_is_all_text", is_all_text)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.convertors)

    def captured_by_name(self, captured: Captured) -> dict[str, str]:
        """The captured texts under this pattern's own names."""
        return dict(zip(self.convertors, captured, strict=True)) if captured else {}

    @property
    def address(self) -> str:
        """The pattern without convertors: `/users/{id}` for `/users/{id:int}`."""
        return PARAMETER.sub(r"{\1}", self.path)

    def converted(self, captured: dict[str, str]) -> dict[str, Any]:
        """The captured texts as the convertors' types, for `path_params`."""
        if self._is_all_text:
            return captured.copy()
        return {name: self.convertors[name].convert(text) for name, text in captured.items()}


def normal_path(path: str) -> str:
    """A leading slash added; "" and "/" are the root. Raises PathError for a trailing slash."""
    if path in {"", "/"}:
        return "/"
    if path.endswith("/"):
        raise PathError(f"the path {path!r} ends with a slash; write {path.rstrip('/') or '/'!r}")
    return path if path.startswith("/") else f"/{path}"


def join_paths(parent: str, child: str) -> str:
    """The child's path below its parent's, both normal or not."""
    above, below = normal_path(parent), normal_path(child)
    if below == "/":
        return above
    return below if above == "/" else above + below


def parse_path(path: str) -> PathPattern:
    """Read a pattern of decoded text. Raises PathError with what is wrong in it and what to write."""
    path = normal_path(path)
    if "?" in path or "#" in path:
        raise PathError(f"the path {path!r} holds a query; make each of its keys a parameter of the handler")
    convertors: dict[str, Convertor] = {}
    parts = path[1:].split("/") if path != "/" else []
    if "" in parts:
        raise PathError(f"the path {path!r} has two slashes in a row; write {re.sub('/+', '/', path)!r}")
    segments = [_parse_segment(part, path, convertors) for part in parts]
    if any(segment.is_rest for segment in segments[:-1]):
        raise PathError(f"in {path!r} a {{name:path}} takes the rest of the path, so it must come last")
    return PathPattern(path, tuple(segments), convertors)


def _parse_segment(part: str, path: str, convertors: dict[str, Convertor]) -> Segment:
    if "{" not in part and "}" not in part:
        return Segment(part)
    regex, text, rank, position = "", "", 0, 0
    found = list(PARAMETER.finditer(part))
    for match in found:
        convertor = _convertor(match, path, convertors)
        convertors[match[1]] = convertor
        before = part[position : match.start()]
        regex += _plain(before, path)
        regex += f"({convertor.pattern if rank == 0 else _later(convertor, before, path)})"
        text += f"{before}{{:{match[2] or 'str'}}}"
        rank, position = max(rank, convertor.rank), match.end()
    regex += _plain(part[position:], path)
    is_rest = rank == _PATH.rank
    if is_rest and len(found) > 1:
        raise PathError(f"in {path!r} a {{name:path}} shares its part with another parameter; put a slash between them")
    return Segment(text + part[position:], re.compile(regex, re.DOTALL), rank, is_rest)


def _later(convertor: Convertor, before: str, path: str) -> str:
    """What a parameter matches after another one and the text `before` it.

    Text that ends at the next `before` can be found in one way only: what a client sends is matched in linear time.
    """
    if not before:
        raise PathError(f"in {path!r} two parameters touch, so nobody can tell where one ends; put text between them")
    if convertor is _STR:
        return f"(?:(?!{re.escape(before)})[^/])+"
    return convertor.pattern


def _plain(text: str, path: str) -> str:
    if "{" in text or "}" in text:
        raise PathError(f"the braces in {path!r} do not pair; a parameter is written {{name}} or {{name:int}}")
    return re.escape(text)


def _convertor(match: re.Match[str], path: str, convertors: Mapping[str, Convertor]) -> Convertor:
    name, kind = match[1], match[2] or "str"
    if not name.isidentifier():
        raise PathError(f"{name!r} in {path!r} is no name for a parameter; use letters, digits and _")
    if name in convertors:
        raise PathError(f"{{{name}}} stands twice in {path!r}; give each parameter its own name")
    if kind not in CONVERTORS:
        raise PathError(f"{path!r} has no convertor {kind!r}; there are: {', '.join(CONVERTORS)}")
    return CONVERTORS[kind]
