"""What a script may say, and where exactly one that says something else is told off."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lihil_cli.wstest.patterns.source import SourceError
from lihil_cli.wstest.patterns.template import Variable
from lihil_cli.wstest.patterns.tree import BinaryPattern, ClosePattern, JsonPattern, Regex, TextPattern
from lihil_cli.wstest.script.format import script_text
from lihil_cli.wstest.script.parse import MAX_DEPTH, locate, parse_script
from lihil_cli.wstest.script.steps import (
    Connect,
    Expect,
    Place,
    Repeat,
    Script,
    Send,
    SendBytes,
    SendClose,
    SendText,
    Silence,
    Step,
    Timeout,
    Unordered,
)

CHAT = """\
# chat.wst            lihil ws-test chat.wst [--app main:app | --url ...] [--junit out.xml]
@target /chat/{room}  room=general          # schema-checked
@timeout 2s
@client alice ?user=alice
@client bob   ?user=bob    [Authorization: Bearer ${TOKEN}]

alice< {"type":"welcome","id":<int:aid>, ...}     # "..." = other keys allowed, <int:aid> captures
alice> {"type":"say","text":"hi ${aid}"}
bob<   {"type":"said","from":<int:aid>,"text":/^hi/}
alice!< 200ms                                     # nothing may arrive
bob>   hex: 00 ff
bob<   close 1003 "text only"
@unordered { alice< {"type":"left",...}  }
@connect carol ?user=  expect 422 {"detail": ...} # a refused handshake is a normal expectation
@repeat 50 { alice> ping   alice< pong }
"""


def steps_of(text: str) -> tuple[Step, ...]:
    return parse_script(f"@target /\n{text}").steps


def mistake_in(text: str) -> tuple[int, int, str, str]:
    """Line, column, what is wrong, and what was expected."""
    with pytest.raises(SourceError) as caught:
        parse_script(text)
    position = locate(text, caught.value.at)
    return position.line, position.column, caught.value.message, caught.value.expected


def test_a_whole_script_is_read() -> None:
    script = parse_script(CHAT)
    assert script.clients == ("alice", "bob", "carol")
    assert script.target is not None
    assert script.target.path.source == "/chat/{room}"
    assert [(name, value.source) for name, value in script.target.parameters] == [("room", "general")]
    kinds = [type(step) for step in script.steps]
    assert kinds == [
        *(Timeout, Connect, Connect, Expect, Send, Expect, Silence, Send, Expect, Unordered, Connect, Repeat),
    ]
    assert [step.place.line for step in script.steps] == [3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def test_a_script_without_names_has_one_client_that_connects_first() -> None:
    steps = steps_of("< Hello, world!\n> bye\n!< 1s\n")
    assert steps[0] == Connect(Place(10, 2), "", word="")
    assert [type(step) for step in steps[1:]] == [Expect, Send, Silence]


@pytest.mark.parametrize(
    ("text", "outgoing"),
    [
        ("hello there  ", SendText(("hello there",))),
        ("a # b", SendText(("a # b",))),
        ("", SendText(())),
        ("/join room", SendText(("/join room",))),
        ("<int> ${who}!", SendText(("<int> ", Variable("who"), "!"))),
        ('text: " a\\n${who}" # said', SendText((" a\n", Variable("who")))),
        ("hex: 00 FF  # two", SendBytes(b"\x00\xff")),
        ("close", SendClose(1000, "")),
        ("close 4001", SendClose(4001, "")),
        ('close 4001 "a $${b}"  # bye', SendClose(4001, "a ${b}")),
        ("close the door", SendText(("close the door",))),
    ],
)
def test_what_is_sent(text: str, outgoing: object) -> None:
    sent = steps_of(f"> {text}")[1]
    assert isinstance(sent, Send)
    assert sent.outgoing == outgoing


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("hello # there", TextPattern),
        ("close the door", TextPattern),
        ('{"a": [1,\n  2], ...} # two lines', JsonPattern),
        ("/a b/i  # regex", Regex),
        ("hex: 00 ... # open", BinaryPattern),
        ('close 1000 "bye" # end', ClosePattern),
        ("close # end", ClosePattern),
    ],
)
def test_what_is_expected(text: str, kind: type) -> None:
    expected = steps_of(f"< {text}")[1]
    assert isinstance(expected, Expect)
    assert isinstance(expected.pattern.body, kind)


def test_exact_text_keeps_what_would_be_a_comment_elsewhere() -> None:
    (_, expected) = steps_of("< say #general  ")
    assert isinstance(expected, Expect)
    assert expected.pattern.source == "say #general"


@pytest.mark.parametrize(("written", "seconds"), [("200ms", 0.2), ("2s", 2), ("1.5s", 1.5), ("2m", 120), ("0ms", 0)])
def test_times(written: str, seconds: float) -> None:
    (step, _, _) = steps_of(f"@timeout {written}\n@client a\na< x")
    assert isinstance(step, Timeout)
    assert step.time.source == written
    assert step.time.value == pytest.approx(seconds)


def test_a_client_may_have_a_path_of_its_own_and_needs_no_target_then() -> None:
    (step,) = parse_script("@client admin /admin?x=1 ?y=2 [X-A: 1] [X-B: two words]\n").steps
    assert isinstance(step, Connect)
    assert step.path is not None
    assert step.query is not None
    assert (step.path.source, step.query.source) == ("/admin?x=1", "y=2")
    assert [(name, value.source) for name, value in step.headers] == [("X-A", "1"), ("X-B", "two words")]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("@repeat 2 { > a b < c }", 2),
        ("@repeat 2 { > a }", 1),
        ("@repeat 2 { > { } < x }", 2),
        ("@repeat 2 {\n  > a }\n\n  # comment\n  < b\n}", 2),
        ("@repeat 2 { # begins\n < b\n} # ends", 1),
        ("@repeat 2 { < }", 1),
        ("@repeat 2 { > hex: 00 < hex: 00 ... }", 2),
        ('@repeat 2 { > close 1000 "x" < close }', 2),
        ("@repeat 2 { !< 10ms > a -> b }", 2),
        ("@repeat 2 { @repeat 3 { > a } < b }", 2),
        ("@repeat 2 { > <b>bold</b> <i> }", 1),
    ],
)
def test_blocks(line: str, count: int) -> None:
    block = steps_of(line)[-1]
    assert isinstance(block, Repeat)
    assert len(block.steps) == count


def test_the_next_step_of_a_line_begins_at_the_name_of_a_client() -> None:
    block = parse_script("@client a /\n@client bob /\n@repeat 1 { a> x> y bob> z   bob< q }\n").steps[-1]
    assert isinstance(block, Repeat)
    assert [step.source if isinstance(step, Send) else "" for step in block.steps] == ["x> y", "z", ""]


MISTAKES = [
    ("", 1, 1, "there is no step in this script"),
    ("# nothing\n", 2, 1, "there is no step in this script"),
    ("@target /x\n", 2, 1, "there is no step in this script"),
    ("@target /\nhello\n", 2, 1, "this is no step"),
    ("@target /\n}\n", 2, 1, "no block is open that this could close"),
    ("@client a /\na < x\n", 2, 2, "a space stands before the arrow"),
    ("@client a /\nb< x\n", 2, 1, "there is no client b"),
    ("@client a /\n< x\n", 2, 1, "this arrow has no client"),
    ("@target /\n< x\n@client a\n", 3, 9, "the first steps name no client"),
    ("< x\n", 1, 1, "nothing says where this connects to"),
    ("@client a\n", 1, 1, "nothing says where this connects to"),
    ("@repeat 2 { @connect a }\n", 1, 13, "nothing says where this connects to"),
    ("@target\n< x\n", 1, 8, "something is missing here"),
    ("@target /a\n@target /b\n< x", 2, 1, "the target stands once, before all steps"),
    ("@client a /\n@target /b\n", 2, 1, "the target stands once, before all steps"),
    ("@repeat 2 { @target /b }\n", 1, 13, "the target stands once, before all steps"),
    ("@target /{room}\n< x", 1, 16, "nothing says what {room} is"),
    ("@target /{room} rom=1\n< x", 1, 17, "the path has no {rom}"),
    ("@target /a room=1\n< x", 1, 12, "the path has no {room}"),
    ("@target /{room} room=\n< x", 1, 22, "something is missing here"),
    ('@target /{room} room="a\n< x', 1, 22, "this string has no end on its line, or holds a bad escape"),
    ("@target /a b\n< x", 1, 12, "this step has ended before this"),
    ("@timeout soon\n", 1, 10, "this is no time"),
    ("@timeout 2 s\n", 1, 10, "this is no time"),
    ("@timeout 2d\n", 1, 10, "this is no time"),
    (f"@timeout {'9' * 400}s\n", 1, 10, "this is no time"),
    ("@targets /x\n", 1, 2, "there is no directive @targets"),
    ("@ target\n", 1, 2, "there is no directive @"),
    ("@client\n", 1, 8, "the client has no name"),
    ("@client a /\n@client a\n", 2, 1, "the client a is there already"),
    ("@client a / [X-A]\n", 1, 13, "this is no header"),
    ("@client a / [Host: x]\n", 1, 14, "the header Host is made by the handshake"),
    ("@client a / ?x=${\n", 1, 18, "this variable has no end"),
    ("@connect a / expect\n", 1, 20, "this is no status of a refused handshake"),
    ("@connect a / expect 101\n", 1, 24, "this is no status of a refused handshake"),
    ("@connect a / expect 422 {\n", 2, 1, "the text ends before the closing }, in what began on line 1"),
    ("@connect a / expect 4222\n", 1, 21, "this is no status of a refused handshake"),
    ("@repeat 0 { > x }\n", 1, 9, "this is no number of rounds"),
    ("@repeat 2\n", 1, 10, "the block has no beginning"),
    ("@target /\n@repeat 2 { > x\n", 2, 11, "this block has no end"),
    ("@target /\n@repeat 2 {\n> x\n", 2, 11, "this block has no end"),
    ("@target /\n@repeat 2 { }\n", 2, 11, "there is no step in this block"),
    ("@target /\n@unordered { > x }\n", 2, 14, "only expectations can come in any order"),
    ("@target /\n@unordered { !< 1s }\n", 2, 14, "only expectations can come in any order"),
    ("@target /\n@repeat 2 {\n> x\n} < y\n", 4, 3, "this step has ended before this"),
    (
        "@target /\n" + "@repeat 2 { " * 11 + "> x" + " }" * 11,
        2,
        131,
        f"blocks are nested deeper than {MAX_DEPTH} levels",
    ),
    ('@target /\n< {"a": <in>}\n', 2, 9, "there is no matcher <in>"),
    ('@target /\n< {"a": 1\n< b\n', 3, 1, "elements are separated by commas, in what began on line 2"),
    ('@target /\n> {"a": said}\n', 2, 9, "this is no value"),
    ('@target /\n> {"a": <int>}\n', 2, 9, "this is no value"),
    ('@target /\n> {"a": /x/}\n', 2, 9, "this is no value"),
    ('@target /\n> {"a": ...}\n', 2, 9, "... cannot be sent"),
    ("@target /\n> {...}\n", 2, 4, "... cannot be sent"),
    ('@target /\n> {"a": 1} x\n', 2, 12, "this step has ended before this"),
    ("@target /\n> close 1005\n", 2, 9, "the close code 1005 cannot be sent"),
    ('@target /\n> close 1000 "${x}"\n', 2, 14, "a variable cannot stand in the reason of a close that is sent"),
    (f'@target /\n> close 1000 "{"x" * 124}"\n', 2, 14, "this reason is longer than 123 bytes"),
    ("@target /\n> hex: 0\n", 2, 8, "these are no whole bytes"),
    ("@target /\n!< soon\n", 2, 4, "this is no time"),
    ("@target /\n< hex: 00 zz\n", 2, 11, "these are no bytes"),
    ("@target /\n< close 99\n", 2, 9, "99 is no close code"),
    ("@target /\n< close 1000 no\n", 2, 14, "this step has ended before this"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_has_its_place(text: str, line: int, column: int, message: str) -> None:
    assert mistake_in(text)[:3] == (line, column, message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@targets /x\n", "@target"),
        ("@client alice /\nalise< x\n", "alice, or @client alise on a line before this one"),
        ("@client alice /\n< x\n", "alice<"),
        ("@client alice /\nbob< x\n", "@client bob on a line before this one"),
        ("@x\n", "@client, @connect, @repeat, @timeout, @unordered, @target"),
    ],
)
def test_a_mistake_says_what_could_stand_there(text: str, expected: str) -> None:
    assert mistake_in(text)[3] == expected


# Pieces of scripts, whole and broken, in any order.
LINES = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*CHAT.splitlines(), "< x", "> close 1000", "@repeat 2 {", "}", '> {"a": [${x}', "]}", "<", "@"]),
)
SCRIPTS = st.lists(LINES, max_size=12).map("\n".join)


@settings(deadline=None)
@given(SCRIPTS)
def test_reading_raises_nothing_but_its_own_error(text: str) -> None:
    mistake: SourceError | None = None
    try:
        parse_script(text)
    except SourceError as error:
        mistake = error
    assert mistake is None or 0 <= mistake.at <= len(text)


def without_places(script: Script) -> str:
    """All that a script says, whatever the lines it says it on."""
    return re.sub(r"Place\(at=\d+, line=\d+\)", "Place", repr(script))


VALID_LINES = st.sampled_from(
    [
        *("alice> hello", "alice<", 'bob> {"a": "${aid}",', 'alice< {"id": <int:aid>, ...}  # c', "bob!< 10ms"),
        *("bob< close", 'bob> close 1000 "x"', "alice> hex: 00ff", 'alice< text: "#"', "@timeout 1m", "# comment", ""),
        *("@connect bob /x ?y=${aid} [A: b] expect 404 /no/", "@repeat 3 { alice> x alice< y }", "@connect carol"),
        *('@unordered { alice< a bob< {"x": [1,\n 2]} }', "@repeat 2 {\n @unordered {\n bob< /x/i\n } # c\n }"),
    ]
)


@settings(deadline=None)
@given(st.lists(VALID_LINES, max_size=8))
def test_what_is_written_from_steps_is_read_as_those_steps(lines: list[str]) -> None:
    text = "\n".join(['@target /{x} x="a b"', "@client alice ?a=1", "@client bob", *lines])
    try:
        script = parse_script(text)
    except SourceError:
        return  # the line that is left open swallows others
    written = script_text(script)
    again = parse_script(written)
    assert without_places(again) == without_places(script)
    assert script_text(again) == written


def test_the_script_of_a_nameless_client_is_written_without_its_connection() -> None:
    text = "@target /a\n< x\n>\n!< 1s\n"
    assert script_text(parse_script(text)) == text


def test_a_whole_script_is_written() -> None:
    script = parse_script(CHAT)
    assert script_text(script).splitlines()[:4] == [
        "@target /chat/{room} room=general",
        "@timeout 2s",
        "@client alice ?user=alice",
        "@client bob ?user=bob [Authorization: Bearer ${TOKEN}]",
    ]
    assert without_places(parse_script(script_text(script))) == without_places(script)
