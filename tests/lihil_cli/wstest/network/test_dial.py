"""The ways to a server: proxies, TLS with certificates of all kinds, a name for it."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.server import ServerConnection

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.connecting import open_connection
from lihil_cli.wstest.network.handshake import CannotConnectError, ConnectionEndedError, Handshake, Tls
from lihil_cli.wstest.network.target import Target
from tests.lihil_cli.wstest.conftest import Servers
from tests.lihil_cli.wstest.tunnels import http_proxy, socks_proxy

CERTIFICATE = Path(__file__).with_name("self_signed.pem")
FAR = Target("ws://far.example:81/chat")
PLAIN = Handshake()


async def silent(connection: ServerConnection) -> None:
    """Say nothing, and close."""


def meet(target: Target, handshake: Handshake) -> Closed:
    async def run() -> Closed:
        connection = await open_connection(target, handshake, print)
        try:
            while True:
                await connection.receive()
        except ConnectionEndedError as end:
            return end.event
        finally:
            await connection.drop()

    return asyncio.run(run())


def test_an_http_proxy_is_asked_for_a_tunnel_and_told_who_we_are(servers: Servers) -> None:
    seen: list[str] = []
    port = servers.raw(http_proxy(servers.websocket(silent), seen))  # type: ignore[arg-type]
    assert meet(FAR, Handshake(proxy=f"http://me:s%20cret@127.0.0.1:{port}")) == Closed(1000)
    assert seen == [
        "CONNECT far.example:81 HTTP/1.1\r\nHost: far.example:81\r\nProxy-Authorization: Basic bWU6cyBjcmV0\r\n\r\n"
    ]


def test_tls_goes_through_the_tunnel_to_the_server(servers: Servers) -> None:
    seen: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    port = servers.raw(http_proxy(servers.websocket(silent, ssl=context), seen))  # type: ignore[arg-type]
    handshake = Handshake(proxy=f"127.0.0.1:{port}", tls=Tls(insecure=True))
    assert meet(Target("wss://far.example/"), handshake) == Closed(1000)
    assert seen == ["CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n"]


def test_the_proxy_of_the_environment_is_taken_for_other_machines(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    port = servers.raw(http_proxy(servers.websocket(silent), seen))  # type: ignore[arg-type]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert meet(FAR, PLAIN) == Closed(1000)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "why"), [("407 Proxy Authentication Required", "user:password@"), ("502 Bad Gateway", "--no-proxy")]
)
def test_a_proxy_that_refuses_is_told_with_what_may_help(servers: Servers, status: str, why: str) -> None:
    port = servers.raw(http_proxy(0, [], status=status))  # type: ignore[arg-type]
    with pytest.raises(CannotConnectError, match=f"refused: HTTP {status}") as caught:
        meet(FAR, Handshake(proxy=f"http://127.0.0.1:{port}"))
    assert why in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "why"), [(b"", "hung up"), (b"220 mail\r\n\r\n", "no valid answer"), (b"x" * 70_000, "no valid answer")]
)
def test_a_proxy_that_is_none_is_told(servers: Servers, answer: bytes, why: str) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    with pytest.raises(CannotConnectError, match=f"did not connect us: it .*{why}"):
        meet(FAR, Handshake(proxy=f"http://127.0.0.1:{servers.raw(babble)}"))


def test_a_proxy_that_cannot_be_is_told() -> None:
    with pytest.raises(CannotConnectError, match="no kind of proxy"):
        meet(FAR, Handshake(proxy="gopher://h"))
    with pytest.raises(CannotConnectError, match="cannot be found"):
        meet(FAR, Handshake(proxy="http://unreachable.invalid"))


@pytest.mark.parametrize(("scheme", "asked"), [("socks5h", "far.example"), ("socks5", "127.0.0.1")])
def test_a_socks_proxy_is_asked_for_the_name_or_the_address(servers: Servers, scheme: str, asked: str) -> None:
    seen: list[str] = []
    port = servers.raw(socks_proxy(servers.websocket(silent), seen))  # type: ignore[arg-type]
    target = FAR if scheme == "socks5h" else Target("ws://127.0.0.1:81/")
    assert meet(target, Handshake(proxy=f"{scheme}://127.0.0.1:{port}")) == Closed(1000)
    assert seen == [asked]


def test_a_socks_proxy_that_fails_is_told(servers: Servers) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)
        writer.write(b"\x05\xff")
        await reader.read()

    with pytest.raises(CannotConnectError, match="did not connect us"):
        meet(FAR, Handshake(proxy=f"socks5h://127.0.0.1:{servers.raw(refuse)}"))


def test_without_the_package_for_socks_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(CannotConnectError, match="needs python-socks") as caught:
        meet(FAR, Handshake(proxy="socks5://127.0.0.1:1"))
    assert "lihil[socks]" in caught.value.hint


# TLS


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and certificates it has signed: `server.pem` for far.example, `client.pem`, each with a key."""
    folder = tmp_path_factory.mktemp("papers")

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, identity in (("server", "far.example"), ("client", "client.example")):
        issued = authority.issue_cert(identity, key_type=trustme.KeyType.ECDSA)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    return folder


@pytest.fixture
def secure_port(servers: Servers, papers: Path) -> int:
    """A server for far.example that wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "server.pem", papers / "server.key")
    context.load_verify_locations(papers / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return servers.websocket(silent, ssl=context)


def test_both_sides_show_certificates_and_the_name_can_be_another(secure_port: int, papers: Path) -> None:
    tls = Tls(
        cacert=str(papers / "ca.pem"),
        cert=str(papers / "client.pem"),
        key=str(papers / "client.key"),
        sni="far.example",
    )
    target = Target(f"wss://127.0.0.1:{secure_port}/")
    assert meet(target, Handshake(tls=tls)) == Closed(1000)
    with pytest.raises(CannotConnectError, match="is not trusted"):
        meet(target, Handshake(tls=tls.but(sni=None)))
    with pytest.raises(CannotConnectError, match="is not trusted"):
        meet(target, Handshake(tls=tls.but(cacert=None)))


@pytest.mark.parametrize("option", ["cacert", "cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_is_no_certificate_is_named(
    servers: Servers, tmp_path: Path, option: str, content: str | None
) -> None:
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    tls = Tls(cacert=str(file)) if option == "cacert" else Tls(cert=str(file))
    with pytest.raises(CannotConnectError, match=f"--{option} .*file.pem cannot be used: ."):
        meet(Target(f"wss://127.0.0.1:{servers.websocket(silent)}/"), Handshake(tls=tls))
