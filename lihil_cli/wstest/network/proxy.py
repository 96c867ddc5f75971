"""Which proxy a connection goes through, if any: decided from the options and the environment."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from lihil_cli.record import Record

HTTP_SCHEMES = ("http", "https")
SOCKS_SCHEMES = ("socks5", "socks5h", "socks4", "socks4a")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080


class Proxy(Record):
    """A proxy's address. `user` and `password` are unquoted; `source` says where it was set."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = ""
    source: str = "--proxy"

    @property
    def shown(self) -> str:
        """The address without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        return self.scheme in SOCKS_SCHEMES


def parse_proxy(text: str, source: str = "--proxy") -> Proxy:
    """The proxy that `text` names; without a scheme it is an HTTP proxy. Raises ValueError, saying what is wrong."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    scheme = "socks5h" if parts.scheme.lower() == "socks" else parts.scheme.lower()
    if scheme not in HTTP_SCHEMES + SOCKS_SCHEMES:
        known = ", ".join(HTTP_SCHEMES + SOCKS_SCHEMES)
        raise ValueError(f"{source}: {scheme!r} is no kind of proxy; known are {known}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{source} is no address: {error}") from None
    if not host:
        raise ValueError(f"{source} names no host")
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(
        scheme, host, port or _DEFAULT_PORTS.get(scheme, _SOCKS_PORT), user, unquote(parts.password or ""), source
    )


def choose_proxy(url: str, wanted: str | None, environ: Mapping[str, str], *, is_local: bool) -> Proxy | None:
    """The proxy for a ws:// or wss:// `url`, or None for none.

    `wanted` is the option's: a URL, which counts for every address, "" for no proxy at all, or None: then the
    environment decides, but never for this machine. Raises ValueError for a proxy that cannot be read.
    """
    if wanted is not None:
        return parse_proxy(wanted) if wanted else None
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    if is_local or _is_excepted(host, port, _variable(environ, "no_proxy")[1]):
        return None
    names = ("wss_proxy", "https_proxy") if parts.scheme == "wss" else ("ws_proxy", "http_proxy")
    for name in (*names, "all_proxy"):
        source, value = _variable(environ, name)
        if value:
            return parse_proxy(value, source)
    return None


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable in lower case, or else in upper case, as every tool reads them."""
    for spelling in (name, name.upper()):
        if environ.get(spelling):
            return spelling, environ[spelling].strip()
    return name, ""


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    return any(_is_meant(host, port, entry.strip()) for entry in exceptions.split(",") if entry.strip())


def _is_meant(host: str, port: int, entry: str) -> bool:
    """Whether an entry of NO_PROXY means `host`: `*`, a domain with what is below it, an address, a network."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and "]" not in number and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]").lower().removeprefix("*").lstrip(".")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return host.lower() == entry or host.lower().endswith(f".{entry}")
