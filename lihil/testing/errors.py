"""What a test is told when the app does not do what the test waits for.

WebSocketDisconnect (starlette's)
└── HandshakeRefused    the opening handshake was answered with a status other than 101
LihilError
├── LifespanError       the app said that its startup or its shutdown failed
└── AppTimeout          also a TimeoutError: the app took too long
    └── ReceiveTimeout  no message from the app in time
"""

import json
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers

from lihil.asgi import RawHeaders
from lihil.errors import LihilError, WebSocketDisconnect, status_phrase

# RFC 6455, section 7.1.5: a connection that ended without a Close frame has the code 1006. A browser reports the same
# one for every refused handshake, whatever the server meant to say with a code of its own.
ABNORMAL_CLOSURE = 1006

SHORT_CHARS = 200


class LifespanError(LihilError):
    """The app answered `lifespan.startup.failed` or `lifespan.shutdown.failed` and raised nothing itself."""


class AppTimeout(LihilError, TimeoutError):  # noqa: N818 - a timeout, as ReceiveTimeout is
    """The app took too long; the text says what was waited for, and where the app is."""


class ReceiveTimeout(AppTimeout):
    """No message from the app in time."""


class HandshakeRefused(WebSocketDisconnect):
    """The server answered the opening handshake with an HTTP response; `code` is 1006, as in a browser.

    `body` is the response's body in bytes, `text` the same as UTF-8, `json()` its value; `headers` ignore case.
    `__cause__` is the app's exception, where there was one. Raised on entering `with client.websocket_connect(...)`.
    """

    def __init__(self, status: int, headers: RawHeaders = (), body: bytes = b"", *, note: str = "") -> None:
        super().__init__(ABNORMAL_CLOSURE)
        self.status = status
        self.headers: Headers = Headers(raw=[(name.lower(), value) for name, value in headers])
        self.body = body
        self.note = note

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body's JSON value; ValueError when it is not JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        phrase = status_phrase(self.status) if self.status in set(HTTPStatus) else ""
        body = f", body {shortened(self.text)}" if self.body else ""
        note = f" ({self.note})" if self.note else ""
        return f"handshake refused: {self.status} {phrase}".rstrip() + body + note


def shortened(data: str | bytes) -> str:
    """The repr of at most 200 characters or bytes, which leaves no control character to reach a terminal."""
    if len(data) <= SHORT_CHARS:
        return repr(data)
    return f"{data[:SHORT_CHARS]!r}... ({len(data)} {'bytes' if isinstance(data, bytes) else 'characters'})"
