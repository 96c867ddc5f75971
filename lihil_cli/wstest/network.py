"""The wire: opening a connection, reading, writing and closing it. The only module that knows `websockets`."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Origin, Subprotocol

from lihil_cli.wstest.events import Closed
from lihil_cli.wstest.target import Target, follow_redirect

MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LOST = 1006

# Nothing listens to these: what goes wrong is told by the session, once, and never as a traceback.
_SILENT = logging.getLogger("lihil_cli.wstest.network")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the opening handshake asks for, and within which limits. `max_bytes` None means no limit.

    `close_timeout_s` bounds the wait for a peer that has closed, or broken a rule, but leaves TCP open.
    """

    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str | None = None
    insecure: bool = False
    max_bytes: int | None = 16 * 2**20
    ping_interval_s: float | None = None
    open_timeout_s: float = 10.0
    close_timeout_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer other than 101 to the opening handshake."""

    url: str
    status: int
    phrase: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    why: str = ""


class RefusedError(Exception):
    """The server answered the handshake, but not with a WebSocket; `refusal` is None when it was no clean HTTP."""

    def __init__(self, message: str, refusal: Refusal | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal


class CannotConnectError(Exception):
    """No connection: refused, unknown host, TLS, no answer in time. `hint` says what might help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConnectionEndedError(Exception):
    """Reading is over; `event` says how the connection ended."""

    def __init__(self, event: Closed) -> None:
        super().__init__(event)
        self.event = event


class Loop(asyncio.SelectorEventLoop):
    """An event loop that does not wait, when it ends, for a name that is still being looked up.

    The usual one hands that to a thread pool, and the pool's end would hold up Ctrl-C and --timeout.
    """

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the event loop's own name for it
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        answer: asyncio.Future[list[tuple[Any, ...]]] = self.create_future()

        def settle(found: list[tuple[Any, ...]], error: OSError | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            found: list[tuple[Any, ...]] = []
            failure: OSError | None = None
            try:
                found = list(socket.getaddrinfo(host, port, family, type, proto, flags))
            except OSError as error:
                failure = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self.call_soon_threadsafe(settle, found, failure)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return await answer


class Connection:
    """One open WebSocket."""

    def __init__(self, raw: ClientConnection) -> None:
        self._raw = raw
        self._has_asked_to_close = False

    @property
    def subprotocol(self) -> str | None:
        return self._raw.subprotocol

    async def receive(self) -> str | bytes:
        """The next whole message. Raises ConnectionEndedError when there will be none."""
        try:
            return await self._raw.recv()
        except ConnectionClosed as error:
            raise ConnectionEndedError(self._closing_of(error)) from None

    async def send(self, text: str) -> None:
        """Send one text message; on a connection that has ended nothing happens, `receive` tells about it."""
        with suppress(ConnectionClosed):
            await self._raw.send(text)

    async def ping(self) -> float | None:
        """Seconds until the pong, or None when the connection ended first."""
        try:
            return await (await self._raw.ping())
        except ConnectionClosed:
            return None

    async def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; its end is told by `receive`."""
        self._has_asked_to_close = True
        await self._raw.close(code, reason)

    async def drop(self) -> None:
        """End the TCP connection at once, if it has not ended yet."""
        self._raw.transport.abort()
        await self._raw.wait_closed()

    def _closing_of(self, error: ConnectionClosed) -> Closed:
        came, went = error.rcvd, error.sent
        if went is not None and not error.rcvd_then_sent and not self._has_asked_to_close:
            return Closed(went.code, went.reason, "client")  # what came broke a rule, so the library closed
        if came is None:
            return Closed(_LOST, by="nobody")
        by_us = self._has_asked_to_close and not error.rcvd_then_sent
        return Closed(came.code, came.reason, "client" if by_us else "server")


async def open_connection(target: Target, handshake: Handshake, report: Callable[[str], None]) -> Connection:
    """Connect and shake hands within `open_timeout_s` in all, following redirects, each of which is told to `report`.

    Raises CannotConnectError, RefusedError.
    """
    try:
        async with asyncio.timeout(handshake.open_timeout_s):
            return Connection(await _follow(target, handshake, report))
    except TimeoutError:
        raise CannotConnectError(f"{target.address} gave no answer within {handshake.open_timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise _tls_trouble(target, error) from None
    except socket.gaierror as error:
        raise CannotConnectError(f"cannot find {target.address}: {error.strerror}") from None
    except OSError as error:
        raise CannotConnectError(f"cannot connect to {target.address}: {_os_reason(error)}") from None
    except ImportError as error:  # a SOCKS proxy in the environment needs a package of its own
        raise CannotConnectError(f"cannot connect to {target.address}: {error}") from None
    except (WebSocketException, ValueError) as error:
        if isinstance(error.__cause__, EOFError):
            raise CannotConnectError(f"{target.address} hung up without an answer") from None
        raise RefusedError(f"{target.address} gave no valid answer to the handshake: {_chain(error)}") from None


async def _follow(target: Target, handshake: Handshake, report: Callable[[str], None]) -> ClientConnection:
    url = target.url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            return await _connector(target, url, handshake)
        except InvalidStatus as error:
            refusal = _refusal_of(url, error)
        location = _location_of(refusal)
        if location is None:
            raise RefusedError("refused", refusal)
        try:
            url = follow_redirect(url, location)
        except ValueError as error:
            raise RefusedError(f"the redirect to {location} is not followed: {error}") from None
        report(f"redirected to {url}")
    raise RefusedError(f"more than {MAX_REDIRECTS} redirects, the last one to {url}")


class _BoundedConnection(ClientConnection):
    """A connection that is dropped when the peer, after closing or breaking a rule, leaves TCP open.

    RFC 6455, section 7.1.1, leaves it to the server to end TCP; the library waits for that without a bound.
    """

    _drop_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._drop_timer is None and self.protocol.close_expected():
            self._drop_timer = self.loop.call_later(self.close_timeout or 0, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._drop_timer is not None:
            self._drop_timer.cancel()
        super().connection_lost(exc)


class _Connector(connect):
    """`connect` without a will of its own about redirects: ours differ in what they allow."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _connector(target: Target, url: str, handshake: Handshake) -> _Connector:
    more: dict[str, Any] = {}
    if target.uds is not None:
        more |= {"unix": True, "path": target.uds}
    if url.startswith("wss:"):
        more["ssl"] = _tls_context(insecure=handshake.insecure)
    return _Connector(
        url,
        origin=None if handshake.origin is None else Origin(handshake.origin),
        subprotocols=[Subprotocol(name) for name in handshake.subprotocols] or None,
        additional_headers=handshake.headers,
        user_agent_header="lihil-ws-test",
        proxy=None if target.is_local else True,
        open_timeout=None,
        ping_interval=handshake.ping_interval_s,
        close_timeout=handshake.close_timeout_s,
        max_size=handshake.max_bytes,
        logger=_SILENT,
        create_connection=_BoundedConnection,
        **more,
    )


def _tls_context(*, insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refusal_of(url: str, error: InvalidStatus) -> Refusal:
    answer = error.response
    return Refusal(
        url, answer.status_code, answer.reason_phrase, list(answer.headers.raw_items()), bytes(answer.body or b"")
    )


def _location_of(refusal: Refusal) -> str | None:
    if refusal.status not in _REDIRECTS:
        return None
    return next((value for name, value in refusal.headers if name.lower() == "location"), None)


def _tls_trouble(target: Target, error: ssl.SSLError) -> CannotConnectError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CannotConnectError(
            f"the certificate of {target.address} is not trusted: {error.verify_message}",
            "--insecure connects all the same, without knowing to whom",
        )
    return CannotConnectError(f"no TLS with {target.address}: {error.reason or error}", "does it speak plain ws:// ?")


def _os_reason(error: OSError) -> str:
    """The system's words for the error; asyncio joins several addresses' errors into one without a number."""
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error) or type(error).__name__


def _chain(error: BaseException) -> str:
    """The error's text with that of its cause, which often says more."""
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return f"{error}{cause}"
