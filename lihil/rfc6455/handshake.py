"""The opening handshake of both roles (RFC 6455, sections 4 and 9)."""

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from hashlib import sha1
from typing import Final, NamedTuple, TypeAlias

from lihil.rfc6455 import deflate
from lihil.rfc6455.deflate import DeflateOptions, OfferError, Parameters
from lihil.rfc6455.head import Head, tokens_of

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
VERSION: Final = "13"

Fields: TypeAlias = Iterable[tuple[bytes, bytes]]

# What a server reads of a client's handshake; one pass over the fields takes them all.
_OF_A_REQUEST: Final = frozenset(
    {
        b"host",
        b"upgrade",
        b"connection",
        b"sec-websocket-version",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-extensions",
    }
)

# A 426 names the protocol (RFC 9110, section 15.5.22), and the version for one who asked for another (section 4.4).
_NEEDED: Final = (
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", VERSION.encode()),
)

_BREAKS = re.compile(rb"[\r\n\0]")
_CHARACTER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_IS_TOKEN = re.compile(rf"{_CHARACTER}+")
# A quoted value has to be a token, too, once its quotes and backslashes are gone (section 9.1).
_PARAMETER = re.compile(rf"({_CHARACTER}+)(?:[\t ]*=[\t ]*(?:({_CHARACTER}+)|\"((?:\\?{_CHARACTER})+)\"))?")
_TARGET = re.compile(r"[!-~]+")


class HandshakeError(Exception):
    """A handshake that cannot go on: the status a server answers with, and why."""

    def __init__(self, reason: str, *, status: int = 400, fields: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.fields: tuple[tuple[bytes, bytes], ...] = tuple(fields)


class Offer(NamedTuple):
    """What a client asks for: its key, the subprotocols it speaks, and its offers of permessage-deflate in order."""

    key: str
    subprotocols: tuple[str, ...]
    deflate_offers: tuple[Parameters, ...]


class Agreement(NamedTuple):
    """What both sides agreed to."""

    subprotocol: str | None = None
    deflate: DeflateOptions | None = None


def accept_token(key: str) -> bytes:
    """The value of Sec-WebSocket-Accept (section 4.2.2)."""
    return b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest())


def read_offer(head: Head) -> Offer:
    """Check a client's handshake (section 4.2.1). Raises HandshakeError with the status to answer with."""
    if head.method != b"GET" or head.minor < 1:
        raise HandshakeError("a WebSocket handshake is a GET of HTTP/1.1")
    found: dict[bytes, list[str]] = {}
    for name, value in head.fields:
        if name in _OF_A_REQUEST:
            found.setdefault(name, []).append(value.decode("latin-1"))
    if len(found.get(b"host", ())) != 1:
        raise HandshakeError("the Host header field must be there once")
    if not (_holds(found.get(b"upgrade"), "websocket") and _holds(found.get(b"connection"), "upgrade")):
        raise HandshakeError(
            "the handshake needs Upgrade: websocket and Connection: Upgrade", status=426, fields=_NEEDED
        )
    if found.get(b"sec-websocket-version") != [VERSION]:
        raise HandshakeError(f"the only version is {VERSION}", status=426, fields=_NEEDED)
    keys = found.get(b"sec-websocket-key", ())
    if len(keys) != 1 or not _is_key(keys[0]):
        raise HandshakeError("Sec-WebSocket-Key must be there once: 16 bytes in base64")
    names = tokens_of(found.get(b"sec-websocket-protocol", ()))
    if not all(_IS_TOKEN.fullmatch(name) for name in names):
        raise HandshakeError("Sec-WebSocket-Protocol is a list of tokens")
    extensions = map(_extension, tokens_of(found.get(b"sec-websocket-extensions", ())))
    return Offer(keys[0], tuple(names), tuple([given for name, given in extensions if name == deflate.NAME]))


def encode_accept(offer: Offer, subprotocol: str | None, extension: str | None, fields: Fields = ()) -> bytes:
    """The head of the answer 101 (section 4.2.2). Raises ValueError for a field that would break out of its line."""
    lines = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Sec-WebSocket-Accept: %s\r\n" % accept_token(offer.key),
    ]
    if subprotocol is not None:
        lines.append(encode_field(b"Sec-WebSocket-Protocol", subprotocol.encode("latin-1")))
    if extension is not None:
        lines.append(encode_field(b"Sec-WebSocket-Extensions", extension.encode("latin-1")))
    lines += [encode_field(name, value) for name, value in fields]
    return b"".join([*lines, b"\r\n"])


def encode_field(name: bytes, value: bytes) -> bytes:
    """One header field's line. Raises ValueError for a line break inside, which would begin another field, or a NUL."""
    line = b"%s: %s" % (name, value)
    if _BREAKS.search(line):
        raise ValueError(f"a header field holds a line break or a NUL: {name!r}")
    return line + b"\r\n"


def encode_request(
    host: str,
    target: str,
    key: str,
    *,
    subprotocols: Sequence[str] = (),
    deflate_offer: DeflateOptions | None = None,
    fields: Fields = (),
) -> bytes:
    """A client's handshake (section 4.1). `key` is 16 random bytes in base64. Raises ValueError for a line break."""
    if not _TARGET.fullmatch(target):
        raise ValueError(f"a request target is ASCII without white space, and not empty: {target!r}")
    lines = [b"GET %s HTTP/1.1\r\n" % target.encode("ascii"), encode_field(b"Host", host.encode("ascii"))]
    lines.append(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
    lines.append(encode_field(b"Sec-WebSocket-Key", key.encode("ascii")))
    if subprotocols:
        lines.append(encode_field(b"Sec-WebSocket-Protocol", ", ".join(subprotocols).encode("latin-1")))
    if deflate_offer is not None:
        lines.append(encode_field(b"Sec-WebSocket-Extensions", deflate.offer_of(deflate_offer).encode()))
    lines += [encode_field(name, value) for name, value in fields]
    return b"".join([*lines, b"\r\n"])


def read_answer(
    head: Head, key: str, *, subprotocols: Sequence[str] = (), deflate_offer: DeflateOptions | None = None
) -> Agreement:
    """Check a server's answer 101 (section 4.1, "validate the server's response"). Raises HandshakeError."""
    if head.status != 101:
        raise HandshakeError(f"the server answered {head.status}, not 101")
    if _lowered(head.tokens(b"upgrade")) != ["websocket"] or "upgrade" not in _lowered(head.tokens(b"connection")):
        raise HandshakeError("the answer lacks Upgrade: websocket and Connection: Upgrade")
    if head.all(b"sec-websocket-accept") != [accept_token(key).decode()]:
        raise HandshakeError("Sec-WebSocket-Accept does not belong to our key")
    return Agreement(_chosen_subprotocol(head, subprotocols), _chosen_deflate(head, deflate_offer))


def _chosen_subprotocol(head: Head, offered: Sequence[str]) -> str | None:
    chosen = head.all(b"sec-websocket-protocol")
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in offered:
        raise HandshakeError(f"the server chose a subprotocol that was not offered: {', '.join(chosen)}")
    return chosen[0]


def _chosen_deflate(head: Head, offered: DeflateOptions | None) -> DeflateOptions | None:
    extensions = parse_extensions(head)
    if not extensions:
        return None
    (name, parameters), *more = extensions
    if more or offered is None or name != deflate.NAME:
        raise HandshakeError(f"the server chose an extension that was not offered: {name}")
    try:
        return deflate.accepted_by_server(parameters, offered)
    except OfferError as exc:
        raise HandshakeError(str(exc)) from None


def parse_extensions(head: Head) -> list[tuple[str, Parameters]]:
    """Sec-WebSocket-Extensions (section 9.1). Raises HandshakeError for text that is none."""
    return [_extension(text) for text in head.tokens(b"sec-websocket-extensions")]


def _extension(text: str) -> tuple[str, Parameters]:
    name, *rest = [part.strip(" \t") for part in text.split(";")]
    matches = [_PARAMETER.fullmatch(part) for part in rest]
    parameters = [(found[1], _value(found[2], found[3])) for found in matches if found is not None]
    if len(parameters) < len(rest) or not _IS_TOKEN.fullmatch(name):
        raise HandshakeError(f"Sec-WebSocket-Extensions cannot be read at {text[:80]!r}")
    return name, parameters


def _value(token: str | None, quoted: str | None) -> str | None:
    return token if quoted is None else quoted.replace("\\", "")


def _holds(values: Sequence[str] | None, token: str) -> bool:
    """Whether a list-valued field has this member, in any case; mostly it is the only one."""
    if not values:
        return False
    return values[0].lower() == token or token in _lowered(tokens_of(values))


def _lowered(tokens: Iterable[str]) -> list[str]:
    return [token.lower() for token in tokens]


def _is_key(text: str) -> bool:
    try:
        return len(a2b_base64(text, strict_mode=True)) == 16
    except (Base64Error, ValueError):
        return False
