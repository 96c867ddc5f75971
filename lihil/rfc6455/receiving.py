"""Bytes become frames, frames become messages (RFC 6455, sections 5.2 to 5.4): the receiving half of a connection."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias

from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.deflate import Deflate
from lihil.rfc6455.events import Event, Failure, ProtocolError, Role, State
from lihil.rfc6455.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    MASKED,
    MAX_CONTROL_PAYLOAD,
    PING,
    PONG,
    RESERVED,
    RSV1,
    TEXT,
    apply_mask,
)
from lihil.rfc6455.message import MAX_WHOLE_READ, IncomingMessage, decoded, only_masked_message, only_plain_message

EVENT_BYTES: Final = 256
"""What an event costs besides its payload: a read of 256 KiB can hold 43,000 empty messages."""

_UNBOUNDED: Final = 1 << 62
_MAX_SHORT: Final = 125  # bytes of payload that need no longer length (section 5.2)
WholeMessage: TypeAlias = Callable[[bytes], str | bytes | None]

_OPCODES: Final = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})


class Receiver(ABC):
    """What has been received so far. What a control frame and a broken rule lead to, the connection decides."""

    __slots__ = (
        "_budget",
        "_buffer",
        "_first",
        "_header_bytes",
        "_held_error",
        "_incoming",
        "_is_server",
        "_keeps_end_apart",
        "_key",
        "_later",
        "_max_bytes",
        "_only_message",
        "_position",
        "_remaining",
        "has_buffered",
        "state",
        "whole_message",
    )

    def __init__(
        self,
        role: Role,
        max_message_bytes: int,
        max_fragments: int,
        deflate: Deflate | None,
        *,
        keeps_end_apart: bool,
    ) -> None:
        self.state: State = State.OPEN
        self._keeps_end_apart = keeps_end_apart
        self._held_error: ProtocolError | None = None
        self._is_server = role is Role.SERVER
        self._header_bytes = 6 if self._is_server else 2  # of the shortest frames that are received
        self._max_bytes = max_message_bytes
        self._incoming = IncomingMessage(max_bytes=max_message_bytes, max_fragments=max_fragments, deflate=deflate)
        # The frame being received: its first byte, its key turned to the next byte, and the bytes still to come.
        self._first = 0
        self._key = b""
        self._remaining = 0
        # What was received and not dealt with: a buffer from a position on, and what came while that one was held back.
        self._buffer = b""
        self._position = 0
        self._later: list[bytes] = []
        # Whether `receive(b"", n)` may give more: `max_bytes` was reached, or an end is kept apart.
        self.has_buffered: bool = False
        self._budget = 0  # bytes of events that this call of `receive` may still give back
        largest = max_message_bytes + self._header_bytes
        self._only_message = _bounded(only_masked_message if self._is_server else only_plain_message, largest)
        # The message when a read is exactly one, which nearly every read is, and nothing is half received; else None,
        # and the read goes into `receive`. An attribute: the same as a method would cost every message a call more.
        self.whole_message: WholeMessage = self._only_message

    @abstractmethod
    def _control_frame(self, opcode: int, payload: bytes, events: list[Event]) -> None: ...

    @abstractmethod
    def _fail(self, code: int, reason: str) -> Failure: ...

    def receive(self, data: bytes, max_bytes: int | None = None) -> list[Event]:
        """The events in `data` and in what earlier calls left over.

        With `max_bytes` it stops after the event that brings them to that size, each counted with its payload in bytes
        and EVENT_BYTES; `receive(b"", n)` goes on while `has_buffered`. So a read full of compressed messages is
        inflated no faster than somebody takes them, and a flood of empty ones costs no more memory than others.
        After a close frame or a failure nothing is looked at any more (sections 5.5.1 and 7.1.7). A connection that
        keeps its end apart gives neither behind a message of the same call: until then the message can be answered.
        """
        if max_bytes is None or max_bytes > 0:
            message = self.whole_message(data)
            if message is not None:
                return [message]
        events: list[Event] = []
        if self.state is State.CLOSED:
            return events
        self._budget = _UNBOUNDED if max_bytes is None else max_bytes
        try:
            self._read(data, events)
        except ProtocolError as exc:
            if self._is_behind_message(events):
                self._hold(exc)
            else:
                events.append(self._fail(exc.code, exc.reason))
        return events

    def _is_behind_message(self, events: list[Event]) -> bool:
        return self._keeps_end_apart and any(isinstance(event, str | bytes) for event in events)

    def _hold(self, error: ProtocolError) -> None:
        self._forget()
        self._held_error = error
        self.has_buffered = True

    def _read(self, data: bytes, events: list[Event]) -> None:
        """Each byte is copied a bounded number of times, however small the budgets and the reads are."""
        if self._held_error is not None:
            raise self._held_error
        if not self._buffer:
            self._buffer, self._position = data, 0
        elif data:
            self._later.append(data)
        self._position = self._parse(self._buffer, self._position, events)
        while self._later and self._budget > 0:
            self._buffer = b"".join((self._buffer[self._position :], *self._later))  # the rest of less than a frame
            self._later.clear()
            self._position = self._parse(self._buffer, 0, events)
        if self._budget > 0 or (self._position >= len(self._buffer) and not self._later):
            self._buffer, self._position = self._buffer[self._position :], 0
        self.has_buffered = self._budget <= 0 and bool(self._buffer)
        is_idle = not self._buffer and self._incoming.opcode == CONTINUATION and self.state is not State.CLOSED
        self.whole_message = self._only_message if is_idle else _no_message

    def _parse(self, data: bytes, position: int, events: list[Event]) -> int:
        """Reads frames; gives back where it stopped: at the end, half a header or control frame, or the budget."""
        end = len(data)
        while position < end and self._budget > 0 and self.state is not State.CLOSED:
            if self._remaining:
                position = self._go_on(data, position, events)
                continue
            after = position
            if data[position] & FIN and self._incoming.opcode == CONTINUATION:
                after = self._whole_messages(data, position, events)
            if after == position:
                after = self._next_frame(data, position, events)
            if after == position:
                break
            position = after
        return position

    def _whole_messages(self, data: bytes, position: int, events: list[Event]) -> int:
        """Reads messages that are one whole frame each, the common case, as far as they follow one another.

        No state is touched but the budget. What is special, incomplete or wrong is left to `_next_frame`.
        """
        end, largest, budget, is_server = len(data), self._max_bytes, self._budget, self._is_server
        mask_bit, header_bytes = MASKED if is_server else 0, self._header_bytes
        while budget > 0 and end - position > 1:
            first = data[position]
            if first != 0x81 and first != 0x82:
                break
            length, start = data[position + 1] - mask_bit, position + header_bytes
            if not 0 <= length <= _MAX_SHORT:  # longer, or masked as the role must not be
                length, start = _long_form(data, position, length, start)
            stop = start + length
            if stop > end or not 0 <= length <= largest:
                break
            payload = data[start:stop]
            if is_server:
                payload = apply_mask(payload, data[start - 4 : start])
            events.append(decoded(payload) if first == 0x81 else payload)
            position = stop
            budget -= length + EVENT_BYTES
        self._budget = budget
        return position

    def _next_frame(self, data: bytes, position: int, events: list[Event]) -> int:
        """Reads a frame's header, and a control frame's payload; gives back `position` when there is not enough."""
        end = len(data)
        if end - position < 2:
            return position
        first, second = data[position], data[position + 1]
        self._check_first(first, second)
        length, start = second & 0x7F, position + 2
        if length > _MAX_SHORT:
            start += 2 if length == 126 else 8
            if start > end:
                return position
            length = _checked_length(data[position + 2 : start])
        start += 4 if self._is_server else 0
        stop = start + length if first & 0x08 else start
        if stop > end:
            return position
        key = data[start - 4 : start] if self._is_server else b""
        if first & 0x08:
            if first == FIN | CLOSE and self._is_behind_message(events):
                self._budget = 0
                return position
            payload = data[start:stop]
            self._budget -= length + EVENT_BYTES
            self._control_frame(first & 0x0F, apply_mask(payload, key) if key else payload, events)
            return stop
        self._incoming.begin_frame(first, length)
        self._first, self._key, self._remaining = first, key, length
        if not length:
            self._add(b"", events)
        return start

    def _check_first(self, first: int, second: int) -> None:
        """The rules that a frame's first two bytes can break (section 5.2)."""
        opcode = first & 0x0F
        if first & RESERVED and not (first & RESERVED == RSV1 and self._incoming.may_be_compressed(opcode)):
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in _OPCODES:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, f"reserved opcode {opcode}")
        if bool(second & MASKED) is not self._is_server:  # section 5.1
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, "an unmasked frame" if self._is_server else "a masked frame")
        if opcode & 0x08:  # section 5.5
            if not first & FIN:
                raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a fragmented control frame")
            if second & 0x7F > MAX_CONTROL_PAYLOAD:
                raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a control frame of more than 125 bytes")
        elif (opcode == CONTINUATION) is (self._incoming.opcode == CONTINUATION):  # section 5.4
            words = "a continuation of nothing" if opcode == CONTINUATION else "a new message inside another"
            raise ProtocolError(CloseCode.PROTOCOL_ERROR, words)

    def _go_on(self, data: bytes, position: int, events: list[Event]) -> int:
        """As much of the begun frame's payload as has come: nothing waits, so nothing is read twice."""
        chunk = data[position : position + self._remaining]
        self._remaining -= len(chunk)
        position += len(chunk)
        if self._is_server:
            key, turned = self._key, len(chunk) % 4
            if turned and self._remaining:
                self._key = key[turned:] + key[:turned]
            chunk = apply_mask(chunk, key)
        self._add(chunk, events)
        return position

    def _add(self, chunk: bytes, events: list[Event]) -> None:
        is_last = not self._remaining and bool(self._first & FIN)
        message = self._incoming.add(chunk, is_last=is_last)
        if message is not None:
            events.append(message)
            self._budget -= self._incoming.size + EVENT_BYTES

    def _stop(self) -> None:
        self.state = State.CLOSED
        self._held_error = None
        self._forget()

    def _forget(self) -> None:
        """Drop what was received and not dealt with."""
        self._buffer = b""
        self._later.clear()
        self.has_buffered = False
        self.whole_message = _no_message


def _no_message(data: bytes) -> None:
    return None


def _bounded(read: WholeMessage, largest: int) -> WholeMessage:
    """`read` for reads of up to `largest` bytes, where a message that it takes could be larger."""
    if largest > MAX_WHOLE_READ:
        return read
    return lambda data: read(data) if len(data) <= largest else None


def _long_form(data: bytes, position: int, marker: int, start: int) -> tuple[int, int]:
    """Length and start of a payload that may have one of the longer lengths; -1 when the general way has to look."""
    if marker == 126:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        return length if length > _MAX_SHORT else -1, start + 2
    if marker == 127:
        length = int.from_bytes(data[position + 2 : position + 10], "big")
        return length if length > 0xFFFF else -1, start + 8
    return -1, start


def _checked_length(field: bytes) -> int:
    """A length of 2 or 8 bytes (section 5.2): its highest bit is 0, and it would not have fitted a shorter one."""
    length = int.from_bytes(field, "big")
    if length >> 63:
        raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a length with its highest bit set")
    if length <= (_MAX_SHORT if len(field) == 2 else 0xFFFF):
        raise ProtocolError(CloseCode.PROTOCOL_ERROR, "a length in more bytes than it needs")
    return length
