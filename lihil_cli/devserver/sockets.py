"""WebSockets as the dev server sees them: each has an id, and its opening and its end are a line in the log."""

import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from lihil.asgi import Message
from lihil.server.denial import Fields
from lihil.server.flow import Phase
from lihil.server.scope import access_names
from lihil.server.ws_protocol import WebSocketProtocol

ID_FIELD = b"x-lihil-conn"

logger: logging.Logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """One open WebSocket: its id, peer and target as the log names them, and for how many seconds it is open."""

    connection: str
    peer: str
    target: str
    age_s: float


class WatchedWebSocket(WebSocketProtocol):
    """The server's protocol; what it writes to the log and to the handshake's answer is all that is added."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.connection_id: str = secrets.token_hex(6)
        self.fields: Fields = ((ID_FIELD, self.connection_id.encode()),)
        self._opened: float | None = None
        self._is_leaving = False  # as soon as the app has answered the handshake

    def shutdown(self) -> None:
        """Tell the peer why it is closed, and once the app has accepted at the earliest.

        Whoever is told so comes back at once, to the new code; whoever is refused may not.
        """
        if self._phase is Phase.WAITING:
            self._is_leaving = True
        else:
            super().shutdown()

    def refuse_unanswered(self) -> None:
        """The app has had its time to answer the handshake."""
        if self._phase is Phase.WAITING:
            super().shutdown()

    def _accept(self, message: Message) -> None:
        super()._accept(message)
        if self._is_leaving:
            super().shutdown()

    def forget_opening(self) -> None:
        """Its end is told together with that of others, and no more by itself."""
        self._opened = None

    @property
    def is_open(self) -> bool:
        """Whether its opening was told, and its end was not."""
        return self._opened is not None

    @property
    def as_open(self) -> OpenSocket | None:
        """What there is to say about it while it is open; None before and after."""
        if self._opened is None:
            return None
        return OpenSocket(self.connection_id, *access_names(self._scope), time.monotonic() - self._opened)

    def _log(self, outcome: str) -> None:
        if self._is_open:
            self._opened = time.monotonic()
        super()._log(outcome)

    def _end(self, code: int, reason: str) -> None:
        opened, self._opened = self._opened, None
        super()._end(code, reason)
        if opened is not None:
            why = f" {reason!r}" if reason else ""
            super()._log(f"[closed {int(code)}{why} after {_duration(time.monotonic() - opened)}]")


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
