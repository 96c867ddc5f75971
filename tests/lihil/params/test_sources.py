"""The text of one request, by source and key."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.params.sources import Sources


def test_a_scope_without_anything_has_no_text() -> None:
    sources = Sources({})
    assert (sources.path, sources.query, sources.header, sources.cookie, sources.body) == ({}, {}, {}, {}, b"")


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        (b"a=&b", {"a": [""], "b": [""]}),
        (b"a=x+y%20z", {"a": ["x y z"]}),
        (b"a=%C3%A9", {"a": ["é"]}),
        (b"a=\xc3\xa9", {"a": ["é"]}),
        (b"a=%FF", {"a": ["�"]}),
        (b"a=\xff", {"a": ["�"]}),
        (b"a=%zz", {"a": ["%zz"]}),
        (b"a=%ED%A0%80", {"a": ["���"]}),
        (b"&&=&", {"": [""]}),
    ],
)
def test_the_query_is_read_as_utf_8_and_what_is_none_is_replaced(query: bytes, pairs: dict[str, list[str]]) -> None:
    assert Sources({"query_string": query}).query == pairs


@given(st.text("ab=&%+ ;é", max_size=30))
def test_a_query_means_the_same_whether_anything_in_it_is_encoded_or_not(query: str) -> None:
    expected: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        expected.setdefault(key, []).append(value)
    assert Sources({"query_string": query.encode()}).query == expected


def test_header_fields_are_found_by_lower_case_name_with_every_line() -> None:
    headers = [(b"X-A", b"1"), (b"x-a", b"2"), (b"x-b", b"\xe9")]
    assert Sources({"headers": headers}).header == {"x-a": ["1", "2"], "x-b": ["é"]}


def test_cookies_of_all_lines_are_found_by_name() -> None:
    headers = [(b"cookie", b"a=1; b=x y"), (b"cookie", b'c="q"; a=2')]
    assert Sources({"headers": headers}).cookie == {"a": ("2",), "b": ("x y",), "c": ("q",)}


def test_the_captured_parts_of_the_path_are_found_by_name() -> None:
    assert Sources({"lihil.path": {"room": "42"}}).path == {"room": ("42",)}


def test_two_requests_share_nothing() -> None:
    first, second = Sources({"query_string": b"a=1"}), Sources({"query_string": b"a=2"}, body=b"x")
    assert (first.query["a"], second.query["a"], first.body, second.body) == (["1"], ["2"], b"", b"x")
