import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.pattern import parse_pattern, value_pattern


@pytest.mark.parametrize(
    ("written", "payload", "matches"),
    [
        ("hi", "hi", True),
        ("hi", "hi!", False),
        ("hi", b"hi", True),
        ("hi", b"\xff", False),
        ("hex: 00 ff", b"\x00\xff", True),
        ("/^a.c$/s", "a\nc", True),
        ("/b/", "abc", True),
        ("/b/", b"abc", True),
        ("/^b/", "abc", False),
        ('{"type":"said"}', '{"type": "said", "from": 2}', True),
        ('{"type":"said"}', b'{"type": "said", "from": 2}', True),
        ('{"type":"said"}', '{"type": "left"}', False),
        ('{"type":"said","from":<int>}', '{"type": "said", "from": 2, "to": 3}', True),
        ('{"a":{"b":1}}', '{"a": {"b": 1.0, "c": 2}}', True),
        ('{"a":[1]}', '{"a": [1, 2]}', False),
        ('{"a":[{}]}', '{"a": [{"x": 1}]}', True),
        ('{"a":true}', '{"a": 1}', False),
        ('{"a":1}', '{"a": true}', False),
        ('{"a":1}', "no json", False),
        ('{"a":1}', "[" * 100_000, False),
        ('{"a":<int:n>,"b":${n}}', '{"a": 1, "b": 1}', True),
        ('{"a":<int:n>,"b":${n}}', '{"a": 1, "b": 2}', False),
        ("close 1000", Closed(1000), True),
        ("close", Closed(4000), True),
        ("close 1000", Closed(1001), False),
        ("close 1000", "close 1000", False),
        ("...", Closed(1000), False),
        ("null", "null", True),
        ("[]", "{}", False),
        ("{}", "[]", False),
    ],
)
def test_a_message_is_as_expected_or_not(written: str, payload: str | bytes | Closed, matches: bool) -> None:
    assert parse_pattern(written).matches(payload) is matches


@pytest.mark.parametrize("written", ["/(/", '{"a":', "hex: 0", "${HOME}", '{"a": <int:n>, "b": "${m}"}'])
def test_what_is_no_pattern_is_told(written: str) -> None:
    with pytest.raises(ValueError, match="is no pattern: "):
        parse_pattern(written)


def test_a_value_that_was_read_already_is_a_pattern() -> None:
    assert value_pattern({"a": 1}).matches('{"a": 1, "b": 2}')
    assert value_pattern("/x/").matches("axb")
    assert value_pattern({"who": "мир"}).shown == '{"who": "мир"}'


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.booleans() | st.integers() | st.none()))
def test_every_object_is_like_itself(value: dict[str, object]) -> None:
    pattern = value_pattern(value)
    assert pattern.matches(pattern.shown)
