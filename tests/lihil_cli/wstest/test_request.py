import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.request import (
    add_query,
    check_origin,
    check_subprotocols,
    credentials,
    parse_header,
    parse_items,
)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("Authorization: Bearer a:b", ("Authorization", "Bearer a:b")),
        ("X-Empty:", ("X-Empty", "")),
        ("Cookie:a=b", ("Cookie", "a=b")),
    ],
)
def test_a_header_is_a_name_and_a_value(text: str, header: tuple[str, str]) -> None:
    assert parse_header(text) == header


@pytest.mark.parametrize(
    "text", ["no colon", ": x", "a b: x", "X: a\r\nY: b", "X: é", "Host: h", "Sec-WebSocket-Key: x", "UPGRADE: x"]
)
def test_what_cannot_be_a_header_is_wrong_use(text: str) -> None:
    with pytest.raises(CliError) as caught:
        parse_header(text)
    assert caught.value.code == ExitCode.USAGE


def test_subprotocols_keep_their_order() -> None:
    assert check_subprotocols(["b", "a.v1"]) == ("b", "a.v1")


@pytest.mark.parametrize("name", ["", "a,b", "a b", "é"])
def test_what_cannot_be_a_subprotocol_is_wrong_use(name: str) -> None:
    with pytest.raises(CliError) as caught:
        check_subprotocols(["ok", name])
    assert caught.value.code == ExitCode.USAGE


def test_an_origin_is_sent_as_it_is_unless_it_would_break_the_request() -> None:
    assert check_origin(None) is None
    assert check_origin("https://example.com") == "https://example.com"
    with pytest.raises(CliError):
        check_origin("x\r\nY: z")


def test_items_are_for_the_query_or_the_headers() -> None:
    extras = parse_items(["max_users==5", "X-Token:abc", "q==a:b", "empty==", "X-Odd:a==b"])
    assert extras.query == (("max_users", "5"), ("q", "a:b"), ("empty", ""))
    assert extras.headers == (("X-Token", "abc"), ("X-Odd", "a==b"))


@pytest.mark.parametrize("item", ["nonsense", "a=b", "==x", "/other/path", "Host:x"])
def test_what_is_no_item_is_wrong_use(item: str) -> None:
    with pytest.raises(CliError) as caught:
        parse_items([item])
    assert caught.value.code == ExitCode.USAGE


def test_a_query_grows_url_encoded() -> None:
    assert add_query("/x", []) == "/x"
    assert add_query("/x", [("a b", "c&d")]) == "/x?a%20b=c%26d"
    assert add_query("?", [("a", "1")]) == "?a=1"
    assert add_query("/x?y=1", [("a", "1"), ("b", "/")]) == "/x?y=1&a=1&b=%2F"


def test_credentials_become_headers() -> None:
    assert credentials(["a=1", "b=2"], "me:pw", None) == (
        ("Cookie", "a=1; b=2"),
        ("Authorization", "Basic bWU6cHc="),
    )
    assert credentials([], None, "s3cret") == (("Authorization", "Bearer s3cret"),)


@pytest.mark.parametrize(
    ("cookies", "auth", "bearer"),
    [(["a"], None, None), (["a=b; c=d"], None, None), ([], "me", None), ([], "me:pw", "t"), ([], None, "a\nb")],
)
def test_credentials_that_cannot_be_sent_are_wrong_use(
    cookies: list[str], auth: str | None, bearer: str | None
) -> None:
    with pytest.raises(CliError) as caught:
        credentials(cookies, auth, bearer)
    assert caught.value.code == ExitCode.USAGE
