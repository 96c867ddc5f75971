"""What a pattern may look like, and where one that cannot be read goes wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.patterns.pattern import MAX_DEPTH, parse_pattern
from lihil_cli.wstest.patterns.source import SourceError


def mistake_in(text: str) -> tuple[int, str]:
    with pytest.raises(SourceError) as caught:
        parse_pattern(text)
    return caught.value.at, caught.value.message


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ('{"a": 1', 7, "the text ends before the closing }"),
        ('{"a": [1', 8, "the text ends before the closing ]"),
        ('{"a" 1}', 5, "this key has no value"),
        ("{a: 1}", 1, "this is no key"),
        ('{"${a}": 1}', 1, "a variable cannot stand in a key"),
        ('{"a": 1, "a": 2}', 9, 'the key "a" stands here twice'),
        ('{"a": 1, }', 9, "a comma before }"),
        ('{"a": 1 "b": 2}', 8, "elements are separated by commas"),
        ('{..., "a": 1}', 4, "nothing can follow ... in an object"),
        ("[1 2]", 3, "elements are separated by commas"),
        ("[..., 1, ...]", 12, "... can stand in an array once"),
        ("[01]", 1, "this is no value"),
        ("[1.]", 1, "this is no value"),
        ("[nul]", 1, "this is no value"),
        ("[NaN]", 1, "this is no value"),
        (f"[{'1' * 5000}]", 1, "this number is too long"),
        ("[<in>]", 1, "there is no matcher <in>"),
        ("[<zzz>]", 1, "there is no matcher <zzz>"),
        ("[<1>]", 1, "this is no matcher"),
        ("[${1}]", 1, "this variable has no name"),
        ('["${1}"]', 4, "this variable has no end"),
        ('["a]', 1, "this string has no end on its line, or holds a bad escape"),
        ('["\\x"]', 1, "this string has no end on its line, or holds a bad escape"),
        ('["\\u12"]', 1, "this string holds a bad escape"),
        ("[" * (MAX_DEPTH + 2), MAX_DEPTH + 1, f"this is nested deeper than {MAX_DEPTH} levels"),
        ("{} x", 3, "the pattern has ended before this"),
        ("/a", 0, "this regex has no end on its line"),
        ("/a/q", 3, "a regex has no flag 'q'"),
        ("/(/", 0, "this regex is wrong: missing ), unterminated subpattern at position 0"),
        ("/a{99999999999}/", 0, "this regex is wrong: the repetition number is too large"),
        ("hex: 0", 5, "these are no whole bytes"),
        ("hex: 00 x", 8, "these are no bytes"),
        ("close 999", 6, "999 is no close code"),
        ("close 5000", 6, "5000 is no close code"),
        ('close 1000 "', 11, "this string has no end on its line, or holds a bad escape"),
        ("hi ${", 5, "this variable has no end"),
        ("text: hi", 6, "this string has no end on its line, or holds a bad escape"),
    ],
)
def test_a_mistake_has_its_place(text: str, at: int, message: str) -> None:
    found_at, found = mistake_in(text)
    assert (found_at, found[: len(message)]) == (at, message)


@pytest.mark.parametrize(
    ("text", "captures", "uses"),
    [
        ("<int:a> ${b} <any>", {"a"}, {"b"}),
        ('{"x": [<str:a>, "${b}", ${c}], "y": /(?P<d>.)${e}/}', {"a", "d"}, {"b", "c", "e"}),
        ('close 1000 "${b}"', set(), {"b"}),
        ("close /(?P<a>.)/", {"a"}, set()),
        ('text: "${b}"', set(), {"b"}),
        ("<any:all>", {"all"}, set()),
    ],
)
def test_a_pattern_knows_its_names(text: str, captures: set[str], uses: set[str]) -> None:
    pattern = parse_pattern(text)
    assert (set(pattern.captures), set(pattern.uses)) == (captures, uses)


def test_a_regex_that_will_mean_something_else_one_day_is_no_mistake() -> None:
    assert parse_pattern("/[[a]/").source == "/[[a]/"


@settings(deadline=None)
@given(st.text() | st.text(alphabet='{}[]",:<>/$.0int ab\\'))
def test_reading_raises_nothing_but_its_own_error(text: str) -> None:
    mistake: SourceError | None = None
    try:
        parse_pattern(text)
    except SourceError as error:
        mistake = error
    assert mistake is None or 0 <= mistake.at <= len(text)
