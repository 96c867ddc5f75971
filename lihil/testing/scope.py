"""The scope of a request, with the keys and values that uvicorn would give it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lihil.asgi import HTTP, WEBSOCKET, Message, RawHeaders, Scope
from lihil.testing.host import Host

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request without its body, as it would stand on the wire. `target` is the raw path and query."""

    method: str
    scheme: str
    host: str
    port: int | None
    target: bytes
    headers: RawHeaders


def http_scope(head: RequestHead, host: Host) -> Scope:
    """The scope of an HTTP request (ASGI HTTP spec 2.3, the version uvicorn announces)."""
    return {
        "type": HTTP,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": head.method,
        "scheme": "https" if _SECURE[head.scheme] else "http",
        **_connection(head, host),
        "extensions": {},
    }


def websocket_scope(head: RequestHead, host: Host) -> Scope:
    """The scope of a WebSocket's opening handshake (ASGI WebSocket spec 2.4)."""
    return {
        "type": WEBSOCKET,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "wss" if _SECURE[head.scheme] else "ws",
        **_connection(head, host),
        "subprotocols": subprotocols_in(head.headers),
        "extensions": {"websocket.http.response": {}},
    }


def subprotocols_in(headers: RawHeaders) -> list[str]:
    """What the client offers, in its order, without blanks (RFC 6455, section 11.3.4: the header may repeat)."""
    offers = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [token.strip() for offer in offers for token in offer.split(",") if token.strip()]


def _connection(head: RequestHead, host: Host) -> dict[str, Any]:
    raw_path, _, query = head.target.partition(b"?")
    default_port = 443 if _SECURE[head.scheme] else 80
    return {
        "http_version": "1.1",
        "server": (head.host, head.port or default_port),
        "client": host.client,
        "root_path": host.root_path,
        "path": host.root_path + unquote(raw_path.decode("ascii")),
        "raw_path": host.root_path.encode("ascii") + raw_path,
        "query_string": query,
        "headers": list(head.headers),
        "state": host.state.copy(),
    }


def headers_of(message: Message) -> list[tuple[bytes, bytes]]:
    """The headers an app sends. Raises TypeError, in the app, for a header that is not a pair of bytes."""
    headers: Iterable[tuple[Any, Any]] = message.get("headers") or []
    pairs = [(name, value) for name, value in headers]
    for name, value in pairs:
        if not (isinstance(name, bytes) and isinstance(value, bytes)):
            raise TypeError(f"a header in an ASGI message is a pair of bytes, not ({name!r}, {value!r})")
    return pairs
