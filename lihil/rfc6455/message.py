"""The message that is being received: fragments, sizes, UTF-8, inflation (RFC 6455, 5.4 and 8.1; RFC 7692, 7.2.2)."""

import codecs
from io import BytesIO
from typing import Final

from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.deflate import Deflate, TooBigError
from lihil.rfc6455.events import ProtocolError
from lihil.rfc6455.frames import CONTINUATION, RSV1, TEXT, apply_mask

MAX_WHOLE_READ: Final = 65_543
"""Bytes of the largest read that `only_masked_message` and `only_plain_message` take: 64 KiB less one, and a header."""

# Large enough for the C library to give a block's memory back to the system at once (its threshold is 32 MiB at most).
_BLOCK_BYTES: Final = 2**25
_PIECE_BYTES: Final = 2**20
_UTF8: Final = codecs.getincrementaldecoder("utf-8")


def only_masked_message(data: bytes) -> str | bytes | None:
    """The message when `data` is exactly one masked frame with one whole message below 64 KiB, else None.

    That is what nearly every read of a server holds, and it costs half of what the general way does.
    """
    size = len(data)
    if size < 6:
        return None
    first, length = data[0], data[1]
    if first != 0x81 and first != 0x82:
        return None
    if length == size + 122 and size < 132:  # 128 + n in n + 6 bytes
        payload = apply_mask(data[6:], data[2:6])
    elif length == 254 and data[2] << 8 | data[3] == size - 8 > 125:
        payload = apply_mask(data[8:], data[4:8])
    else:
        return None
    if first == 0x82:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None  # the general way says what is wrong


def only_plain_message(data: bytes) -> str | bytes | None:
    """The same for a client, which receives frames without a mask."""
    size = len(data)
    if size < 2:
        return None
    first, length = data[0], data[1]
    if first != 0x81 and first != 0x82:
        return None
    if length == size - 2 and size < 128:
        payload = data[2:]
    elif length == 126 and size > 129 and data[2] << 8 | data[3] == size - 4:
        payload = data[4:]
    else:
        return None
    if first == 0x82:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None  # the general way says what is wrong


def decoded(payload: bytes | bytearray) -> str:
    """A text message's payload as text. Raises ProtocolError for what is not UTF-8 (section 8.1)."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _not_text() from None


class IncomingMessage:
    """One message at a time, from its first frame's header to its last byte."""

    __slots__ = (
        "_blocks",
        "_decoder",
        "_deflate",
        "_fragments",
        "_has_payload",
        "_is_compressed",
        "_max_bytes",
        "_max_fragments",
        "opcode",
        "size",
    )

    def __init__(self, *, max_bytes: int, max_fragments: int, deflate: Deflate | None) -> None:
        self.opcode: int = CONTINUATION  # stands for: there is no message
        self.size: int = 0  # bytes of its payload so far, inflated; valid until the next message begins
        self._max_bytes = max_bytes
        self._max_fragments = max_fragments
        self._deflate = deflate
        # Parts are joined to blocks, because each object costs 40 bytes and more, and many parts drip in; of a large
        # message each block can be let go of as soon as it has been copied.
        self._blocks: list[bytearray] = []
        self._decoder: codecs.IncrementalDecoder | None = None
        self._fragments = 0
        self._is_compressed = False
        self._has_payload = False

    def may_be_compressed(self, opcode: int) -> bool:
        """Whether RSV1 may be set: it marks the first frame of a compressed message (RFC 7692, section 6)."""
        return self._deflate is not None and opcode != CONTINUATION and opcode & 0x08 == 0

    def begin_frame(self, first: int, length: int) -> None:
        """A data frame whose payload is about to come. Raises ProtocolError when the message becomes too large."""
        if first & 0x0F != CONTINUATION:
            self.opcode = first & 0x0F
            self.size = self._fragments = 0
            self._is_compressed = bool(first & RSV1)
            self._has_payload = False
        self._fragments += 1
        if self._fragments > self._max_fragments:
            raise ProtocolError(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {self._max_fragments} fragments")
        if not self._is_compressed and self.size + length > self._max_bytes:
            raise self._too_big()

    def add(self, chunk: bytes, *, is_last: bool) -> str | bytes | None:
        """Take a part of the payload, unmasked; the message when it was the last part, else None.

        Raises ProtocolError: 1007 at the first byte that cannot be UTF-8, or for what is no deflate; 1009 when too big.
        """
        if self._is_compressed and self._deflate is not None:
            chunk = self._inflated(self._deflate, chunk, is_last=is_last)
        self.size += len(chunk)
        if is_last and not self._blocks:  # all of it at once
            message = decoded(chunk) if self.opcode == TEXT else chunk
            self.opcode = CONTINUATION
            return message
        if self._blocks and len(self._blocks[-1]) + len(chunk) <= _BLOCK_BYTES:
            self._blocks[-1] += chunk
        else:
            self._blocks.append(bytearray(chunk))
        if self.opcode == TEXT:
            self._check_text(chunk)
        return self._complete() if is_last else None

    def _complete(self) -> str | bytes:
        blocks, self._blocks = self._blocks, []
        message = _text_of(blocks) if self.opcode == TEXT else _bytes_of(blocks)
        self.opcode, self._decoder = CONTINUATION, None
        return message

    def _check_text(self, chunk: bytes) -> None:
        """Fail at the first byte that no valid text goes on from (section 8.1); a character may be incomplete."""
        if self._decoder is None:
            self._decoder = _UTF8()
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError:
            raise _not_text() from None
        if chunk[-1:] < b"\xa0":
            return
        pending = self._decoder.getstate()[0]
        if pending[:1] == b"\xed" and pending[1:] >= b"\xa0":  # a surrogate, which Python's decoder sees a byte later
            raise _not_text()

    def _inflated(self, deflate: Deflate, chunk: bytes, *, is_last: bool) -> bytes:
        self._has_payload = self._has_payload or bool(chunk)
        if not self._has_payload:
            return b""  # some send an empty message so, instead of one byte 0 (RFC 7692, section 7.2.3.6)
        try:
            return deflate.decompress(chunk, is_last=is_last, max_bytes=self._max_bytes - self.size)
        except TooBigError:
            raise self._too_big() from None
        except ValueError:
            raise ProtocolError(CloseCode.INVALID_PAYLOAD, "compressed data that is not deflate") from None

    def _too_big(self) -> ProtocolError:
        return ProtocolError(CloseCode.MESSAGE_TOO_BIG, f"a message of more than {self._max_bytes} bytes")


def _text_of(blocks: list[bytearray]) -> str:
    """The blocks as one text, in hardly more memory than its own. Raises ProtocolError for what is not UTF-8."""
    if len(blocks) == 1:
        return decoded(blocks[0])
    blocks.reverse()
    decoder, text = _UTF8(), ""
    try:
        while blocks:
            block = blocks.pop()
            for start in range(0, len(block), _PIECE_BYTES):
                text += decoder.decode(block[start : start + _PIECE_BYTES])  # grows in place: nobody else holds it
        text += decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _not_text() from None
    return text


def _bytes_of(blocks: list[bytearray]) -> bytes:
    """The same for a binary message."""
    if len(blocks) == 1:
        return bytes(blocks[0])
    blocks.reverse()
    whole = BytesIO()
    while blocks:
        whole.write(blocks.pop())
    return whole.getvalue()  # the buffer itself, no copy


def _not_text() -> ProtocolError:
    return ProtocolError(CloseCode.INVALID_PAYLOAD, "text that is not UTF-8")
