"""Many patterns, one tree: finds the most specific pattern for a path.

Plain text goes before numbers and uuids, these before str, and path comes last. A dead end is walked back from, so
`/a/{x}/c` is found beside `/a/b/d`. Patterns that differ only in their parameters' names are one.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from lihil.routing.path import PARAMETER, Captured, PathPattern, Segment

E = TypeVar("E")


class PathTree(Generic[E]):
    """Patterns with one entry each; finds the most specific one for a path."""

    def __init__(self) -> None:
        self._root: _Node[E] = _Node()
        self._static: dict[str, E] = {}

    def add(self, pattern: PathPattern, make_entry: Callable[[], E]) -> E:
        """The entry of this pattern, made when it is new."""
        node = self._root
        for segment in pattern.segments:
            node = node.child(segment)
        if node.entry is None:
            node.entry = make_entry()
            if all(segment.regex is None for segment in pattern.segments):
                self._static[pattern.path] = node.entry
        return node.entry

    def find(self, path: str) -> tuple[E, Captured] | None:
        """The entry and the captured texts for a decoded request path, None when nothing matches."""
        entry = self._static.get(path)
        if entry is not None:
            return entry, ()
        if not path.startswith("/"):
            return None
        return self._root.find(path[1:].split("/"), 0)


class _Node(Generic[E]):
    __slots__ = ("dynamic", "entry", "static")

    def __init__(self) -> None:
        self.static: dict[str, _Node[E]] = {}
        self.dynamic: list[tuple[Segment, _Node[E]]] = []
        self.entry: E | None = None

    def child(self, segment: Segment) -> "_Node[E]":
        if segment.regex is None:
            return self.static.setdefault(segment.text, _Node())
        for known, node in self.dynamic:
            if known.text == segment.text:
                return node
        node = _Node[E]()
        self.dynamic.append((segment, node))
        # Mixed segments hold plain text, so among equals the longer text is the more specific one.
        self.dynamic.sort(key=lambda pair: (pair[0].rank, -len(PARAMETER.sub("", pair[0].text))))
        return node

    def find(self, parts: list[str], depth: int) -> tuple[E, Captured] | None:
        if depth == len(parts):
            return None if self.entry is None else (self.entry, ())
        static = self.static.get(parts[depth])
        found = static.find(parts, depth + 1) if static is not None else None
        return found or self._find_dynamic(parts, depth)

    def _find_dynamic(self, parts: list[str], depth: int) -> tuple[E, Captured] | None:
        for segment, node in self.dynamic:
            text = "/".join(parts[depth:]) if segment.is_rest else parts[depth]
            captured = segment.match(text)
            if captured is None:
                continue
            found = node.find(parts, len(parts) if segment.is_rest else depth + 1)
            if found is not None:
                return found[0], captured + found[1]
        return None
