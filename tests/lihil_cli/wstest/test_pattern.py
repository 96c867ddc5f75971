import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.wstest.pattern import is_within, parse_pattern, value_pattern


@pytest.mark.parametrize(
    ("written", "payload", "matches"),
    [
        ("hi", "hi", True),
        ("hi", "hi!", False),
        ("hi", b"hi", True),
        ("00ff", b"\x00\xff", True),
        ("/^a.c$/", "a\nc", True),
        ("/b/", "abc", True),
        ("/^b/", "abc", False),
        ("/00/", b"\x00\xff", True),
        ("/", "/", True),
        ('{"type":"said"}', '{"type": "said", "from": 2}', True),
        ('{"type":"said"}', '{"type": "left"}', False),
        ('{"a":{"b":1}}', '{"a": {"b": 1.0, "c": 2}}', True),
        ('{"a":[1]}', '{"a": [1, 2]}', False),
        ('{"a":[{}]}', '{"a": [{"x": 1}]}', True),
        ('{"a":true}', '{"a": 1}', False),
        ('{"a":1}', '{"a": true}', False),
        ('{"a":1}', "no json", False),
        ('{"a":1}', "[" * 100_000, False),
        ("1", "1.0", True),
        ("null", "null", True),
        ("[]", "{}", False),
        ("{}", "[]", False),
    ],
)
def test_a_message_is_as_expected_or_not(written: str, payload: str | bytes, matches: bool) -> None:
    assert parse_pattern(written).matches(payload) is matches


def test_a_bad_expression_is_told() -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        parse_pattern("/(/")


def test_a_value_that_was_read_already_is_a_pattern() -> None:
    assert value_pattern({"a": 1}).matches('{"a": 1, "b": 2}')
    assert value_pattern("/x/").matches("axb")
    assert value_pattern({"who": "мир"}).shown == '{"who": "мир"}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_every_value_is_within_itself(value: object) -> None:
    assert is_within(value, value)
