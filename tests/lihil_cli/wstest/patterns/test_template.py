import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.patterns.pattern import scan_string
from lihil_cli.wstest.patterns.source import Cursor, SourceError
from lihil_cli.wstest.patterns.template import UnknownNameError, Variable, fill, names_in, quote, split_template


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ()),
        ("a $b {c}", ("a $b {c}",)),
        ("${a}${b_1} x", (Variable("a"), Variable("b_1"), " x")),
        ("$${a} $$${b}", ("${a} $${b}",)),
        ("x${a}$${", ("x", Variable("a"), "${")),
    ],
)
def test_a_text_is_split_at_its_variables(text: str, pieces: tuple[object, ...]) -> None:
    assert split_template(text) == pieces


@pytest.mark.parametrize("text", ["ab${", "ab${}", "ab${1}", "ab${a b}", "ab${a"])
def test_a_variable_without_a_name_has_its_place(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        split_template(text, 10)
    assert caught.value.at == 14


def test_strings_are_filled_in_as_they_are_and_everything_else_as_json() -> None:
    template = split_template("${s} ${n} ${t} ${o}")
    assert names_in(template) == {"s", "n", "t", "o"}
    assert fill(template, {"s": 'a"', "n": 1, "t": True, "o": {"a": None}}) == 'a" 1 true {"a": null}'
    assert fill(split_template("<${s}>"), {"s": "a"}, str.upper) == "<A>"


def test_a_name_without_a_value_is_named() -> None:
    with pytest.raises(UnknownNameError) as caught:
        fill((Variable("who"),), {})
    assert caught.value.name == "who"


@settings(deadline=None)
@given(st.text())
def test_what_is_quoted_can_be_seen_and_means_itself(text: str) -> None:
    quoted = quote(text)
    assert quoted.isprintable()
    cursor = Cursor(quoted)
    assert fill(scan_string(cursor), {}) == text
    assert cursor.is_at_end
