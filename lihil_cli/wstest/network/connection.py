"""What an open WebSocket can do, whether it goes over a wire (`wired`) or to an app in this process (`inprocess`)."""

from collections.abc import Callable
from typing import Protocol

from lihil_cli.wstest.network.handshake import Response
from lihil_cli.wstest.network.trace import Frame


class Connection(Protocol):
    """An open WebSocket. Nothing is read before the first call that waits for something.

    `request` is the opening handshake as it was sent, empty for an app in this process; `response` the answer's head.
    `heard_at` is when, on the loop's clock, a part of a message that is not whole came last.
    `on_frame` is told of every frame in both directions. `failure` is the exception of an app in this process, after
    the end. `arrived_at` is when the message that `receive` gave last came, on the loop's clock.
    """

    request: bytes
    response: Response
    subprotocol: str | None
    is_compressed: bool
    on_frame: Callable[[Frame], None] | None
    failure: BaseException | None
    arrived_at: float
    heard_at: float

    async def receive(self) -> str | bytes:
        """The next whole message. Raises ConnectionEndedError, with how it ended, when there will be none."""

    async def send(self, payload: str | bytes) -> None:
        """Send a text or a binary message; on a connection that has ended nothing happens, `receive` tells about it.

        Raises ValueError for text with a lone surrogate, which is no UTF-8.
        """

    async def send_fragments(self, payload: str | bytes, size: int) -> None:
        """Send one message in frames with `size` bytes of payload (RFC 6455, section 5.4), or fewer in the last."""

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the wire as they are. Raises ValueError where there is no wire."""

    async def ping(self, payload: bytes = b"") -> float | None:
        """Seconds until the pong, or None when the connection ended first. Raises ValueError beyond 125 bytes."""

    async def pong(self, data: bytes = b"") -> None:
        """Send a pong that nobody asked for (section 5.5.3). Raises ValueError beyond 125 bytes."""

    async def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; its end is told by `receive`. Raises ValueError for a code that cannot be sent.

        A server that does not answer within the handshake's `close_timeout_s` is left.
        """

    async def drop(self) -> None:
        """End the connection at once, if it has not ended yet, without a close frame."""

    def stall(self, seconds: float) -> None:
        """Read nothing for so long: pings stay unanswered, and the server has to wait."""
