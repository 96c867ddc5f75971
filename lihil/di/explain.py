"""Drawings of dependency paths, for errors."""

from collections.abc import Callable, Sequence
from typing import Any

from lihil.di.node import name_of, place_of


def draw_path(path: Sequence[Callable[..., Any]], parameter: str, words: str) -> str:
    """From the handler down to the parameter that nothing provides, a line each, with file and line."""
    lines = [_line(depth, function) for depth, function in enumerate(path)]
    lines.append(f"{_indent(len(path))}{parameter}: {words}   <- nothing provides this")
    return "\n".join(lines)


def draw_cycle(circle: Sequence[Callable[..., Any]]) -> str:
    """The factories of a cycle, first and last the same."""
    lines = [_line(depth, function) for depth, function in enumerate(circle)]
    return "\n".join(lines) + "   <- again"


def _line(depth: int, function: Callable[..., Any]) -> str:
    file, line = place_of(function)
    place = f"   ({file}:{line})" if file else ""
    return f"{_indent(depth)}{name_of(function)}{place}"


def _indent(depth: int) -> str:
    return "    " if depth == 0 else "    " + "   " * (depth - 1) + "└─ "
