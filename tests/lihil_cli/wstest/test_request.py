import pytest

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.request import check_origin, check_subprotocols, parse_header


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
