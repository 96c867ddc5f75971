"""Who may talk to this app from a browser: the Host and Origin checks. Pure, and never raises on any header.

A browser lets every page open a WebSocket to every server and sends the user's cookies along; only the server can
refuse (RFC 6455, section 10.2: cross-site WebSocket hijacking). A page may also make its own name point at 127.0.0.1
(DNS rebinding); only the Host field tells.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Self

ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_PAGE_SCHEMES: Final = {"http", "https"}
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/?#@\\\s]+)")


@dataclass(frozen=True, slots=True)
class Host:
    """A host name in lower case and its port; None where none was written."""

    name: str
    port: int | None = None


def parse_host(text: str) -> Host | None:
    """A Host field (RFC 9110, section 7.2); None when it is none."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65_535:
        return None
    name = match["name"].lower().removesuffix(".")
    return Host(name, port) if name else None


def parse_origin(text: str) -> tuple[str, Host] | None:
    """An Origin field (RFC 6454, section 7) as scheme and host, the port filled in; None for `null` and the rest."""
    match = _ORIGIN.fullmatch(text)
    host = parse_host(match["host"]) if match is not None else None
    if match is None or host is None:
        return None
    scheme = match["scheme"].lower()
    return scheme, Host(host.name, _port(host, scheme))


def is_loopback(name: str) -> bool:
    """Whether a host name means this machine: localhost, *.localhost (RFC 6761, section 6.3), 127.0.0.0/8, ::1."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _leads_here(name: str) -> bool:
    """Whether a browser on this machine gets here by that name. 0.0.0.0 is what a server on all addresses prints."""
    address = _address(name)
    return is_loopback(name) or (address is not None and address.is_unspecified)


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(name.strip("[]"))
    except ValueError:
        return None
    # A socket for both families shows an IPv4 peer as ::ffff:127.0.0.1 (RFC 4291, section 2.5.5.2).
    return getattr(address, "ipv4_mapped", None) or address


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of an allow-list: `example.com`, `example.com:8000`, `*.example.com`, `https://example.com`."""

    host: Host
    covers_below: bool = False
    scheme: str = ""

    @classmethod
    def read(cls, text: str) -> Self | None:
        whole = parse_origin(text)
        if whole is not None:
            return cls(whole[1], scheme=whole[0])
        host = parse_host(text.removeprefix("*."))
        return None if host is None else cls(host, text.startswith("*."))

    def covers(self, host: Host, scheme: str = "") -> bool:
        if self.scheme and self.scheme != scheme:
            return False
        if self.host.port not in {None, host.port}:
            return False
        return host.name.endswith(f".{self.host.name}") if self.covers_below else host.name == self.host.name


class HostPolicy:
    """Which names this app answers to.

    Without a list: a server that listens on loopback only answers to loopback names, any other server to any name.
    Entries are names, `*.example.com` for everything below, or `*`; a port narrows an entry down. Raises ValueError
    for an entry that is none.
    """

    def __init__(self, allowed: Sequence[str] | str | None) -> None:
        self._allows_any = allowed is not None and ANY in allowed
        self._has_list = allowed is not None
        self._entries = _read(allowed, "allowed_hosts", "'example.com' or '*.example.com'")
        for entry in self._entries:
            if entry.scheme:
                raise ValueError(f"allowed_hosts takes names without a scheme: write {entry.host.name!r}")

    def allows(self, host: str | None, server: str | None) -> bool:
        """Whether a request with this Host field is answered; `server` is the address it came to."""
        at_loopback = server is not None and is_loopback(server)
        if self._allows_any or not (self._has_list or at_loopback):
            return True
        parsed = parse_host(host) if host is not None else None
        if parsed is None:
            return False
        if at_loopback and _leads_here(parsed.name):
            return True
        return any(entry.covers(parsed) for entry in self._entries)


class OriginPolicy:
    """Which pages may open a WebSocket.

    No Origin: no browser, allowed. The page's host and port are the Host field's: allowed. Both on loopback: allowed,
    whatever the port, for a front-end server beside this one. Else the list decides: whole origins
    (`https://example.com`), host names, `*.example.com`, or `*`. Raises ValueError for an entry that is none.
    """

    def __init__(self, allowed: Sequence[str] | str | None) -> None:
        self._allows_any = ANY in (allowed or ())
        self._entries = _read(allowed, "allowed_origins", "'https://example.com' or '*.example.com'")

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a handshake with these Origin and Host fields goes on."""
        if origin is None or self._allows_any:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        scheme, page = parsed
        own = parse_host(host) if host is not None else None
        if own is not None and scheme in _PAGE_SCHEMES and _is_same(page, own, scheme):
            return True
        return any(entry.covers(page, scheme) for entry in self._entries)


def _is_same(page: Host, own: Host, scheme: str) -> bool:
    if _leads_here(page.name) and _leads_here(own.name):
        return True
    # A Host field without a port stands for the default port of the page's own scheme: the TLS may end in a proxy.
    return page == Host(own.name, _port(own, scheme))


def _port(host: Host, scheme: str) -> int | None:
    return host.port if host.port is not None else _DEFAULT_PORTS.get(scheme)


def _read(allowed: Sequence[str] | str | None, setting: str, examples: str) -> tuple[_Entry, ...]:
    if isinstance(allowed, str) and allowed != ANY:
        raise ValueError(f"{setting} takes a list of names, or '*': write {setting}=[{allowed!r}]")
    entries: list[_Entry] = []
    for text in allowed or ():
        entry = _Entry.read(text)
        if entry is not None:
            entries.append(entry)
        elif text != ANY:
            raise ValueError(f"{setting} takes entries such as {examples}, not {text!r}")
    return tuple(entries)
