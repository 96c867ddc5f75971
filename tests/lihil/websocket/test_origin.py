"""Who may talk to the app: tables of hosts and origins, and that no text makes the checks raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.websocket.origin import Host, HostPolicy, OriginPolicy, is_loopback, parse_host, parse_origin

HOSTS: list[tuple[str, Host | None]] = [
    ("example.com", Host("example.com")),
    ("Example.COM:8000", Host("example.com", 8000)),
    ("example.com.", Host("example.com")),
    ("example.com.:80", Host("example.com", 80)),
    ("xn--bcher-kva.example", Host("xn--bcher-kva.example")),
    ("my_service:1", Host("my_service", 1)),
    ("127.0.0.1:65535", Host("127.0.0.1", 65535)),
    ("[::1]:8000", Host("[::1]", 8000)),
    ("[2001:DB8::1]", Host("[2001:db8::1]")),
    ("[::ffff:127.0.0.1]", Host("[::ffff:127.0.0.1]")),
    ("", None),
    (".", None),
    (":80", None),
    ("example.com:", None),
    ("example.com:65536", None),
    ("example.com:123456", None),
    ("example.com:-1", None),
    ("example.com:8o", None),
    ("example.com:80:80", None),
    ("user@example.com", None),
    ("user:pass@example.com", None),
    ("example.com/path", None),
    ("example.com?x", None),
    ("example.com#x", None),
    ("example.com\\@evil.example", None),
    ("example.com, evil.example", None),
    ("exa mple.com", None),
    (" example.com", None),
    ("example.com\n", None),
    ("example.com\x00", None),
    ("bücher.example", None),
    ("loca\u212ahost", None),
    ("example\u3002com", None),
    ("example.com:٨٠", None),
    ("::1", None),
    ("[::1", None),
    ("[fe80::1%eth0]", None),
    ("*", None),
    ("%6c%6f", None),
]


@pytest.mark.parametrize(("text", "host"), HOSTS)
def test_a_host_field_is_read(text: str, host: Host | None) -> None:
    assert parse_host(text) == host


ORIGINS: list[tuple[str, tuple[str, Host] | None]] = [
    ("https://example.com", ("https", Host("example.com", 443))),
    ("http://example.com", ("http", Host("example.com", 80))),
    ("HTTPS://EXAMPLE.com:8443", ("https", Host("example.com", 8443))),
    ("https://example.com.", ("https", Host("example.com", 443))),
    ("http://[::1]:3000", ("http", Host("[::1]", 3000))),
    ("chrome-extension://abcdef", ("chrome-extension", Host("abcdef"))),
    ("null", None),
    ("", None),
    ("file://", None),
    ("https://", None),
    ("https:/example.com", None),
    ("//example.com", None),
    ("example.com", None),
    ("https://user@example.com", None),
    ("https://example.com@evil.example", None),
    ("https://example.com/", None),
    ("https://example.com?x", None),
    ("https://example.com#x", None),
    ("https://example.com\\.evil.example", None),
    ("https://example.com https://evil.example", None),
    ("https://example.com, https://evil.example", None),
    ("https://bücher.example", None),
    ("http://loca\u212ahost", None),
    ("\u212attp://localhost", None),
    ("http://localhost:99999", None),
    ("data:text/html,x", None),
    ("javascript:alert(1)", None),
]


@pytest.mark.parametrize(("text", "origin"), ORIGINS)
def test_an_origin_field_is_read(text: str, origin: tuple[str, Host] | None) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("[::1]", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("evil-localhost", False),
        ("evillocalhost", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("2130706433", False),
        ("127.1", False),
        ("[::2]", False),
        ("[::ffff:10.0.0.1]", False),
        ("[:::]", False),
        ("/run/app.sock", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_that_looks_like_it(name: str, expected: bool) -> None:
    assert is_loopback(name) is expected


LOOPBACK, PUBLIC = "127.0.0.1", "203.0.113.5"


@pytest.mark.parametrize(
    ("allowed", "host", "server", "expected"),
    [
        (None, "localhost:8000", LOOPBACK, True),
        (None, "127.0.0.1:8000", LOOPBACK, True),
        (None, "[::1]:8000", "::1", True),
        (None, "LOCALHOST.:8000", LOOPBACK, True),
        (None, "my.localhost", "localhost", True),
        (None, "0.0.0.0:8000", LOOPBACK, True),
        (None, "[::]:8000", "::1", True),
        (None, "localhost", "::ffff:127.0.0.1", True),
        (None, "evil.example", LOOPBACK, False),
        (None, "evil.example", "::ffff:127.0.0.1", False),
        (None, "evil-localhost", LOOPBACK, False),
        (None, "localhost.evil.example", LOOPBACK, False),
        (None, "203.0.113.5", LOOPBACK, False),
        (None, "[2001:db8::1]", LOOPBACK, False),
        (None, "no host", LOOPBACK, False),
        (None, None, LOOPBACK, False),
        (None, "example.com", PUBLIC, True),
        (None, None, PUBLIC, True),
        (None, "example.com", None, True),
        (None, "example.com", "/run/app.sock", True),
        (None, "example.com", "0.0.0.0", True),
        ([], "example.com", PUBLIC, False),
        ([], "localhost", LOOPBACK, True),
        (["example.com"], "example.com:8000", PUBLIC, True),
        (["Example.com"], "EXAMPLE.COM.", PUBLIC, True),
        (["example.com"], "example.com", LOOPBACK, True),
        (["example.com"], "localhost", LOOPBACK, True),
        (["example.com"], "localhost", PUBLIC, False),
        (["example.com"], "www.example.com", PUBLIC, False),
        (["example.com"], "evilexample.com", PUBLIC, False),
        (["example.com"], "example.com.evil.example", PUBLIC, False),
        (["example.com"], None, PUBLIC, False),
        (["example.com:8000"], "example.com:8000", PUBLIC, True),
        (["example.com:8000"], "example.com:9000", PUBLIC, False),
        (["*.example.com"], "a.b.example.com", PUBLIC, True),
        (["*.example.com"], "example.com", PUBLIC, False),
        (["*.example.com"], "evil-example.com", PUBLIC, False),
        (["other.example", "example.com"], "example.com", PUBLIC, True),
        (["*"], "anything.example", LOOPBACK, True),
        (["*", "example.com"], None, LOOPBACK, True),
        ("*", "no host", LOOPBACK, True),
    ],
)
def test_a_host_is_answered_or_not(allowed: list[str] | None, host: str | None, server: str, expected: bool) -> None:
    assert HostPolicy(allowed).allows(host, server) is expected


@pytest.mark.parametrize(
    ("allowed", "origin", "host", "expected"),
    [
        (None, None, "example.com", True),
        (None, "https://example.com", "example.com", True),
        (None, "http://example.com", "example.com", True),
        (None, "http://example.com:8000", "example.com:8000", True),
        (None, "https://EXAMPLE.com", "example.COM:443", True),
        (None, "https://example.com.", "example.com", True),
        (None, "http://localhost:3000", "localhost:8000", True),
        (None, "http://localhost:3000", "127.0.0.1:8000", True),
        (None, "http://[::1]:3000", "app.localhost:8000", True),
        (None, "http://0.0.0.0:8000", "0.0.0.0:8000", True),
        (None, "https://evil.example", "example.com", False),
        (None, "https://example.com:8443", "example.com", False),
        (None, "http://example.com", "example.com:8000", False),
        (None, "https://www.example.com", "example.com", False),
        (None, "https://example.com.evil.example", "example.com", False),
        (None, "http://evil-localhost", "localhost:8000", False),
        (None, "http://localhost.evil.example", "localhost:8000", False),
        (None, "http://127.0.0.1.evil.example", "127.0.0.1:8000", False),
        (None, "http://user@localhost", "localhost", False),
        (None, "http://localhost@evil.example", "localhost", False),
        (None, "http://localhost", "example.com", False),
        (None, "https://example.com", "localhost", False),
        (None, "evil://example.com", "example.com", False),
        (None, "evil://localhost", "localhost", False),
        (None, "null", "localhost", False),
        (None, "", "localhost", False),
        (None, "file://", "localhost", False),
        (None, "https://example.com", None, False),
        (None, "https://example.com", "not a host", False),
        (None, "http://localhost, http://evil.example", "localhost", False),
        (["https://page.example"], "https://page.example", "api.example", True),
        (["https://page.example"], "HTTPS://PAGE.EXAMPLE:443", "api.example", True),
        (["https://page.example"], "http://page.example", "api.example", False),
        (["https://page.example"], "https://page.example:8443", "api.example", False),
        (["page.example"], "http://page.example:8000", "api.example", True),
        (["page.example:8000"], "http://page.example:8000", "api.example", True),
        (["page.example:8000"], "http://page.example:9000", "api.example", False),
        (["*.page.example"], "https://a.page.example", "api.example", True),
        (["*.page.example"], "https://page.example", "api.example", False),
        (["*.page.example:8443"], "https://a.page.example", "api.example", False),
        (["*.page.example"], "https://evil-page.example", "api.example", False),
        (["tauri://localhost"], "tauri://localhost", "localhost:8000", True),
        (["xn--bcher-kva.example"], "https://xn--bcher-kva.example", "api.example", True),
        (["page.example"], "null", "api.example", False),
        (["*"], "null", "api.example", True),
        ("*", "https://evil.example", None, True),
        ([], "https://example.com", "example.com", True),
    ],
)
def test_a_page_may_open_a_websocket_or_not(
    allowed: list[str] | None, origin: str | None, host: str | None, expected: bool
) -> None:
    assert OriginPolicy(allowed).allows(origin, host) is expected


@pytest.mark.parametrize(
    "entry",
    ["https://example.com/", "https://*.example.com", "a b", "", "*.", "*.*.example", "bücher.example", "null/"],
)
def test_an_entry_that_is_none_is_refused_with_an_example(entry: str) -> None:
    with pytest.raises(ValueError, match=r"allowed_origins takes entries such as 'https://example.com'"):
        OriginPolicy([entry])
    with pytest.raises(ValueError, match=r"allowed_hosts takes"):
        HostPolicy([entry])


def test_a_host_is_listed_without_a_scheme() -> None:
    with pytest.raises(ValueError, match=r"without a scheme: write 'example.com'"):
        HostPolicy(["https://example.com"])


@pytest.mark.parametrize("text", ["example.com", "", "**"])
def test_a_single_name_is_written_as_a_list(text: str) -> None:
    with pytest.raises(ValueError, match=r"write allowed_hosts=\["):
        HostPolicy(text)
    with pytest.raises(ValueError, match=r"write allowed_origins=\["):
        OriginPolicy(text)


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="htps:/.[]@#?\\*%-_0129aloc \t\r\n\0\xe9\u212a\u3002", max_size=40),
    st.sampled_from(["localhost", "127.0.0.1", "[::1]", "null", "http://localhost"]).flatmap(
        lambda known: st.text(alphabet=".:@/[]%x1", max_size=4).map(lambda more: known + more)
    ),
)
POLICIES = [(HostPolicy(hosts), OriginPolicy(hosts)) for hosts in (None, ["example.com", "*.page.example"])]


@given(HOSTILE, HOSTILE, st.sampled_from([None, "127.0.0.1", "::1", "203.0.113.5", "::ffff:127.0.0.1"]))
def test_no_text_makes_the_checks_raise(host: str, origin: str, server: str | None) -> None:
    for hosts, origins in POLICIES:
        assert hosts.allows(host, server) in {True, False}
        assert origins.allows(origin, host) in {True, False}


@given(HOSTILE)
def test_a_foreign_page_is_never_taken_for_one_of_ours(evil: str) -> None:
    """Whatever stands before a foreign domain, the domain stays foreign."""
    for hosts, origins in POLICIES:
        assert not origins.allows(f"https://{evil}.evil.example", "localhost:8000")
        assert not hosts.allows(f"{evil}.evil.example", "127.0.0.1")
