"""Path patterns: how they are written, what they match, and what is refused."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.routing.path import CONVERTORS, PathError, join_paths, normal_path, parse_path
from lihil.routing.tree import PathTree

UID = "123e4567-e89b-12d3-a456-426614174000"


def captured(pattern: str, path: str) -> dict[str, object] | None:
    tree: PathTree[list[str]] = PathTree()
    parsed = parse_path(pattern)
    tree.add(parsed, list)
    found = tree.find(path)
    return None if found is None else parsed.converted(parsed.captured_by_name(found[1]))


@pytest.mark.parametrize(
    ("written", "normal"), [("", "/"), ("/", "/"), ("a", "/a"), ("/a", "/a"), ("a/b", "/a/b"), ("{x}", "/{x}")]
)
def test_the_leading_slash_may_be_left_out(written: str, normal: str) -> None:
    assert normal_path(written) == normal
    assert parse_path(written).path == normal


@pytest.mark.parametrize(
    ("parent", "child", "whole"),
    [("", "", "/"), ("/", "a", "/a"), ("a", "", "/a"), ("a", "/", "/a"), ("a", "b", "/a/b"), ("/a", "/b", "/a/b")],
)
def test_a_child_path_stands_below_its_parent(parent: str, child: str, whole: str) -> None:
    assert join_paths(parent, child) == whole


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a/", r"'a/' ends with a slash; write 'a'"),
        ("//", r"ends with a slash; write '/'"),
        ("a//b", r"two slashes in a row; write '/a/b'"),
        ("//a", r"two slashes in a row; write '/a'"),
        ("a?x={y}", "holds a query; make each of its keys a parameter of the handler"),
        ("a#x", "holds a query"),
        ("{a", r"braces in '/\{a' do not pair"),
        ("a}", "do not pair"),
        ("{a}{", "do not pair"),
        ("{{a}}", "do not pair"),
        ("{}", "'' in .* is no name"),
        ("{1a}", "'1a' in .* is no name"),
        ("{a-b}", "'a-b' in .* is no name"),
        ("{a b:int}", "is no name"),
        ("{a}/{a}", r"\{a\} stands twice"),
        ("{a}-{a}", r"\{a\} stands twice"),
        ("{a:number}", "no convertor 'number'; there are: .*int.*str.*path"),
        ("{a:int:int}", "no convertor 'int:int'"),
        ("{p:path}/x", "must come last"),
        ("{a}-{p:path}", "shares its part with another parameter"),
        ("{p:path}-{a}", "shares its part with another parameter"),
        ("{a}{b}", "two parameters touch"),
        ("{a:int}{b}", "two parameters touch"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_the_way_out(pattern: str, words: str) -> None:
    with pytest.raises(PathError, match=words):
        parse_path(pattern)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/", "/", {}),
        ("a/b", "/a/b", {}),
        ("a/b", "/a/c", None),
        ("a", "/a/", None),
        ("a", "/A", None),
        ("a", "a", None),
        ("a.b", "/axb", None),
        ("café", "/café", {}),
        ("{x}", "/a", {"x": "a"}),
        ("{x}", "/", None),
        ("{x}", "/a/b", None),
        ("{x}", "/a b\n", {"x": "a b\n"}),
        ("{x}", "/\x00\U0001f600", {"x": "\x00\U0001f600"}),
        ("{x:str}", "/a", {"x": "a"}),
        ("{n:int}", "/007", {"n": 7}),
        ("{n:int}", "/-1", None),
        ("{n:int}", "/1.5", None),
        ("{n:int}", "/٣", None),
        ("{n:int}", "/1\n", None),
        ("{n:int}", "/" + "9" * 1000, {"n": int("9" * 1000)}),
        ("{n:int}", "/" + "9" * 1001, None),
        ("{n:float}", "/1.5", {"n": 1.5}),
        ("{n:float}", "/2", {"n": 2.0}),
        ("{n:float}", "/1e5", None),
        ("{n:float}", "/.5", None),
        ("{u:uuid}", f"/{UID}", {"u": UUID(UID)}),
        ("{u:uuid}", f"/{UID.upper().replace('-', '')}", {"u": UUID(UID)}),
        ("{u:uuid}", f"/{UID}0", None),
        ("{p:path}", "/", {"p": ""}),
        ("f/{p:path}", "/f/a/b", {"p": "a/b"}),
        ("f/{p:path}", "/f/", {"p": ""}),
        ("f/{p:path}", "/f", None),
        ("f/{p:path}.txt", "/f/a/b.txt", {"p": "a/b"}),
        ("f(x{p:path}", "/f(xa/b", {"p": "a/b"}),
        ("v{major:int}", "/v2", {"major": 2}),
        ("v{major:int}", "/v", None),
        ("v{major:int}.{minor:int}", "/v2.10", {"major": 2, "minor": 10}),
        ("{stem}.{suffix}", "/a.tar.gz", {"stem": "a.tar", "suffix": "gz"}),
        ("{a}--{b}.json", "/x-y--z.json", {"a": "x-y", "b": "z"}),
        ("{a}-{n:int}", "/a-b-3", {"a": "a-b", "n": 3}),
        ("{a}-{b}", "/-", None),
        ("@{user}", "/@me", {"user": "me"}),
        ("{x}/settings", "/me/settings", {"x": "me"}),
    ],
)
def test_a_pattern_matches_and_converts(pattern: str, path: str, expected: dict[str, object] | None) -> None:
    assert captured(pattern, path) == expected


def test_the_address_leaves_the_convertors_out() -> None:
    assert parse_path("users/{id:int}/v{n}.{m:float}").address == "/users/{id}/v{n}.{m}"
    assert parse_path("users/{id:int}/{x}").names == {"id", "x"}


@pytest.mark.parametrize("pattern", ["{a}-{b}.json", "{a}-{b}-{c}.json", "{a:float}-{b:float}x", "{a}--{b}-{c}x"])
@pytest.mark.parametrize("text", ["-", "x-", "1.1-", "--x", "1"])
def test_a_long_path_is_matched_in_linear_time(pattern: str, text: str) -> None:
    """With backtracking over every separator this would not end."""
    assert captured(pattern, "/" + text * (65_536 // len(text))) is None


@given(st.text(max_size=30), st.sampled_from(sorted(CONVERTORS)))
def test_no_path_makes_a_convertor_raise(text: str, kind: str) -> None:
    values = captured(f"a{{x:{kind}}}", f"/a{text}")
    assert values is None or set(values) == {"x"}


@given(st.text(alphabet="ab{}:/int?-", max_size=15))
def test_a_pattern_is_read_or_refused_and_never_breaks(pattern: str) -> None:
    try:
        parsed = parse_path(pattern)
    except PathError:
        return
    assert parse_path(parsed.path) == parsed
