"""Heads of HTTP/1.1 messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455.head import MAX_HEAD_BYTES, Head, HeadError, find_head, parse_request, parse_response

REQUEST = b"GET /chat?x=1 HTTP/1.1\r\nHost: example\r\nX-Twice: a,  b\r\nx-twice:,c\t \r\n\r\n"


def test_a_request_is_parsed() -> None:
    head = parse_request(REQUEST)
    assert (head.method, head.target, head.minor) == (b"GET", b"/chat?x=1", 1)
    assert head.fields == ((b"host", b"example"), (b"x-twice", b"a,  b"), (b"x-twice", b",c"))


def test_fields_are_found_by_name_and_lists_by_member() -> None:
    head = parse_request(REQUEST)
    assert head.all(b"x-twice") == ["a,  b", ",c"]
    assert head.tokens(b"x-twice") == ["a", "b", "c"]
    assert head.all(b"missing") == head.tokens(b"missing") == []


@pytest.mark.parametrize(
    ("line", "minor", "status", "phrase"),
    [
        (b"HTTP/1.1 101 Switching Protocols", 1, 101, b"Switching Protocols"),
        (b"HTTP/1.0 404 ", 0, 404, b""),
        (b"HTTP/1.1 200", 1, 200, b""),
        (b"HTTP/1.1 500 z\xe9", 1, 500, b"z\xe9"),
    ],
)
def test_a_response_is_parsed(line: bytes, minor: int, status: int, phrase: bytes) -> None:
    assert parse_response(line + b"\r\nA: b\r\n\r\n") == Head(((b"a", b"b"),), minor, status=status, phrase=phrase)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 99 Low", b"HTTP/2 200 OK", b"HTTP/1.1  200 OK", b"", b"HTTP/1.1 600 High", b"HTTP/1.1 200 a\0"]
)
def test_what_is_no_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(HeadError, match="no status line"):
        parse_response(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /",
        b"GET / HTTP/2.0",
        b"GET  / HTTP/1.1",
        b"G\xc3T / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\0 HTTP/1.1",
        b" GET / HTTP/1.1",
    ],
)
def test_what_is_no_request_line_is_refused(line: bytes) -> None:
    with pytest.raises(HeadError, match="no request line"):
        parse_request(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    "field",
    [
        b"no colon",
        b": no name",
        b"Space : before",
        b" folded: line",
        b"A: b\rc",
        b"A: b\nc",
        b"A: \0",
        b"\xe9: latin name",
        b"",
    ],
)
def test_what_is_no_field_is_refused(field: bytes) -> None:
    with pytest.raises(HeadError, match="no header field"):
        parse_request(b"GET / HTTP/1.1\r\n" + field + b"\r\n\r\n")


def test_a_line_of_white_space_takes_no_more_time_than_another() -> None:
    """Within the size of a head, what a backtracking pattern would need years for."""
    with pytest.raises(HeadError, match="no header field"):
        parse_request(b"GET / HTTP/1.1\r\nA:" + b" " * 65_000 + b"\0\r\n\r\n")


def test_a_head_ends_at_its_empty_line() -> None:
    assert find_head(REQUEST + b"frames") == len(REQUEST)
    assert find_head(REQUEST[:-1]) == 0
    assert find_head(b"") == 0


@pytest.mark.parametrize("ending", [b"", b"\r\n\r\n"])
def test_a_head_is_bounded_whether_it_ends_or_not(ending: bytes) -> None:
    assert find_head(b"x" * (MAX_HEAD_BYTES - 4) + b"\r\n\r\n") == MAX_HEAD_BYTES
    with pytest.raises(HeadError, match="65536 bytes"):
        find_head(b"x" * (MAX_HEAD_BYTES + 1 - len(ending)) + ending)


def test_the_number_of_fields_is_bounded() -> None:
    assert len(parse_request(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 256 + b"\r\n").fields) == 256
    with pytest.raises(HeadError, match="256 fields"):
        parse_request(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 257 + b"\r\n")


@given(head=st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda tail: b"GET / HTTP/1.1\r\n" + tail)))
def test_any_bytes_are_a_head_or_a_head_error(head: bytes) -> None:
    for parse in (parse_request, parse_response):
        try:
            parsed = parse(head + b"\r\n\r\n")
        except HeadError:
            continue
        assert all(b"\r" not in value and b"\n" not in value for _, value in parsed.fields)
