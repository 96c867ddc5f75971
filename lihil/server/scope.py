"""What an app and the access log are told about a handshake."""

from asyncio import Transport
from typing import Any
from urllib.parse import quote, unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from lihil.asgi import WEBSOCKET, Scope
from lihil.rfc6455.handshake import Offer
from lihil.rfc6455.head import Head


def make_scope(
    head: Head,
    offer: Offer,
    transport: Transport,
    config: Config,
    *,
    state: dict[str, Any],
    extensions: dict[str, Any],
) -> Scope:
    """The connection scope of a handshake (ASGI, WebSocket spec_version 2.4). No target raises."""
    raw_path, _, query = _origin_form(head.target).partition(b"?")
    root = config.root_path
    path = raw_path.decode("latin-1")
    return {
        "type": WEBSOCKET,
        "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if is_ssl(transport) else "ws",
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "root_path": root,
        "path": root + (unquote(path) if "%" in path else path),
        "raw_path": root.encode() + raw_path,
        "query_string": query,
        "headers": list(head.fields),
        "subprotocols": list(offer.subprotocols),
        "state": state.copy(),
        "extensions": extensions,
    }


def access_names(scope: Scope) -> tuple[str, str]:
    """Peer and target as uvicorn's log names them, with nothing from the network that a terminal would obey."""
    client = scope["client"]
    query = scope["query_string"].decode("latin-1")
    target = quote(scope["path"]) + (f"?{_plain(query)}" if query else "")
    return f"{_plain(str(client[0]))}:{client[1]}" if client else "", target


def _origin_form(target: bytes) -> bytes:
    """A target without scheme and host: a server has to take the absolute form as well (RFC 9112, section 3.2.2)."""
    if target.startswith(b"/"):
        return target
    scheme, found, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if found and b"?" not in scheme else target


def _plain(text: str) -> str:
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
