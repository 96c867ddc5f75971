"""What a trusted proxy says about the client behind it: `X-Forwarded-For` and `X-Forwarded-Proto`.

Anybody can send these headers, so they count only from peers that are named, and of a list of addresses only the part
that named proxies have written: it is read from its end (MDN, "X-Forwarded-For", section "Selecting an IP address").
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from lihil_cli.proxies import Proxies, parse_address

Scope: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[..., Awaitable[None]]

_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}


def read_forwarded(
    peer: tuple[str, int] | None, headers: Sequence[tuple[bytes, bytes]], proxies: Proxies
) -> tuple[tuple[str, int] | None, str | None]:
    """The client and the scheme it used (`http`, `https`, None where nobody says), as far as can be believed.

    The last address that no named proxy has, in the order the proxies wrote them; what is no address ends the search
    at the proxy that wrote it.
    """
    if not proxies.include(peer[0] if peer else None):
        return peer, None
    client, scheme = peer, None
    for name, value in headers:
        if name == b"x-forwarded-proto":
            scheme = _SCHEMES.get(value.rpartition(b",")[2].strip().lower(), scheme)
    line = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    for word in reversed(line.split(",")):
        found = _parse_hop(word.strip())
        if found is None:
            break
        client = found
        if not proxies.include(client[0]):
            break
    return client, scheme


class ForwardedApp:
    """An ASGI application that sees the client and the scheme behind its proxies."""

    def __init__(self, app: App, proxies: Proxies) -> None:
        self.app = app
        self.proxies = proxies

    def __call__(self, scope: Scope, receive: object, send: object) -> Awaitable[None]:
        if scope["type"] != "lifespan":
            client, scheme = read_forwarded(scope.get("client"), scope["headers"], self.proxies)
            scope["client"] = client
            if scheme is not None:
                scope["scheme"] = scheme if scope["type"] == "http" else scheme.replace("http", "ws")
        return self.app(scope, receive, send)


def _parse_hop(text: str) -> tuple[str, int] | None:
    """`1.2.3.4`, `1.2.3.4:5`, `::1` or `[::1]:5` as address and port (0 where none is told); None for anything else."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address = parse_address(host)
    if address is None or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        return None
    return str(address), int(port or 0)
