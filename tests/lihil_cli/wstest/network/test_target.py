import pytest

from lihil_cli.devfile import DevFile
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.network.target import Target, follow_redirect, resolve_target


def running(host: str = "127.0.0.1", *, tls: bool = False, uds: str | None = None) -> DevFile:
    return DevFile(pid=1, host=host, port=9000, tls=tls, uds=uds, app="main:app", generation=1, token="t")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/chat", "ws://127.0.0.1:8000/chat"),
        ("chat", "ws://127.0.0.1:8000/chat"),
        ("web_socket/session123?max_users=5", "ws://127.0.0.1:8000/web_socket/session123?max_users=5"),
        ("/a b/ü?q=ä&r=%20", "ws://127.0.0.1:8000/a%20b/%C3%BC?q=%C3%A4&r=%20"),
        ("/next?to=http://x/y", "ws://127.0.0.1:8000/next?to=http://x/y"),
        ("proxy/http://x/y", "ws://127.0.0.1:8000/proxy/http://x/y"),
        ("rooms/a:80", "ws://127.0.0.1:8000/rooms/a:80"),
        (":9/chat", "ws://127.0.0.1:9/chat"),
        (":9", "ws://127.0.0.1:9/"),
        (":9?x=1", "ws://127.0.0.1:9/?x=1"),
        ("example.com:9/chat?x=1", "ws://example.com:9/chat?x=1"),
        ("[::1]:9/chat", "ws://[::1]:9/chat"),
        ("ws://h/p?x=1", "ws://h/p?x=1"),
        ("ws://h", "ws://h/"),
        ("WSS://h/p", "wss://h/p"),
        ("http://h:9/p", "ws://h:9/p"),
        ("https://h/p", "wss://h/p"),
        ("ws://u:p@h/p", "ws://u:p@h/p"),
    ],
)
def test_a_target_is_a_path_or_an_address_or_a_url(text: str, url: str) -> None:
    assert resolve_target(text, None, base=None, port=None).url == url


@pytest.mark.parametrize(
    ("base", "port", "url"),
    [
        ("http://h:9", None, "ws://h:9/chat"),
        ("https://h/prefix/", None, "wss://h/prefix/chat"),
        ("h:9", None, "ws://h:9/chat"),
        (None, 9, "ws://127.0.0.1:9/chat"),
    ],
)
def test_a_path_goes_to_the_server_that_an_option_names(base: str | None, port: int | None, url: str) -> None:
    assert resolve_target("/chat", running(), base=base, port=port) == Target(url)


@pytest.mark.parametrize(
    ("server", "target"),
    [
        (running(), Target("ws://127.0.0.1:9000/chat", running=True)),
        (running(tls=True), Target("wss://127.0.0.1:9000/chat", running=True)),
        (running("0.0.0.0"), Target("ws://127.0.0.1:9000/chat", running=True)),
        (running("::"), Target("ws://[::1]:9000/chat", running=True)),
        (running("::1"), Target("ws://[::1]:9000/chat", running=True)),
        (running(uds="/tmp/s"), Target("ws://localhost/chat", uds="/tmp/s", running=True)),
    ],
)
def test_a_path_goes_to_the_running_dev_server(server: DevFile, target: Target) -> None:
    assert resolve_target("/chat", server, base=None, port=None) == target


@pytest.mark.parametrize(
    ("text", "base", "port"),
    [
        ("", None, None),
        ("  ", None, None),
        ("ftp://h/x", None, None),
        ("ws://", None, None),
        ("ws://:80/x", None, None),
        ("ws://h:99999/x", None, None),
        ("ws://[::1/x", None, None),
        ("ws://a b/x", None, None),
        ("/x#y", None, None),
        ("/x\r\ny", None, None),
        ("/x", "http://h", 80),
        ("ws://h/x", "http://h", None),
        ("h:80/x", None, 80),
        ("/x", "nonsense", None),
        ("/x", "ftp://h", None),
        ("/x", "http://h/#a", None),
    ],
)
def test_a_bad_target_is_wrong_use_and_says_what_to_write(text: str, base: str | None, port: int | None) -> None:
    with pytest.raises(CliError) as caught:
        resolve_target(text, None, base=base, port=port)
    assert caught.value.code == ExitCode.USAGE
    assert caught.value.message.isprintable()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("target", "is_local"),
    [
        (Target("ws://127.0.0.1:1/"), True),
        (Target("ws://127.9.9.9/"), True),
        (Target("ws://[::1]:1/"), True),
        (Target("ws://localhost/"), True),
        (Target("ws://app.localhost/"), True),
        (Target("ws://far/", uds="/tmp/s"), True),
        (Target("ws://example.com/"), False),
        (Target("ws://10.0.0.1/"), False),
    ],
)
def test_only_this_machine_is_local(target: Target, is_local: bool) -> None:
    assert target.is_local is is_local


def test_a_password_in_the_url_is_not_shown() -> None:
    target = Target("wss://u:secret@h:9/p?x=1")
    assert (target.shown, target.address, target.is_secure) == ("wss://h:9/p?x=1", "h:9", True)


@pytest.mark.parametrize(
    ("url", "location", "new"),
    [
        ("ws://h:1/a", "/b", "ws://h:1/b"),
        ("ws://h:1/a/", "b?x=1", "ws://h:1/a/b?x=1"),
        ("ws://h:1/a", "http://h:2/b", "ws://h:2/b"),
        ("ws://h/a", "https://h/a", "wss://h/a"),
    ],
)
def test_a_redirect_on_the_same_host_is_followed(url: str, location: str, new: str) -> None:
    assert follow_redirect(url, location) == new


@pytest.mark.parametrize(
    ("url", "location", "why"),
    [
        ("wss://h/a", "ws://h/a", "plain"),
        ("wss://h/a", "http://h/a", "plain"),
        ("ws://h/a", "ftp://h/a", "scheme"),
    ],
)
def test_a_redirect_elsewhere_is_refused(url: str, location: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        follow_redirect(url, location)
