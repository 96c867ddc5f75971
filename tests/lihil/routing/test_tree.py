"""The tree of patterns: which one is found when several match."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.routing.path import parse_path
from lihil.routing.tree import PathTree

UID = "12345678-1234-5678-1234-567812345678"


def tree_of(*patterns: str) -> PathTree[list[str]]:
    tree: PathTree[list[str]] = PathTree()
    for pattern in patterns:
        tree.add(parse_path(pattern), list).append(pattern)
    return tree


def found_in(tree: PathTree[list[str]], path: str) -> str | None:
    found = tree.find(path)
    return None if found is None else found[0][0]


CASES = [
    (["u/{id}", "u/me"], "/u/me", "u/me"),
    (["u/{id}", "u/me"], "/u/you", "u/{id}"),
    (["{x}", "{n:int}"], "/7", "{n:int}"),
    (["{x}", "{n:float}", "{n:int}"], "/7.5", "{n:float}"),
    (["{n:float}", "{n:int}"], "/7", "{n:int}"),
    (["{n:int}", "{u:uuid}"], "/" + "1" * 32, "{u:uuid}"),
    (["{x}", "{u:uuid}"], f"/{UID}", "{u:uuid}"),
    (["{p:path}", "{x}"], "/a", "{x}"),
    (["{p:path}", "{x}"], "/a/b", "{p:path}"),
    (["{p:path}", "a/{x}"], "/a/b", "a/{x}"),
    (["{x}", "v{x}"], "/v1", "v{x}"),
    (["v{x}", "v1{x}"], "/v12", "v1{x}"),
    (["a/b/d", "a/{x}/c"], "/a/b/c", "a/{x}/c"),
    (["a/b/c/x", "a/b/{y}/z", "a/{x}/c/w", "{p:path}"], "/a/b/c/w", "a/{x}/c/w"),
    (["a/b/c/x", "a/b/{y}/z", "a/{x}/c/w", "{p:path}"], "/a/b/c/q", "{p:path}"),
    (["{n:int}/a", "{x}/b"], "/1/b", "{x}/b"),
    (["a"], "/", None),
    (["/"], "/", "/"),
    (["/"], "/a", None),
    (["a/b"], "/a", None),
    (["a"], "/a/b", None),
    (["a"], "*", None),
    (["a"], "", None),
]


@pytest.mark.parametrize(("patterns", "path", "expected"), CASES)
def test_the_most_specific_pattern_is_found_in_whatever_order_they_came(
    patterns: list[str], path: str, expected: str | None
) -> None:
    assert found_in(tree_of(*patterns), path) == expected
    assert found_in(tree_of(*reversed(patterns)), path) == expected


def test_patterns_that_differ_in_names_only_are_one() -> None:
    tree = tree_of("u/{id}/x", "u/{name:str}/x")
    assert tree.find("/u/7/x") == (["u/{id}/x", "u/{name:str}/x"], ("7",))


def test_captured_texts_come_in_the_order_of_the_pattern() -> None:
    found = tree_of("{a}/b/{c}-{d}/{p:path}").find("/1/b/2-3/4/5")
    assert found is not None
    assert found[1] == ("1", "2", "3", "4/5")


# Agreement with a search by brute force: every pattern as a regular expression, the most specific match wins.
NAIVE = {
    "a": ("a", (0, 0)),
    "b": ("b", (0, 0)),
    "7": ("7", (0, 0)),
    "{N:uuid}": (r"[0-9a-f]{8}-[0-9a-f-]{18}-?[0-9a-f]{9}", (1, 0)),
    "{N:int}": (r"[0-9]+", (2, 0)),
    "a{N:int}": (r"a[0-9]+", (2, -1)),
    "{N:float}": (r"[0-9]+(?:\.[0-9]+)?", (3, 0)),
    "{N}": (r"[^/]+", (4, 0)),
    "a{N}": (r"a[^/]+", (4, -1)),
    "ab{N}": (r"ab[^/]+", (4, -2)),
    "{N:path}": (r"(?s:.*)", (9, 0)),
}
INNER = [part for part in NAIVE if "path" not in part and "uuid" not in part]
PATTERNS = st.builds(
    lambda parts, last: [*parts, *last],
    st.lists(st.sampled_from(INNER), max_size=3),
    st.sampled_from([[], ["{N:path}"]]),
)
PATHS = st.lists(st.sampled_from(["a", "b", "7", "71", "7.1", "a7", "ab", "abc", "", "é"]), max_size=4)


def numbered(parts: list[str]) -> str:
    return "/" + "/".join(part.replace("N", f"n{index}") for index, part in enumerate(parts))


def brute_force(patterns: list[list[str]], path: str) -> str | None:
    matching = [
        parts for parts in patterns if re.fullmatch("/" + "/".join(NAIVE[part][0] for part in parts), path) is not None
    ]
    best = min(matching, key=lambda parts: [NAIVE[part][1] for part in parts], default=None)
    return None if best is None else numbered(best)


@given(st.lists(PATTERNS, min_size=1, max_size=8, unique_by=tuple), PATHS)
def test_the_tree_finds_what_a_search_by_brute_force_finds(patterns: list[list[str]], parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    assert found_in(tree_of(*map(numbered, patterns)), path) == brute_force(patterns, path)
