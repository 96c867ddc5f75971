"""From an address to open bytes: TCP, TLS, a Unix socket, and proxies in between."""

import asyncio
import importlib
import os
import socket
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

from lihil_cli.wstest.network.answer import read_head
from lihil_cli.wstest.network.handshake import CannotConnectError, Handshake, HungUpError, Tls
from lihil_cli.wstest.network.proxy import Proxy, choose_proxy
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.network.tls import tls_context
from lihil_cli.wstest.network.wire import Wire
from lihil_cli.wstest.protocol import HeadError

# RFC 8305, section 8: what the next address of a name waits for the one before it.
_NEXT_ADDRESS_S = 0.25
_WAY_ROUND = "--no-proxy goes without it"


async def dial(target: Target, handshake: Handshake) -> Wire:
    """A wire to where `target` leads, TLS included. Raises CannotConnectError, ssl.SSLError, OSError."""
    wire = await _reach(target, handshake)
    try:
        if target.is_secure:
            await wire.secure(tls_context(handshake.tls), handshake.tls.sni or _host_of(target))
    except BaseException:
        wire.abort()
        raise
    return wire


async def _reach(target: Target, handshake: Handshake) -> Wire:
    loop = asyncio.get_running_loop()
    if target.uds is not None:
        _, wire = await loop.create_unix_connection(Wire, target.uds)
        return wire
    try:
        proxy = choose_proxy(target.url, handshake.proxy, os.environ, is_local=target.is_local)
    except ValueError as error:
        raise CannotConnectError(str(error), "--no-proxy goes without one") from None
    host, port = _host_of(target), target.port
    if proxy is None:
        return await _open_tcp(host, port, is_local=target.is_local)
    try:
        return await (_through_socks if proxy.is_socks else _through_http)(proxy, host, port)
    except socket.gaierror as error:
        reason = f"it cannot be found: {error.strerror}"
    except OSError as error:
        reason = reason_of(error)
    except HeadError as error:
        reason = f"it gave no valid answer: {error}"
    except HungUpError:
        reason = "it hung up without an answer"
    raise CannotConnectError(f"the proxy {proxy.shown} ({proxy.source}) did not connect us: {reason}", _WAY_ROUND)


async def _open_tcp(host: str, port: int, *, is_local: bool = False) -> Wire:
    """On this machine an address answers at once or not at all: the race of several addresses is for others."""
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Wire, host, port, happy_eyeballs_delay=None if is_local else _NEXT_ADDRESS_S)
    return wire


async def _through_http(proxy: Proxy, host: str, port: int) -> Wire:
    """A tunnel by CONNECT (RFC 9110, section 9.3.6), for ws:// as well (RFC 6455, section 4.1)."""
    wire = await _open_tcp(proxy.host, proxy.port)
    try:
        if proxy.scheme == "https":
            await wire.secure(tls_context(Tls()), proxy.host)
        wire.write(_connect_request(proxy, host, port))
        head = await read_head(wire)
        if not 200 <= head.status < 300:
            status = f"HTTP {head.status} {head.phrase.decode('latin-1')}".rstrip()
            hint = "put user:password@ before its host" if head.status == 407 else _WAY_ROUND
            raise CannotConnectError(f"the proxy {proxy.shown} ({proxy.source}) refused: {status}", hint)
    except BaseException:
        wire.abort()
        raise
    return wire


def _connect_request(proxy: Proxy, host: str, port: int) -> bytes:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.user is not None:
        secret = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {secret}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _through_socks(proxy: Proxy, host: str, port: int) -> Wire:
    """A tunnel by SOCKS, by way of a package that not everybody needs."""
    try:
        kinds: Any = importlib.import_module("python_socks")
        found: Any = importlib.import_module("python_socks.async_.asyncio")
    except ImportError:
        hint = "pip install 'lihil[socks]', or --no-proxy goes without it"
        raise CannotConnectError(f"the SOCKS proxy {proxy.shown} ({proxy.source}) needs python-socks", hint) from None
    scheme = proxy.scheme.removesuffix("h").removesuffix("a")
    dialler = found.Proxy(
        proxy_type=kinds.ProxyType.SOCKS5 if scheme == "socks5" else kinds.ProxyType.SOCKS4,
        host=proxy.host,
        port=proxy.port,
        username=proxy.user,
        password=proxy.password or None,
        rdns=proxy.scheme.endswith(("h", "a")),
    )
    try:
        connected: socket.socket = await dialler.connect(dest_host=host, dest_port=port)
    except (kinds.ProxyError, kinds.ProxyTimeoutError, kinds.ProxyConnectionError) as error:
        raise OSError(str(error)) from None
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(Wire, sock=connected)
    return wire


def reason_of(error: OSError) -> str:
    """The system's words for the error; asyncio joins several addresses' errors into one without a number."""
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__


def _host_of(target: Target) -> str:
    return urlsplit(target.url).hostname or ""
