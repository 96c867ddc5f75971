import pytest

from lihil_cli.wstest.network.proxy import Proxy, choose_proxy, parse_proxy


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128)),
        ("proxy.example", Proxy("http", "proxy.example", 80)),
        ("https://proxy.example", Proxy("https", "proxy.example", 443)),
        ("http://u%40x:p%3Aw@[::1]:3128", Proxy("http", "::1", 3128, "u@x", "p:w")),
        ("socks5://proxy.example", Proxy("socks5", "proxy.example", 1080)),
        ("socks://proxy.example:9050", Proxy("socks5h", "proxy.example", 9050)),
    ],
)
def test_a_proxy_is_read_from_its_url(text: str, proxy: Proxy) -> None:
    assert parse_proxy(text) == proxy


@pytest.mark.parametrize(
    ("text", "why"), [("ftp://p", "no kind of proxy"), ("http://", "names no host"), ("http://p:99999", "no address")]
)
def test_what_is_no_proxy_is_told_with_its_source(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)https_proxy.*{why}"):
        parse_proxy(text, "https_proxy")


def test_a_proxy_is_shown_without_its_password() -> None:
    proxy = parse_proxy("http://me:secret@[::1]:3128")
    assert (proxy.shown, proxy.is_socks) == ("http://[::1]:3128", False)
    assert parse_proxy("socks4a://h").is_socks


ENVIRONMENT = {
    "http_proxy": "http://plain",
    "HTTPS_PROXY": "http://secure",
    "ALL_PROXY": "socks5://all",
    "NO_PROXY": "internal.example, .corp ,10.0.0.0/8,[2001:db8::]/32, other.example:8000,*.wild.example",
}


@pytest.mark.parametrize(
    ("url", "environment", "host"),
    [
        ("ws://example.com/", ENVIRONMENT, "plain"),
        ("wss://example.com/", ENVIRONMENT, "secure"),
        ("ws://example.com/", {"ALL_PROXY": "socks5://all"}, "all"),
        ("ws://example.com/", {"ws_proxy": "w", "http_proxy": "h"}, "w"),
        ("ws://example.com/", {}, None),
        ("ws://example.com/", {"http_proxy": "h", "no_proxy": "*"}, None),
        ("ws://internal.example/", ENVIRONMENT, None),
        ("ws://below.internal.example/", ENVIRONMENT, None),
        ("ws://notinternal.example/", ENVIRONMENT, "plain"),
        ("ws://a.corp/", ENVIRONMENT, None),
        ("ws://a.wild.example/", ENVIRONMENT, None),
        ("ws://10.1.2.3/", ENVIRONMENT, None),
        ("ws://11.1.2.3/", ENVIRONMENT, "plain"),
        ("ws://other.example:8000/", ENVIRONMENT, None),
        ("ws://other.example/", ENVIRONMENT, "plain"),
        ("wss://[2001:db8::1]/", {"https_proxy": "h", "no_proxy": "2001:db8::/32"}, None),
        ("wss://[2001:db8::1]:8443/", {"https_proxy": "h", "no_proxy": "[2001:db8::1]:8443"}, None),
    ],
)
def test_the_environment_says_which_proxy(url: str, environment: dict[str, str], host: str | None) -> None:
    proxy = choose_proxy(url, None, environment, is_local=False)
    assert (proxy and proxy.host) == host


def test_this_machine_is_never_reached_through_a_proxy_unless_asked() -> None:
    url = "ws://127.0.0.1:8000/"
    assert choose_proxy(url, None, ENVIRONMENT, is_local=True) is None
    assert choose_proxy(url, "http://p", ENVIRONMENT, is_local=True) == Proxy("http", "p", 80)
    assert choose_proxy("ws://example.com/", "", ENVIRONMENT, is_local=False) is None
