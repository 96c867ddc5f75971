"""Whose word counts about the client behind them: the peers named by `--forwarded-allow-ips`."""

import ipaddress
from typing import Final, TypeAlias

from lihil_cli.record import Record

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LOCAL: Final = "127.0.0.1,::1,unix"
"""The proxies that are believed unless others are named: on this machine, and at the other end of a Unix socket."""


class Proxies(Record):
    """The peers whose headers count: networks, a Unix socket's other end, or all there are."""

    networks: tuple[Network, ...]
    unix: bool = False
    everyone: bool = False

    def include(self, host: str | None) -> bool:
        """Whether `host`, an address or None for a Unix socket's other end, is one of them."""
        if self.everyone:
            return True
        if host is None:
            return self.unix
        address = parse_address(host)
        return address is not None and any(address in network for network in self.networks)


def parse_proxies(text: str) -> Proxies:
    """Addresses, networks and `unix`, separated by commas; or `*`. Raises ValueError that names what is none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words == ["*"]:
        return Proxies((), unix=True, everyone=True)
    networks = tuple(ipaddress.ip_network(word) for word in words if word != "unix")
    return Proxies(networks, unix="unix" in words)


def parse_address(text: str) -> Address | None:
    """An IP address, an IPv4 one in IPv6 clothes as what it is; None for any other text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
