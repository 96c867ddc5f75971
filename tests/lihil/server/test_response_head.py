"""What an app says of its response, as a head."""

import pytest

from lihil.server.response_head import CHUNKED, ResponseHead, encode_response_head

DATE = ((b"date", b"today"),)


def encode(
    *fields: tuple[bytes, bytes], status: int = 200, is_head: bool = False, keeps_alive: bool = True
) -> ResponseHead:
    return encode_response_head(status, DATE, fields, is_head=is_head, keeps_alive=keeps_alive)


def test_the_servers_fields_come_first_and_names_in_lower_case() -> None:
    assert encode((b"Content-Length", b"5"), (b"X-A", b"\xe9 b")) == (
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\nx-a: \xe9 b\r\n\r\n",
        5,
        True,
    )


@pytest.mark.parametrize(
    ("status", "line"), [(100, b"100 Continue"), (404, b"404 Not Found"), (599, b"599 "), (299, b"299 ")]
)
def test_a_status_has_its_phrase_where_there_is_one(status: int, line: bytes) -> None:
    assert encode(status=status).data.startswith(b"HTTP/1.1 %b\r\n" % line)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (encode(), CHUNKED),
        (encode((b"transfer-encoding", b"Chunked")), CHUNKED),
        (encode((b"transfer-encoding", b"chunked"), (b"content-length", b"5")), CHUNKED),
        (encode((b"content-length", b"5"), (b"transfer-encoding", b"chunked")), CHUNKED),
        (encode((b"content-length", b"5"), (b"content-length", b"6")), 5),
        (encode((b"transfer-encoding", b"gzip"), (b"content-length", b"5")), 5),
        (encode(is_head=True), 0),
        (encode(status=204), 0),
        (encode(status=304), 0),
    ],
)
def test_the_length_of_the_body_is_the_one_that_is_announced(head: ResponseHead, length: int) -> None:
    assert head.length == length
    assert (b"transfer-encoding: chunked" in head.data.lower()) == (length == CHUNKED)


@pytest.mark.parametrize("value", [b"close", b"Close", b"x, CLOSE"])
def test_an_app_may_end_the_connection(value: bytes) -> None:
    head = encode((b"connection", value))
    assert not head.keeps_alive
    assert head.data.count(b"connection: ") == 1


def test_a_connection_that_ends_says_so_once() -> None:
    assert encode(keeps_alive=False).data.count(b"connection: close\r\n") == 1
    assert encode((b"connection", b"close"), keeps_alive=False).data.count(b"connection: close\r\n") == 1
    assert encode((b"connection", b"keep-alive"), keeps_alive=False).data.count(b"connection: close\r\n") == 1
    assert encode((b"connection", b"keep-alive")).keeps_alive


@pytest.mark.parametrize("length", [1, 1000])
@pytest.mark.parametrize("bad", [b"\r\n", b"\n", b"\0", b"\x7f", b"\x1b"])
def test_no_value_ends_its_line(bad: bytes, length: int) -> None:
    with pytest.raises(RuntimeError, match="control character"):
        encode((b"x", b"a" * length + bad))


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xe9", b"a\0"])
def test_a_name_is_a_token(name: bytes) -> None:
    with pytest.raises(RuntimeError, match="no name"):
        encode((name, b"x"))


def test_a_length_is_a_number() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        encode((b"content-length", b"many"))


def test_a_tab_may_stand_in_a_value() -> None:
    assert b"x: a\tb\r\n" in encode((b"x", b"a\tb")).data
