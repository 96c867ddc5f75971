"""What supervisor, zygote and workers say to each other: one JSON object a line over a socket that only they hold.

Whoever reads the end of the stream knows that the other side has ended, however that came about.
"""

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

_CHUNK_BYTES = 65536
_MAX_DESCRIPTORS = 16


class Link:
    """One end of such a connection. `fileno` makes it fit for a selector."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._end.fileno()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send one message; a peer that has ended is noticed when its end is read, not here."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with suppress(OSError):
            if descriptors:
                sent = socket.send_fds(self._end, [line], list(descriptors))
                line = line[sent:]
            self._end.sendall(line)

    def receive(self) -> list[Message] | None:
        """Wait for news and return every whole message of it; None once the peer has ended."""
        try:
            chunk, descriptors, _, _ = socket.recv_fds(self._end, _CHUNK_BYTES, _MAX_DESCRIPTORS)
        except OSError:
            return None
        self._descriptors += descriptors
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def take_descriptor(self) -> int:
        """The next descriptor that came with a message, in their order."""
        return self._descriptors.pop(0)

    def wait_for_end(self, timeout_ms: int | None = None) -> bool:
        """Return True once the peer has ended, False when that takes longer; reads nothing, so another thread may."""
        import select

        poll = select.poll()
        poll.register(self._end, 0)  # the end is told even to those who ask for nothing, see poll(2), POLLHUP
        return bool(poll.poll(timeout_ms))

    def close(self) -> None:
        """Close this end."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._end.close()
