"""What matches what, what is captured, and where a message that differs is marked."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.patterns.captures import is_same
from lihil_cli.wstest.patterns.difference import visible
from lihil_cli.wstest.patterns.match import Difference, Match, Message, match, parse_pattern, pattern_of, shown
from lihil_cli.wstest.patterns.values import read_json

UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"
SAID = '{"type":"said","from":1,"text":"hi there"}'


def outcome_of(pattern: str, message: Message, **captures: object) -> Match | Difference:
    return match(parse_pattern(pattern), message, captures)


def captured(pattern: str, message: Message, **captures: object) -> dict[str, object]:
    outcome = outcome_of(pattern, message, **captures)
    assert isinstance(outcome, Match), outcome
    return dict(outcome.captures)


def differs(pattern: str, message: Message, **captures: object) -> Difference:
    outcome = outcome_of(pattern, message, **captures)
    assert isinstance(outcome, Difference)
    return outcome


def marked(difference: Difference) -> str:
    """What stands above the caret."""
    return difference.actual[difference.span.start : difference.span.end]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("pong", "pong"),
        ("", ""),
        ("...", "anything"),
        ("<any>", b"\x00"),
        ("<any>", "text"),
        ("<str>", "two\nlines"),
        ("<int>", "-42"),
        ("<float>", "1.5e3"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("id <uuid> at <time>", f"id {UUID} at 2026-11-25T10:00:00.5Z"),
        ("$${x}", "${x}"),
        ('text: "a\\nb <int> /x/"', "a\nb <int> /x/"),
        ("/^h.llo/", "hello there"),
        ("/HELLO/i", "hello"),
        ("/^b$/m", "a\nb"),
        ("/a.b/s", "a\nb"),
        ("/a b # words/x", "ab"),
        (r"/a\/b/", "a/b"),
        ("hex: 00 ff", b"\x00\xff"),
        ("hex:00FF", b"\x00\xff"),
        ("hex: 00 ...", b"\x00\x01\x02"),
        ("hex:", b""),
        ("close", Closed(4001, "kicked")),
        ("close 1000", Closed(1000, "bye")),
        ('close 1000 "bye"', Closed(1000, "bye")),
        ("close 1000 /^b/", Closed(1000, "bye")),
        ('close "bye"', Closed(1001, "bye")),
        ("close 1006", Closed(1006, by="nobody")),
        ('{"type":"said", ...}', SAID),
        ('{ "text" : "hi there", "from" : 1, "type" : "said" }', SAID),
        ('{"type":"said","from":<int>,"text":/^hi/}', SAID),
        ('{"a": ...}', '{"a": [1, {}]}'),
        ("{}", "{}"),
        ("{...}", SAID),
        ("[]", " [ ] "),
        ("[1, 2.0, true, null]", "[1.0, 2, true, null]"),
        ("[1, ...]", "[1, 2, 3]"),
        ("[..., 3]", "[1, 2, 3]"),
        ("[1, ..., 3]", "[1, 3]"),
        ("[...]", "[]"),
        ('["<int>"]', '["<int>"]'),
        ("[<str>, <float>, <float>, <any>]", '["", 1, 1.5, {"x": []}]'),
        ("[<uuid>, <time>, <time>]", f'["{UUID}", "2026-11-25 10:00:00", "2026-11-25T10:00:00+01:00"]'),
    ],
)
def test_a_message_that_looks_like_its_pattern_matches(pattern: str, message: Message) -> None:
    assert isinstance(outcome_of(pattern, message), Match)


@pytest.mark.parametrize(
    ("pattern", "message", "mark", "reason"),
    [
        ("pong", "ping", "i", "the text differs"),
        ("pong", "pong!", "!", "the text goes on here"),
        ("pong", "pon", "", "the text differs"),
        ("hi <int> you", "hi 3 me", "me", "the text differs"),
        ("hi <int> you all", "hi 3 yo all", " ", "the text differs"),
        ("hi <int>", "hi x", "x", "expected <int> here"),
        ("<int>", "007", "07", "the text goes on here"),
        ("hi", b"\x00", "hex: 00", "this is a binary message, expected text"),
        ("{}", b"", "hex:", "this is a binary message, expected text"),
        ("hex: 00", "hi", "hi", "this is a text message, expected a binary one"),
        ("hex: 00 ff", b"\x00\x01", "01", "byte 1 is 01, expected ff"),
        ("hex: 00", b"\x00\x01\x02", "01 02", "3 bytes, expected 1; ... allows more"),
        ("hex: 00 01", b"\x00", "", "1 bytes, expected 2"),
        ("hex: 00 ...", b"\x01\x02", "01", "byte 0 is 01, expected 00"),
        ("/^hi/", "HI", "HI", "does not match /^hi/"),
        ("hi", Closed(1011), "close 1011", "the connection has ended: internal error"),
        ("...", Closed(1011), "close 1011", "the connection has ended: internal error"),
        ("close", "hi", "hi", "a message came where the close was expected"),
        ("close 1000", Closed(1011), "1011", "the close code is 1011 (internal error), expected 1000"),
        ('close 1000 "bye"', Closed(1000, "so"), '"so"', 'the close reason is "so"'),
        ("close 1000 /^b/", Closed(1000, "so"), '"so"', "does not match /^b/"),
        ("{}", "hi", "hi", "this is no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[1]", "[NaN]", "[NaN]", "this is no JSON: NaN is no JSON value"),
        ("{}", "[]", "[]", "the message is an array, expected an object"),
        ("[]", "{}", "{}", "the message is an object, expected an array"),
        ('{"type":"said"}', SAID, "1", "from is not expected; ... allows other keys"),
        ('{"who":1, ...}', SAID, "}", "who is missing"),
        ('{"from":2, ...}', SAID, "1", "from is 1, expected 2"),
        ('{"from":true, ...}', SAID, "1", "from is 1, expected true"),
        ('{"from":<str>, ...}', SAID, "1", "from is 1, expected <str>"),
        ('{"from":/x/, ...}', SAID, "1", "from is 1, expected a string like /x/"),
        ('{"text":/^HI/, ...}', SAID, '"hi there"', "text does not match /^HI/"),
        ('{"a":{"b":[1,{"c":2}]}}', '{"a": {"b" : [1, {"c":3}]}}', "3", "a.b[1].c is 3, expected 2"),
        ('{"a":[1]}', '{"a":{"b":1}}', '{"b":1}', "a is an object, expected an array"),
        ("[1]", "[1,2]", "2", "[1] is not expected; ... allows other elements"),
        ("[1,2]", "[1]", "]", "[1] is missing"),
        ("[1,...,2]", "[1]", "]", "[1] is missing"),
        ("[1,...,2]", "[1,5,3]", "3", "[2] is 3, expected 2"),
        ("[<int>]", "[true]", "true", "[0] is true, expected <int>"),
        ("[<time>]", '["2026-13-01T00:00:00Z"]', '"2026-13-01T00:00:00Z"', None),
        ('{"a":1}', '{"a":1,"a":2}', "2", "a is 2, expected 1"),
    ],
)
def test_a_message_that_differs_is_marked_where_it_does(
    pattern: str, message: Message, mark: str, reason: str | None
) -> None:
    difference = differs(pattern, message)
    assert marked(difference) == mark
    assert reason is None or difference.reason == reason


def test_a_message_nested_beyond_what_can_be_read_is_no_json() -> None:
    difference = differs("[]", "[" * 200_000)
    assert difference.reason == "this is no JSON: it is nested too deeply"


@pytest.mark.parametrize(
    ("pattern", "message", "captures"),
    [
        ('{"id":<int:aid>, ...}', '{"id":7,"x":1}', {"aid": 7}),
        ("[<any:all>, <str:word>]", '[{"a":[1]},"w"]', {"all": {"a": [1]}, "word": "w"}),
        ("welcome <str:who>, number <int:n>", "welcome bob, number 3", {"who": "bob", "n": 3}),
        ("<float:price>", "1.5", {"price": 1.5}),
        ("<any:all>", b"\x00\xff", {"all": "00 ff"}),
        ("<any:all>", "text", {"all": "text"}),
        ("/id=(?P<id>[0-9]+)(?P<rest>x)?/", "id=12", {"id": "12"}),
        ('{"t":/^(?P<first>\\w)/}', '{"t":"hi"}', {"first": "h"}),
        ('{"t":/^h(?P<first>x)?/}', '{"t":"hi"}', {}),
        ("close 4000 /(?P<why>.*)/", Closed(4000, "spam"), {"why": "spam"}),
        ("[<int:x>, <int:x>]", "[1, 1.0]", None),
        ("[<int:x>, <int:x>]", "[1, 1]", {"x": 1}),
        ("[<any:x>, <any:x>]", '[[1, {"a": 2}], [1.0, {"a": 2}]]', {"x": [1, {"a": 2}]}),
        ("[<any:x>, <any:x>]", "[[1], [true]]", None),
    ],
)
def test_what_is_captured(pattern: str, message: Message, captures: dict[str, object] | None) -> None:
    outcome = outcome_of(pattern, message)
    assert (dict(outcome.captures) if isinstance(outcome, Match) else None) == captures


def test_a_typed_pattern_may_leave_out_what_does_not_matter() -> None:
    pattern = parse_pattern('{"a": {"b": 1}}', is_subset=True)
    assert isinstance(match(pattern, '{"a": {"b": 1, "c": 2}, "d": 3}'), Match)
    assert isinstance(match(pattern, '{"a": {"b": 2}}'), Difference)


def test_captures_known_before_are_kept() -> None:
    assert captured("<int:b>", "2", a=1) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("pattern", "message", "reason"),
    [
        ("[<int:x>]", "[2]", "[0] is 2, and x was 1 before"),
        ("/(?P<x>.)/", "2", 'x is "2" here, and was "1"'),
        ('["a", /(?P<x>.)/]', '["a", "2"]', '[1] is "2", and x was 1 before'),
        ("n <int:x>", "n 2", 'expected "1" here'),
    ],
)
def test_a_name_that_was_captured_must_have_its_value_again(pattern: str, message: str, reason: str) -> None:
    assert differs(pattern, message, x=1).reason == reason


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("[<int:x>]", "[1]"),
        ("/(?P<x>.)/", "1"),
        ("n <int:x>!", "n 1!"),
        ("n ${x}", "n 1"),
        ('["${x}", ${x}]', '["1", 1]'),
    ],
)
def test_a_name_that_has_its_value_again_matches(pattern: str, message: str) -> None:
    assert captured(pattern, message, x=1) == {"x": 1}


def test_a_variable_in_a_regex_stands_for_itself() -> None:
    assert isinstance(outcome_of("/^${x}$/", "a.b", x="a.b"), Match)
    assert differs("/^${x}$/", "acb", x="a.b").reason == r"does not match /^a\.b$/"


def test_the_environment_comes_after_the_captures() -> None:
    pattern = parse_pattern("${who}")
    environ = {"who": "env"}
    assert isinstance(match(pattern, "env", environ=environ), Match)
    assert isinstance(match(pattern, "cap", {"who": "cap"}, environ=environ), Match)


def test_a_name_of_the_environment_can_be_captured() -> None:
    outcome = match(parse_pattern("[<int:HOME>]"), "[1]", environ={"HOME": "/root"})
    assert outcome == Match({"HOME": 1})


@pytest.mark.parametrize("pattern", ["${who}", '{"a":"${who}"}', '{"a":${who}}', "/${who}/", 'close 1000 "${who}"'])
def test_a_name_that_stands_for_nothing_is_a_difference(pattern: str) -> None:
    message: Message = Closed(1000) if pattern.startswith("close") else '{"a":1}'
    assert differs(pattern, message).reason == "no capture and no environment variable is called who"


def test_a_report_shows_the_pattern_with_what_is_known() -> None:
    pattern = parse_pattern('{"id":<int:aid>,"who":<str:who>,"text":"hi ${aid} ${who} $${aid}"}')
    assert shown(pattern, {"aid": 1}) == '{"id":1,"who":<str:who>,"text":"hi 1 ${who} $${aid}"}'


MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.text(),
    st.binary(max_size=50),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps),
    st.builds(Closed, st.integers(1000, 4999), st.text(max_size=40)),
    st.sampled_from(
        [
            "${x}",
            "$${",
            "<any>",
            "...",
            "close",
            "close 1000",
            "/x/",
            "hex: 00",
            'text: "x"',
            "{",
            "a ",
            '{"a":1,"a":2}',
        ]
    ),
)


@settings(deadline=None)
@given(MESSAGES)
def test_a_pattern_made_from_a_message_matches_that_message(message: Message) -> None:
    source = pattern_of(message)
    assert source.isprintable()
    pattern = parse_pattern(source)
    assert match(pattern, message) == Match({})
    assert not pattern.uses


@settings(deadline=None)
@given(MESSAGES, MESSAGES)
def test_a_pattern_made_from_one_message_matches_no_other(one: Message, other: Message) -> None:
    outcome = match(parse_pattern(pattern_of(one)), other)
    assert isinstance(outcome, Match) == is_as_good(one, other)


def is_as_good(one: Message, other: Message) -> bool:
    """Equal; or two spellings of one JSON object or array; or closes, one of which gives no reason."""
    if isinstance(one, Closed) and isinstance(other, Closed):
        return one.code == other.code and one.reason in {"", other.reason}
    if (
        isinstance(one, str)
        and isinstance(other, str)
        and one[:1] in {"{", "["}
        and not pattern_of(one).startswith("text")
    ):
        with suppress(ValueError):
            return is_same(read_json(one), read_json(other))
        return False
    return one == other


@settings(deadline=None)
@given(MESSAGES, MESSAGES)
def test_a_difference_marks_a_place_in_what_came(one: Message, other: Message) -> None:
    outcome = match(parse_pattern(pattern_of(one)), other)
    if isinstance(outcome, Difference):
        assert 0 <= outcome.span.start < outcome.span.end <= len(outcome.actual) + 1
        assert all(line == visible(line) for line in (outcome.wanted, *outcome.got))
