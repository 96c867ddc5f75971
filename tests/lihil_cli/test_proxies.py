import pytest

from lihil_cli.proxies import LOCAL, Proxies, parse_address, parse_proxies


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (LOCAL, ["127.0.0.1", "::1", "::ffff:127.0.0.1", None], ["127.0.0.2", "10.0.0.1", "nonsense", ""]),
        ("10.0.0.0/8, 192.168.1.7", ["10.255.0.1", "192.168.1.7"], ["11.0.0.1", "192.168.1.8", None, "::1"]),
        ("unix", [None], ["127.0.0.1"]),
        ("", [], ["127.0.0.1", None]),
        ("*", ["1.2.3.4", None, "anything"], []),
    ],
)
def test_the_peers_that_are_named_are_included(text: str, inside: list[str | None], outside: list[str | None]) -> None:
    proxies = parse_proxies(text)
    assert [host for host in inside if not proxies.include(host)] == []
    assert [host for host in outside if proxies.include(host)] == []


@pytest.mark.parametrize("text", ["10.0.0.0/33", "localhost", "10.0.0.1/8", "1.2.3.4,*", "1.2.3"])
def test_what_is_no_address_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"33|localhost|host bits|\*|1\.2\.3"):
        parse_proxies(text)


def test_nobody_is_one_of_no_proxies() -> None:
    assert not Proxies(()).include("127.0.0.1")
    assert parse_address("x") is None
