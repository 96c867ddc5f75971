"""What supervisor, zygote and workers say to each other: one JSON object a line over a socket that only they hold.

Whoever reads the end of the stream knows that the other side has ended, however that came about.
"""

import json
import os
import socket
import threading
from array import array
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

_CHUNK_BYTES = 65536
_MAX_DESCRIPTORS = 16


class Link:
    """One end of such a connection. `fileno` makes it fit for a selector.

    One that `never_waits` keeps what the peer has no room for, until `send_rest` finds some: a peer that does not read
    must not hold up whoever has others to care for. Over any other, every thread may send.
    """

    def __init__(self, end: socket.socket, *, never_waits: bool = False) -> None:
        self._end = end
        self._never_waits = never_waits
        self._sending = threading.Lock()  # what is long goes out in parts, which another thread's message would part
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._rest = b""
        self._descriptors: list[int] = []

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._end.fileno()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send one message; a peer that has ended is noticed when its end is read, not here."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if self._never_waits:
            self._unsent.append((line, [os.dup(descriptor) for descriptor in descriptors]))
            self.send_rest()
            return
        with self._sending, suppress(OSError):
            if descriptors:
                line = line[self._end.sendmsg([line], _ancillary(descriptors)) :]
            self._end.sendall(line)

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._unsent)

    def send_rest(self) -> None:
        """Send what was not sent yet, as far as there is room for it."""
        while self._unsent:
            line, descriptors = self._unsent[0]
            try:
                sent = self._end.sendmsg([line], _ancillary(descriptors), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                sent = len(line)
            for descriptor in descriptors:
                os.close(descriptor)
            if sent < len(line):
                self._unsent[0] = line[sent:], []
            else:
                self._unsent.popleft()

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
        kept = [descriptor for _, descriptors in self._unsent for descriptor in descriptors]
        self._unsent.clear()
        for descriptor in [*self._descriptors, *kept]:
            os.close(descriptor)
        self._end.close()


def _ancillary(descriptors: Sequence[int]) -> list[tuple[int, int, Any]]:
    """What carries them, see unix(7); `socket.send_fds` does the same, but takes no notice of its flags."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
