"""What an app and the access log are told about a handshake."""

from asyncio import Transport
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote

from uvicorn.config import Config

from lihil.asgi import WEBSOCKET, Scope
from lihil.rfc6455.handshake import Offer
from lihil.rfc6455.head import Head


class Ends(NamedTuple):
    """The two addresses of a connection, as a scope has them, and whether it is encrypted."""

    server: tuple[str, int | None] | None
    client: tuple[str, int] | None
    is_tls: bool

    @classmethod
    def of(cls, transport: Transport) -> Self:
        """Asks the transport, and not for its socket: that is one more object, and takes uvloop seven times as long."""
        server, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if isinstance(server, str):  # a Unix socket's path
            return cls((server, None), None, bool(transport.get_extra_info("sslcontext")))
        return cls(_address(server), _address(client), bool(transport.get_extra_info("sslcontext")))


def _address(info: Any) -> tuple[str, int] | None:
    return (str(info[0]), int(info[1])) if isinstance(info, tuple | list) and len(info) >= 2 else None


def make_scope(
    head: Head,
    offer: Offer,
    ends: Ends,
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
        "scheme": "wss" if ends.is_tls else "ws",
        "server": ends.server,
        "client": ends.client,
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
