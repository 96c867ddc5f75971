"""One WebSocket after its opening handshake (RFC 6455, sections 5 to 8), for either role.

    OPEN ──close() or a close frame arrives──▶ CLOSING ──the other close frame──▶ CLOSED
      └──── fail: a rule is broken ──▶ CLOSED (a close frame was sent, nothing is read any more)

Received bytes go into `receive`, which gives back events in the order of arrival; a broken rule is the last of them,
so what came before it is never lost. Bytes that the protocol itself has to send (pongs, close frames) are in
`take_output`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final

from lihil.rfc6455.close import CloseCode, encode_close, parse_close
from lihil.rfc6455.deflate import Deflate
from lihil.rfc6455.events import Close, Event, Failure, Ping, Pong, ProtocolError, Role, State, StateError
from lihil.rfc6455.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MAX_CONTROL_PAYLOAD,
    PING,
    PONG,
    RSV1,
    TEXT,
    encode_frame,
)
from lihil.rfc6455.receiving import EVENT_BYTES, Receiver

__all__ = [
    "DEFAULT_MAX_FRAGMENTS",
    "DEFAULT_MAX_MESSAGE_BYTES",
    "EVENT_BYTES",
    "MIN_COMPRESSED_BYTES",
    "Close",
    "Connection",
    "Event",
    "Failure",
    "Ping",
    "Pong",
    "ProtocolError",
    "Role",
    "State",
    "StateError",
]

DEFAULT_MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
DEFAULT_MAX_FRAGMENTS: Final = 1024
MIN_COMPRESSED_BYTES: Final = 256
"""A shorter message is sent as it is: compressing costs more than it saves, and zlib objects are made for nothing."""

_UNBOUNDED: Final = 1 << 62
_TEXT_HEADERS: Final = tuple(bytes((FIN | TEXT, length)) for length in range(126))
_BINARY_HEADERS: Final = tuple(bytes((FIN | BINARY, length)) for length in range(126))


class Connection(Receiver):
    """The state of one side. Every call is immediate; nothing is sent but what the calls give back."""

    __slots__ = ("_deflate", "_make_key", "_output", "_plain_bytes", "close_sent")

    def __init__(
        self,
        role: Role,
        *,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        max_fragments: int = DEFAULT_MAX_FRAGMENTS,
        deflate: Deflate | None = None,
        keeps_end_apart: bool = False,
        make_key: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(role, max_message_bytes, max_fragments, deflate, keeps_end_apart=keeps_end_apart)
        self.close_sent: Close | None = None
        self._deflate = deflate
        # A smaller message goes out as it is, neither masked nor compressed.
        self._plain_bytes = 0 if not self._is_server else _UNBOUNDED if deflate is None else MIN_COMPRESSED_BYTES
        self._make_key = make_key
        self._output: list[bytes] = []

    # Sending

    def send_text(self, text: str) -> bytes:
        """The bytes of a text message. Raises StateError after a close, ValueError for a lone surrogate."""
        payload = text.encode()
        if len(payload) < self._plain_bytes and self.close_sent is None:
            return _TEXT_HEADERS[len(payload)] + payload if len(payload) < 126 else encode_frame(FIN | TEXT, payload)
        return self._message(FIN | TEXT, payload)

    def send_bytes(self, data: bytes) -> bytes:
        """The bytes of a binary message. Raises StateError after a close."""
        if len(data) < self._plain_bytes and self.close_sent is None:
            return _BINARY_HEADERS[len(data)] + data if len(data) < 126 else encode_frame(FIN | BINARY, data)
        return self._message(FIN | BINARY, data)

    def send_fragments(self, message: str | bytes, sizes: Sequence[int] | int) -> list[bytes]:
        """A message in fragments (section 5.4): one frame for each size in bytes, the rest in the last one.

        A single number is the size of every frame; the last one has what is left.

        Control frames may go out between them, other messages may not. With an agreed compression the compressed
        payload is cut (RFC 7692, section 6.1). Raises StateError after a close, ValueError for a lone surrogate.
        """
        self._check_open()
        first, payload = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        if self._deflate is not None:
            first, payload = first | RSV1, self._deflate.compress(payload)
        if isinstance(sizes, int):
            sizes = [sizes] * (max(len(payload) - 1, 0) // sizes)
        frames, at = [], 0
        for size in sizes:
            frames.append(self._frame(first, payload[at : at + size]))
            first, at = CONTINUATION, at + size
        return [*frames, self._frame(FIN | first, payload[at:])]

    def ping(self, payload: bytes = b"") -> bytes:
        """The bytes of a ping with at most 125 bytes (section 5.5.2). Raises ValueError, StateError."""
        self._check_open()
        return self._control(PING, payload)

    def pong(self, payload: bytes = b"") -> bytes:
        """The bytes of a pong that nobody asked for (section 5.5.3). Raises ValueError, StateError."""
        self._check_open()
        return self._control(PONG, payload)

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> bytes:
        """The bytes that begin the closing handshake (section 7.1.2). Raises ValueError, StateError after a close."""
        self._check_open()
        frame = self._control(CLOSE, encode_close(code, reason))
        self.close_sent = Close(code, reason)
        self.state = State.CLOSING
        return frame

    def take_output(self) -> bytes:
        """The bytes the protocol itself has to send, in order; asked for after every `receive`."""
        if not self._output:
            return b""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _message(self, first: int, payload: bytes) -> bytes:
        self._check_open()
        if self._deflate is not None and len(payload) >= MIN_COMPRESSED_BYTES:
            first, payload = first | RSV1, self._deflate.compress(payload)
        return self._frame(first, payload)

    def _control(self, opcode: int, payload: bytes) -> bytes:
        if len(payload) > MAX_CONTROL_PAYLOAD:
            raise ValueError(f"a control frame has at most {MAX_CONTROL_PAYLOAD} bytes, not {len(payload)}")
        return self._frame(FIN | opcode, payload)

    def _frame(self, first: int, payload: bytes) -> bytes:
        return encode_frame(first, payload, None if self._is_server else self._make_key(4))

    def _check_open(self) -> None:
        if self.state is not State.OPEN:
            raise StateError(f"nothing can be sent: the WebSocket is {self.state.value}")

    # What the receiving half asks

    def _control_frame(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:  # answered until the peer's close has come, also behind our own (section 5.5.2)
            self._output.append(self._control(PONG, payload))
            events.append(Ping(payload))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            events.append(self._closed_by_peer(payload))

    def _closed_by_peer(self, payload: bytes) -> Close:
        try:
            close = Close(*parse_close(payload))
        except UnicodeDecodeError:
            raise ProtocolError(CloseCode.INVALID_PAYLOAD, "a close reason that is not UTF-8") from None
        except ValueError as exc:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, str(exc)) from None
        if self.close_sent is None:  # the answer repeats the code (section 5.5.1)
            self._output.append(self._control(CLOSE, payload[:2]))
            self.close_sent = Close(close.code, "")
        self._stop()
        return close

    def _fail(self, code: int, reason: str) -> Failure:
        """Fail the connection (section 7.1.7): say why in a close frame, then read no more."""
        if self.close_sent is None:
            self._output.append(self._control(CLOSE, encode_close(code, reason)))
            self.close_sent = Close(code, reason)
        self._stop()
        return Failure(code, reason)
