"""How a difference is shown: short, aligned, and harmless."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.patterns.difference import (
    Difference,
    Inside,
    Span,
    find_span,
    path_words,
    text_span,
    visible,
    width,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def lines_of(actual: str, start: int, end: int) -> list[str]:
    return Difference("", actual, "why", Span(start, end)).got


@pytest.mark.parametrize(
    ("actual", "start", "end", "shown"),
    [
        ("abc", 1, 2, ["abc", " ^ why"]),
        ("abc", 3, 3, ["abc", "   ^ why"]),
        ("", 0, 0, ["", "^ why"]),
        ("日本語", 1, 2, ["日本語", "  ^^ why"]),
        ("e\u0301x", 2, 3, ["e\u0301x", " ^ why"]),
        ("a\tb\nc\x1b", 4, 5, ["a\\tb\\nc\\x1b", "      ^ why"]),
        ("\u200d\u200b", 0, 1, ["\u200d\u200b", "^ why"]),
    ],
)
def test_a_caret_stands_below_what_differs(actual: str, start: int, end: int, shown: list[str]) -> None:
    assert lines_of(actual, start, end) == shown


def test_a_long_message_is_cut_around_the_difference() -> None:
    shown, caret = lines_of("x" * 1000 + "HERE" + "y" * 1000, 1000, 1004)
    assert shown == "..." + "x" * 60 + "HERE" + "y" * 156 + "..."
    assert caret == " " * 63 + "^^^^ why"
    shown, caret = lines_of("HERE" + "y" * 1000, 0, 1004)
    assert (shown, caret) == ("HERE" + "y" * 216 + "...", "^" * 220 + " why")


def test_an_expected_pattern_of_several_lines_is_shown_on_one() -> None:
    assert Difference('{"a":\n  1}', "", "", Span(0, 0)).wanted == '{"a": 1}'


@settings(deadline=None)
@given(JSON, st.data())
def test_every_value_of_a_message_is_found(value: object, data: st.DataObject) -> None:
    indent = data.draw(st.none() | st.just(1))
    text = json.dumps(value, indent=indent)
    path: tuple[str | int, ...] = ()
    here = value
    while isinstance(here, dict | list) and here:
        step = (
            data.draw(st.sampled_from(sorted(here)))
            if isinstance(here, dict)
            else data.draw(st.integers(0, len(here) - 1))
        )
        path, here = (*path, step), here[step]
    span = find_span(text, Inside(path))
    assert json.loads(text[span.start : span.end]) == here
    assert find_span(text, Inside(path, at_end=True)) == Span(span.end - 1, span.end)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert find_span('{"a": 1, "a" : 22 }', Inside(("a",))) == Span(15, 17)


@pytest.mark.parametrize(
    ("expected", "actual", "span"),
    [("abc", "axc", Span(1, 2)), ("abc", "ac", Span(1, 1)), ("ab", "abc", Span(2, 3)), ("aa", "aaa", Span(2, 3))],
)
def test_what_two_texts_share_at_both_ends_is_no_difference(expected: str, actual: str, span: Span) -> None:
    assert text_span(expected, actual) == span


def test_a_path_is_written_as_one_would_write_it() -> None:
    assert path_words(()) == "the message"
    assert path_words(("user", "names", 0, "x")) == "user.names[0].x"
    assert path_words((0,)) == "[0]"


@settings(deadline=None)
@given(st.text())
def test_what_is_visible_moves_no_cursor(text: str) -> None:
    assert width(visible(text)) >= 0
    assert not set(visible(text)) & {"\x1b", "\n", "\r", "\t", "\u202e", "\x9b"}
