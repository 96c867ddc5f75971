import pytest

from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.pattern import make_expectation, make_filter


@pytest.mark.parametrize(
    ("pattern", "payload", "wanted"),
    [
        ("hell", "hello", True),
        ("hell", b"a hell of bytes", True),
        ("heaven", "hello", False),
        ("/^h.llo$/", "hello", True),
        ("/^h.llo$/", "hello!", False),
        ('{"type":"said"}', '{"type":"said","id":1}', True),
        ('{"type":"said"}', '{"type":"left","id":1}', False),
        ('{"type":"said"}', "text", False),
        ('{"id":<int>}', '{"type":"said","id":1}', True),
        ("{}", '{"a":1}', True),
        ("{}", "[]", False),
        ('{"a":1, ...}', '{"a":1,"b":2}', True),
        ("[1, ...]", "[1,2]", True),
        ("hex: 00", b"\x00", True),
    ],
)
def test_a_filter_tells_which_messages_are_meant(pattern: str, payload: Payload, wanted: bool) -> None:
    assert make_filter(pattern)(payload) is wanted


def test_an_expectation_tells_what_is_wrong() -> None:
    check = make_expectation('{"type":"said", "id": <int>, ...}')
    assert check('{"type":"said","id":1,"more":2}') == ""
    assert check('{"type":"said","id":"x"}') != ""


@pytest.mark.parametrize("make", [make_filter, make_expectation])
def test_what_is_no_pattern_is_refused_with_its_reason(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="is no pattern"):
        make("{")
    with pytest.raises(ValueError, match="nothing says what"):
        make('{"a": "${NAME}"}')


def test_a_close_is_not_expected_at_the_prompt() -> None:
    with pytest.raises(ValueError, match="a close is no message"):
        make_expectation("close 1000")
