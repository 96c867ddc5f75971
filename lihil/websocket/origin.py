"""Who may talk to this app from a browser: the Host and Origin checks. Pure, and never raises on any header.

A browser lets every page open a WebSocket to every server and sends the user's cookies along; only the server can
refuse (RFC 6455, section 10.2: cross-site WebSocket hijacking). A page may also make its own name point at 127.0.0.1
(DNS rebinding); only the Host field tells.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@\\\s]+)")


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
    match = _ORIGIN.fullmatch(text.lower())
    host = parse_host(match["host"]) if match is not None else None
    if match is None or host is None:
        return None
    port = host.port if host.port is not None else _DEFAULT_PORTS.get(match["scheme"])
    return match["scheme"], Host(host.name, port)


def is_loopback(name: str) -> bool:
    """Whether a host name means this machine: localhost, *.localhost (RFC 6761, section 6.3), 127.0.0.0/8, ::1."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


class HostPolicy:
    """Which names this app answers to.

    Without a list: a server that listens on loopback only answers to loopback names, any other server to any name.
    Entries are names, `*.example.com` for everything below, or `*`. Raises ValueError for an entry that is none.
    """

    def __init__(self, allowed: Sequence[str] | str | None) -> None:
        self._allowed = None if allowed is None else _entries(allowed, "allowed_hosts")
        for entry in self._allowed or ():
            if entry != ANY and parse_host(entry.removeprefix("*.")) is None:
                raise ValueError(f"allowed_hosts takes names such as 'example.com' or '*.example.com', not {entry!r}")

    def allows(self, host: str | None, server: str | None) -> bool:
        """Whether a request with this Host field is answered; `server` is the address that the server listens on."""
        if self._allowed is not None and ANY in self._allowed:
            return True
        at_loopback = server is not None and is_loopback(server)
        if self._allowed is None and not at_loopback:
            return True
        parsed = parse_host(host) if host is not None else None
        if parsed is None:
            return False
        if at_loopback and is_loopback(parsed.name):
            return True
        return any(_name_matches(parsed.name, entry) for entry in self._allowed or ())


class OriginPolicy:
    """Which pages may open a WebSocket.

    No Origin: no browser, allowed. The page's host and port are the Host field's: allowed. Both on loopback: allowed,
    whatever the port, for a front-end server beside this one. Else the list decides: whole origins
    (`https://example.com`), host names, `*.example.com`, or `*`. Raises ValueError for an entry that is none.
    """

    def __init__(self, allowed: Sequence[str] | str | None) -> None:
        self._allowed = _entries(allowed or (), "allowed_origins")
        for entry in self._allowed:
            known = entry == ANY or parse_origin(entry) or parse_host(entry.removeprefix("*."))
            if not known:
                raise ValueError(
                    f"allowed_origins takes entries such as 'https://example.com' or '*.example.com', not {entry!r}"
                )

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a handshake with these Origin and Host fields goes on."""
        if origin is None or ANY in self._allowed:
            return True
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        scheme, page = parsed
        own = parse_host(host) if host is not None else None
        if own is not None and _is_same(page, own, scheme):
            return True
        return any(_origin_matches(scheme, page, entry) for entry in self._allowed)


def _is_same(page: Host, own: Host, scheme: str) -> bool:
    if is_loopback(page.name) and is_loopback(own.name):
        return True
    # A Host field without a port stands for the default port of the page's own scheme: the TLS may end in a proxy.
    own_port = own.port if own.port is not None else _DEFAULT_PORTS.get(scheme)
    return page.name == own.name and page.port == own_port


def _origin_matches(scheme: str, page: Host, entry: str) -> bool:
    whole = parse_origin(entry)
    if whole is not None:
        return whole == (scheme, page)
    listed = parse_host(entry.removeprefix("*."))
    if listed is None or not _name_matches(page.name, entry):
        return False
    return listed.port is None or listed.port == page.port


def _name_matches(name: str, entry: str) -> bool:
    listed = parse_host(entry.removeprefix("*."))
    if listed is None:
        return False
    return name.endswith(f".{listed.name}") if entry.startswith("*.") else name == listed.name


def _entries(allowed: Iterable[str] | str, setting: str) -> tuple[str, ...]:
    if isinstance(allowed, str):
        if allowed != ANY:
            raise ValueError(f"{setting} takes a list of names, or '*': write {setting}=[{allowed!r}]")
        return (ANY,)
    return tuple(allowed)
