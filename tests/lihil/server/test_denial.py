"""The HTTP answer to a refused handshake."""

import pytest

from lihil.server.denial import Denial

DEFAULTS = [(b"date", b"today"), (b"server", b"ours")]


def test_a_body_in_one_piece_gets_its_length() -> None:
    assert Denial(404, [(b"content-type", b"text/plain")], DEFAULTS).encode(b"nothing here", is_last=True) == (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ndate: today\r\nserver: ours\r\n"
        b"connection: close\r\ncontent-length: 12\r\n\r\nnothing here"
    )


def test_what_the_app_gives_stands_as_it_is_in_latin_1_and_once() -> None:
    fields = [(b"Content-Length", b"2"), (b"Date", b"mine"), (b"x", b"\xe9")]
    assert Denial(403, fields, DEFAULTS).encode(b"no", is_last=True) == (
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nDate: mine\r\nx: \xe9\r\n"
        b"server: ours\r\nconnection: close\r\n\r\nno"
    )


def test_a_body_in_parts_ends_with_the_connection() -> None:
    denial = Denial(599, [], [])
    parts = [denial.encode(part, is_last=part == b"c") for part in (b"a", b"b", b"c")]
    assert parts == [b"HTTP/1.1 599 \r\nconnection: close\r\n\r\na", b"b", b"c"]


@pytest.mark.parametrize("status", [100, 101, 199, 600])
def test_a_status_that_ends_no_handshake_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match=f"200 to 599, not {status}"):
        Denial(status, [], [])


def test_a_field_that_would_begin_another_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        Denial(403, [(b"x", b"a\r\nset-cookie: b")], [])
