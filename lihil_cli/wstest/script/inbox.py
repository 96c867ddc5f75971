"""What has arrived for one client and was not asked for yet."""

from collections import deque

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.script.gathering import Taken

MAX_MESSAGES = 1000
MAX_BYTES = 16 * 2**20


class Inbox:
    """Messages in the order in which they came. One that is full asks the shell to read no further for now."""

    def __init__(self) -> None:
        self.is_connected = False
        self._held: deque[Taken] = deque()
        self._size = 0

    @property
    def is_full(self) -> bool:
        return len(self._held) >= MAX_MESSAGES or self._size >= MAX_BYTES

    def put(self, message: Message, now: float) -> None:
        self._held.append(Taken(message, now))
        self._size += _size_of(message)

    def take(self) -> Taken | None:
        """The oldest message; the end of the connection, once taken, leaves the client unconnected."""
        if not self._held:
            return None
        taken = self._held.popleft()
        self._size -= _size_of(taken.message)
        if isinstance(taken.message, Closed):
            self.is_connected = False
        return taken


def _size_of(message: Message) -> int:
    return 0 if isinstance(message, Closed) else len(message)
