import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.wstest.repl.events import Payload
from lihil_cli.wstest.repl.look import Line
from lihil_cli.wstest.repl.payload import MAX_JSON_CHARACTERS, is_laid_out, payload_lines, sniff


def lines(payload: Payload, width: int = 40, *, first: int | None = None, form: str = "") -> list[str]:
    return ["".join(text for _, text in line) for line in payload_lines(payload, width, first=first, form=form)]


def test_json_that_fits_stands_on_one_line() -> None:
    assert lines('{ "type" : "joined", "room": "general" }') == ['{"type":"joined","room":"general"}']


def test_json_that_does_not_fit_is_opened_as_far_as_needed() -> None:
    text = '{"type":"said","from":{"id":1,"name":"мир"},"list":[[1],[2]],"empty":{},"deep":{"a":"' + "x" * 30 + '"}}'
    assert lines(text, 30) == [
        "{",
        '  "type": "said",',
        '  "from": {',
        '    "id": 1,',
        '    "name": "мир"',
        "  },",
        '  "list": [[1],[2]],',
        '  "empty": {},',
        '  "deep": {',
        f'    "a": "{"x" * 30}"',
        "  }",
        "}",
    ]
    assert '  "from": {"id":1,"name":"мир"},' in lines(text, 40)


def test_plain_values_of_an_array_stand_side_by_side() -> None:
    assert lines(json.dumps(list(range(30))), 30) == [
        *("[", "  0,1,2,3,4,5,6,7,8,9,10,11,", "  12,13,14,15,16,17,18,19,20,", "  21,22,23,24,25,26,27,28,29", "]")
    ]


def test_the_first_line_may_be_narrower() -> None:
    assert lines('{"a":1}', 40, first=6) == ["{", '  "a": 1', "}"]


@pytest.mark.parametrize("text", ['{"a":1e400,"a":"\\u043c","b":0.10,"c":12345678901234567890}'])
def test_json_is_shown_with_its_own_characters(text: str) -> None:
    assert lines(text, 80) == [text]


def test_the_parts_of_json_have_styles() -> None:
    (line,) = payload_lines('{"k":"v","n":-1.5,"t":true}', 80)
    styles = {text: style for style, text in line}
    assert styles == {
        "{": "",
        "}": "",
        ":": "",
        ",": "",
        '"k"': "key",
        '"n"': "key",
        '"t"': "key",
        '"v"': "string",
        "-1.5": "number",
        "true": "literal",
    }


@pytest.mark.parametrize(
    "text",
    ["plain", '"a string"', "5", "{not json}", "[1,", "[" * 100_000, "{}" + " " * MAX_JSON_CHARACTERS],
    ids=["text", "string", "number", "braces", "open", "deep", "long"],
)
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert not is_laid_out(text)
    assert lines(text) == [text]


def test_text_is_cut_at_its_newlines_and_looked_at_no_further_than_asked() -> None:
    assert lines("a\tb\r\nc\n") == ["a    b", "c", ""]
    (line,) = payload_lines("x" * 100, 40, limit=10)
    assert line == [("", "x" * 10)]


@pytest.mark.parametrize("form", ["", "raw"])
def test_no_control_character_of_a_message_is_left(form: str) -> None:
    evil = "\x1b[2J\x9b\r\u202e\u2066\x00"
    for text in (evil, json.dumps({"a": evil}, ensure_ascii=False), f'{{"\u202e":"{evil[-2:-1]}"}}'):
        for line in lines(text, form=form):
            assert line.isprintable()


def test_a_raw_message_is_not_laid_out() -> None:
    assert lines('{ "a": 1 }', form="raw") == ['{ "a": 1 }']
    assert lines(b'{"a"\xff', form="raw") == ['{"a"\\xff']


def test_bytes_are_four_rows_of_digits() -> None:
    shown = ["".join(text for _, text in line) for line in payload_lines(bytes(range(60, 160)), 80, limit=1)]
    assert shown[0] == "binary, 100 bytes"
    assert shown[1] == "00000000  3c 3d 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b  <=>?@ABCDEFGHIJK"
    assert len(shown) == 5


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, "00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  ................"),
        (60, "00000000  00 01 02 03 04 05 06 07  ........"),
        (30, "00000000  00 01 02 03  ...."),
        (18, "  00 01  .."),
    ],
)
def test_a_dump_fits_the_width(width: int, row: str) -> None:
    assert lines(bytes(range(20)), width)[1] == row
    assert len(row) <= width


def test_a_whole_dump_has_every_byte_also_of_a_text() -> None:
    assert len(lines(bytes(1000), 80, form="hex")) == 1 + 63
    assert lines("é", form="hex") == ["binary, 2 bytes, UTF-8 text", "00000000  c3 a9" + " " * 8 + ".."]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ""),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n", "a PNG image"),
        (b"x\x9c\x03\x00", "zlib"),
        (b"xx", "UTF-8 text"),
        (b"hello", "UTF-8 text"),
        (b'{"a":1}', "JSON"),
        (b"5", "UTF-8 text"),
        (b"\x00\x01", ""),
        (b"\xff\xfe", ""),
        (msgspec.msgpack.encode({"a": [1, "é"]}), 'msgpack: {"a":[1,"é"]}'),
        (msgspec.msgpack.encode({"a": "x" * 300}), "msgpack"),
        (msgspec.msgpack.encode({"a": b"\xff"}), 'msgpack: {"a":"/w=="}'),
        (msgspec.msgpack.encode([1])[:-1], ""),
        (msgspec.msgpack.encode(list(range(40))), f"msgpack: {json.dumps(list(range(40)), separators=(',', ':'))}"),
        (b"\x91" + b"\xc0" * MAX_JSON_CHARACTERS, ""),
    ],
)
def test_bytes_are_recognised(data: bytes, kind: str) -> None:
    assert sniff(data) == kind


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(json_values) | st.dictionaries(st.text(), json_values), st.integers(2, 120))
def test_laid_out_json_means_the_same(value: object, width: int) -> None:
    assert json.loads("\n".join(lines(json.dumps(value), width))) == value


@given(st.text() | st.binary(), st.integers(2, 120), st.sampled_from(["", "hex", "raw"]))
def test_whatever_arrives_is_harmless(payload: Payload, width: int, form: str) -> None:
    shown: list[Line] = list(payload_lines(payload, width, form=form))
    forbidden = {*map(chr, range(32)), *map(chr, range(127, 160)), "\u2028", "\u2029", "\u202e", "\u2066"}
    assert not any(forbidden & set(text) for line in shown for _, text in line)
