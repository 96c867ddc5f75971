"""Frame headers read off the wire, for whoever wants to see what goes over it (RFC 6455, section 5.2)."""

from typing import Final

from lihil_cli.record import Record

OPCODES: Final = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


class Frame(Record):
    """One frame's header. `is_outgoing` tells the direction; `length` counts the payload's bytes on the wire."""

    is_outgoing: bool
    opcode: int
    fin: bool
    rsv1: bool
    length: int
    masked: bool

    @property
    def name(self) -> str:
        """The opcode in words; a reserved one as its number."""
        return OPCODES.get(self.opcode, f"opcode {self.opcode}")


class FrameTracer:
    """Finds the headers in one direction's bytes, in whatever pieces they come; payloads are skipped, not kept.

    It has to see every byte from the first on; with `wanted` False nothing is made of them but the places.
    """

    def __init__(self, *, is_outgoing: bool) -> None:
        self._is_outgoing = is_outgoing
        self._rest = b""
        self._to_skip = 0

    def feed(self, data: bytes, *, wanted: bool = True) -> list[Frame]:
        """The frames whose headers are complete with `data`."""
        frames: list[Frame] = []
        if self._rest:
            data = self._rest + data
        position, size = self._to_skip, len(data)
        while size - position >= 2:
            header_bytes, length = _measure(data, position)
            if header_bytes > size - position:
                break
            if wanted:
                frames.append(self._frame(data[position], data[position + 1], length))
            position += header_bytes + length
        self._rest = data[position:] if position < size else b""
        self._to_skip = max(0, position - size)
        return frames

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun and is not whole."""
        return self._to_skip > 0

    def _frame(self, first: int, second: int, length: int) -> Frame:
        return Frame(
            self._is_outgoing, first & 0x0F, bool(first & 0x80), bool(first & 0x40), length, bool(second & 0x80)
        )


def _measure(data: bytes, position: int) -> tuple[int, int]:
    """The bytes of the header at `position` and of its payload; the latter counts only where the header is whole."""
    second = data[position + 1]
    size, length = 2 + (4 if second & 0x80 else 0), second & 0x7F
    if length < 126:
        return size, length
    wide = 2 if length == 126 else 8
    return size + wide, int.from_bytes(data[position + 2 : position + 2 + wide], "big")
