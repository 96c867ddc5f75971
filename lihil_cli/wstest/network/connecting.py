"""Opening a connection: from a target to an open WebSocket, redirects and every way to fail included."""

import asyncio
import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from lihil_cli.wstest.network.answer import read_body, read_head
from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.dial import dial, reason_of
from lihil_cli.wstest.network.handshake import (
    CannotConnectError,
    ConnectionEndedError,
    Handshake,
    HungUpError,
    Refusal,
    RefusedError,
    Response,
    Tls,
)
from lihil_cli.wstest.network.loop import Loop
from lihil_cli.wstest.network.target import Target, follow_redirect, is_same_server
from lihil_cli.wstest.network.trace import Frame
from lihil_cli.wstest.network.wire import Wire
from lihil_cli.wstest.network.wired import WireConnection
from lihil_cli.wstest.protocol import Connection as Protocol
from lihil_cli.wstest.protocol import (
    Deflate,
    DeflateOptions,
    HandshakeError,
    Head,
    HeadError,
    Role,
    encode_request,
    read_answer,
)

__all__ = [
    "CannotConnectError",
    "Connection",
    "ConnectionEndedError",
    "Frame",
    "Handshake",
    "Loop",
    "Refusal",
    "RefusedError",
    "Response",
    "Tls",
    "open_connection",
]

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNLIMITED = 1 << 62
# Each fragment costs its receiver more than its sender, but a client asked for what it gets.
_MAX_FRAGMENTS = 1 << 20
_OFFER = DeflateOptions()


async def open_connection(target: Target, handshake: Handshake, report: Callable[[str], None]) -> Connection:
    """Connect and shake hands within `open_timeout_s` in all, following redirects, each of which is told to `report`.

    An app in this process is called instead, where the target says so. Raises CannotConnectError, RefusedError.
    """
    if target.app is not None:
        return await target.app.connect(target, handshake)
    try:
        async with asyncio.timeout(handshake.open_timeout_s):
            return await _follow(target, handshake, report)
    except TimeoutError:
        raise CannotConnectError(f"{target.address} gave no answer within {handshake.open_timeout_s:g} s") from None


async def _follow(target: Target, handshake: Handshake, report: Callable[[str], None]) -> WireConnection:
    here = target
    for _ in range(MAX_REDIRECTS + 1):
        outcome = await _attempt(here, handshake)
        if isinstance(outcome, WireConnection):
            return outcome
        location = _location_of(outcome)
        if location is None or not handshake.follows_redirects:
            raise RefusedError("refused", outcome)
        try:
            url = follow_redirect(here.url, location)
        except ValueError as error:
            raise RefusedError(f"the redirect to {location} is not followed: {error}", outcome) from None
        told = f"redirected to {Target(url).shown}"
        if not is_same_server(here.url, url):
            handshake = _without_credentials(handshake)
            told += " (another server: it gets no header, cookie or client certificate given for this one)"
            here = Target(url)
        else:
            here = here.but(url=url)
        report(told)
    raise RefusedError(f"more than {MAX_REDIRECTS} redirects, the last one to {here.shown}")


def _without_credentials(handshake: Handshake) -> Handshake:
    tls = handshake.tls.but(cert=None, key=None, sni=None)
    return handshake.but(headers=(), tls=tls)


async def _attempt(target: Target, handshake: Handshake) -> WireConnection | Refusal:
    """One handshake, with its troubles in words."""
    try:
        return await _shake_hands(target, handshake)
    except ssl.SSLError as error:
        raise _tls_trouble(target, error) from None
    except socket.gaierror as error:
        raise CannotConnectError(f"cannot find {target.address}: {error.strerror}") from None
    except UnicodeError:  # a name that no encoding for host names takes
        raise CannotConnectError(f"cannot find {target.address}: it is no host name") from None
    except OSError as error:
        reason = reason_of(error)
        is_absent = reason == "connection refused" or isinstance(error, FileNotFoundError)
        raise CannotConnectError(f"cannot connect to {target.address}: {reason}", is_absent=is_absent) from None
    except HungUpError:
        raise CannotConnectError(f"{target.address} hung up without an answer") from None
    except (HandshakeError, HeadError) as error:
        raise RefusedError(f"{target.address} gave no valid answer to the handshake: {error}") from None


async def _shake_hands(target: Target, handshake: Handshake) -> WireConnection | Refusal:
    wire = await dial(target, handshake)
    try:
        key = b64encode(os.urandom(16)).decode()
        request = request_of(target, handshake, key)
        wire.write(request)
        head = await read_head(wire)
        if head.status == 101:
            connection = _opened(wire, head, handshake, key)
            connection.request = request
            return connection
        answer, body = _response_of(head), await read_body(wire, head)
        wire.abort()
        return Refusal(target.url, answer.status, answer.phrase, answer.headers, body, request=request)
    except BaseException:
        wire.abort()
        raise


def request_of(target: Target, handshake: Handshake, key: str) -> bytes:
    """The bytes of the opening handshake (RFC 6455, section 4.1). `key` is 16 random bytes in base64."""
    parts = urlsplit(target.url)
    fields = [("User-Agent", "lihil-ws-test")]
    if handshake.origin is not None:
        fields.append(("Origin", handshake.origin))
    if parts.username is not None and "authorization" not in {name.lower() for name, _ in handshake.headers}:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        fields.append(("Authorization", f"Basic {b64encode(secret.encode()).decode()}"))
    given = {name.lower() for name, _ in handshake.headers}
    fields = [field for field in fields if field[0].lower() not in given] + list(handshake.headers)
    return encode_request(
        _ascii_of(parts.netloc.rpartition("@")[2]),
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        key,
        subprotocols=handshake.subprotocols,
        deflate_offer=_OFFER if handshake.compression else None,
        fields=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
    )


def _ascii_of(host: str) -> str:
    """A host as it stands in a header; the encoding of names that are not ASCII is loaded for those alone."""
    return host if host.isascii() else host.encode("idna").decode()


def _opened(wire: Wire, head: Head, handshake: Handshake, key: str) -> WireConnection:
    agreement = read_answer(
        head, key, subprotocols=handshake.subprotocols, deflate_offer=_OFFER if handshake.compression else None
    )
    protocol = Protocol(
        Role.CLIENT,
        max_message_bytes=_UNLIMITED if handshake.max_bytes is None else handshake.max_bytes,
        max_fragments=_MAX_FRAGMENTS,
        deflate=None if agreement.deflate is None else Deflate(agreement.deflate, is_server=False),
        keeps_end_apart=True,
    )
    return WireConnection(
        wire,
        protocol,
        _response_of(head),
        subprotocol=agreement.subprotocol,
        is_compressed=agreement.deflate is not None,
        close_timeout_s=handshake.close_timeout_s,
        ping_interval_s=handshake.ping_interval_s,
    )


def _response_of(head: Head) -> Response:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields]
    return Response(head.status, head.phrase.decode("latin-1"), headers)


def _location_of(refusal: Refusal) -> str | None:
    if refusal.status not in _REDIRECTS:
        return None
    return Response(refusal.status, refusal.phrase, refusal.headers).first("location")


def _tls_trouble(target: Target, error: ssl.SSLError) -> CannotConnectError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CannotConnectError(
            f"the certificate of {target.address} is not trusted: {error.verify_message}",
            "--cacert FILE trusts it; --insecure connects all the same, without knowing to whom",
        )
    return CannotConnectError(f"no TLS with {target.address}: {error.reason or error}", "does it speak plain ws:// ?")
