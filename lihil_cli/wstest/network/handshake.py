"""What an opening handshake asks for, and the ways in which it fails."""

from collections.abc import Sequence

from lihil_cli.record import Record
from lihil_cli.wstest.closing import Closed

DEFAULT_MAX_BYTES = 8 * 2**20
"""So that no server costs its client 100 MiB: a text takes four times its bytes when one character is far out."""


class Tls(Record):
    """How far the server is trusted, and who we are. Paths name PEM files; `sni` replaces the URL's host name."""

    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    sni: str | None = None


class Handshake(Record):
    """What the opening handshake asks for, and within which limits. `max_bytes` None means no limit.

    `proxy` is a proxy's URL, "" for none at all; None means what the environment says, and none for this machine.
    `close_timeout_s` bounds the wait for a peer that has closed, or broken a rule, but leaves TCP open.
    """

    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
    origin: str | None = None
    tls: Tls = Tls()
    compression: bool = True
    proxy: str | None = None
    follows_redirects: bool = True
    max_bytes: int | None = DEFAULT_MAX_BYTES
    ping_interval_s: float | None = None
    open_timeout_s: float = 10.0
    close_timeout_s: float = 1.0


class Response(Record):
    """The head of an answer to a handshake; names in lower case."""

    status: int
    phrase: str
    headers: Sequence[tuple[str, str]]

    def first(self, name: str) -> str | None:
        """The value of the first header of that name, which is given in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Refusal(Record):
    """An HTTP answer other than 101 to the opening handshake, and the bytes of the `request`."""

    url: str
    status: int
    phrase: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    why: str = ""
    request: bytes = b""


class RefusedError(Exception):
    """The server answered the handshake, but not with a WebSocket; `refusal` is None when it was no clean HTTP.

    `failure` is the app's exception, where there is one and it runs in this process.
    """

    def __init__(self, message: str, refusal: Refusal | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.failure: BaseException | None = None


class CannotConnectError(Exception):
    """No connection: refused, unknown host, TLS, no answer in time. `hint` says what might help.

    `is_absent` means that nobody listens there, which a server that starts in a moment would change.
    """

    def __init__(self, message: str, hint: str = "", *, is_absent: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.is_absent = is_absent


class HungUpError(Exception):
    """The peer ended the TCP connection before its answer was whole."""


class ConnectionEndedError(Exception):
    """Reading is over; `event` says how the connection ended."""

    def __init__(self, event: Closed) -> None:
        super().__init__(event)
        self.event = event
