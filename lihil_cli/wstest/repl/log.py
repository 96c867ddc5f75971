"""Everything that was said, kept within bounds: the newest in memory, the rest in a file that nobody else can open.

The file has no name and is gone when the process is, however it ends.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import IO, TYPE_CHECKING, Literal, TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.repl.events import Payload

if TYPE_CHECKING:
    from lihil_cli.wstest.network.handshake import Refusal

Kind: TypeAlias = Literal["open", "send", "recv", "ping", "close", "refused"]

MAX_STEPS = 50_000
"""How many steps are remembered; older ones are forgotten, and `forgotten` counts them."""

_MEMORY_BYTES = 2 * 2**20
_FILE_BYTES = 128 * 2**20
_CHUNK = 2**20
_IN_MEMORY = 0  # the number of the first file, which is none yet: most sessions never need another


class Step(Record):
    """One thing that happened on a connection. `number` counts what arrived, from 1; 0 for everything else.

    `detail` is the address that was opened, the reason of a close or the pattern that was expected, `code` that of a
    close, `by` who closed, `asked` whether that is what we wanted; `seconds` is the time of a pong or of the handshake.
    `size` counts the bytes of the message. `headers` are those that the user wanted in the handshake, `refusal` is the
    answer to one that was refused.
    """

    kind: Kind
    peer: str
    at: float
    number: int = 0
    is_text: bool = True
    size: int = 0
    detail: str = ""
    code: int = 0
    by: Literal["server", "client", "nobody"] = "server"
    subprotocol: str | None = None
    seconds: float = 0.0
    file: int = -1
    place: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    refusal: "Refusal | None" = None
    asked: bool = False


class Log:
    """The steps in order, and the messages that belong to them. `tell`, where it is set, gets each as it is kept."""

    def __init__(self, *, memory: int = _MEMORY_BYTES, file_bytes: int = _FILE_BYTES, steps: int = MAX_STEPS) -> None:
        self._memory = memory
        self._file_bytes = file_bytes
        self._steps: deque[Step] = deque(maxlen=steps)
        self._files: dict[int, IO[bytes]] = {}
        self._newest = -1
        self._size = 0
        self.forgotten = 0
        self.received = 0
        self.last: Step | None = None
        self.tell: Callable[[Step, Payload | None], None] | None = None

    def note(self, step: Step, payload: Payload | None = None) -> None:
        """Remember a step that is no message, or has its message kept already."""
        if len(self._steps) == self._steps.maxlen:
            self.forgotten += 1
        self._steps.append(step)
        if self.tell is not None:
            self.tell(step, payload)

    def keep(self, kind: Literal["send", "recv"], peer: str, payload: Payload, at: float) -> Step:
        """Remember a message, and give its step; one that finds no room on the disk is remembered without content."""
        if kind == "recv":
            self.received += 1
        number = self.received if kind == "recv" else 0
        file, place, size = self._write(payload)
        step = Step(kind, peer, at, number, isinstance(payload, str), size, file=file, place=place)
        self.note(step, payload)
        if kind == "recv":
            self.last = step
        return step

    def payload(self, step: Step) -> Payload | None:
        """The message of a step, None when it is no longer kept."""
        file = self._files.get(step.file)
        if file is None:
            return None
        with suppress(OSError):
            file.seek(step.place)
            data = file.read(step.size)
            return data.decode("utf-8", "surrogatepass") if step.is_text else data
        return None

    def find(self, number: int) -> Step | None:
        """The message of that number, None when there is none, or none any longer."""
        return next((step for step in reversed(self._steps) if step.number == number), None)

    def steps(self) -> Iterator[Step]:
        """What is remembered, oldest first."""
        return iter(self._steps)

    def close(self) -> None:
        """Give the room back."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, payload: Payload) -> tuple[int, int, int]:
        """Number of the file, place in it and size of a message that has been written; file -1 if it could not be."""
        size = 0
        try:
            while not self._has_room(len(payload)):
                self._next_file()
            file, place = self._files[self._newest], self._size
            file.seek(place)
            # In pieces, because a message may be as large as the memory that is left.
            for start in range(0, len(payload), _CHUNK):
                piece = payload[start : start + _CHUNK]
                size += file.write(piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece)
        except OSError:
            return -1, 0, size
        self._size = place + size
        return self._newest, place, size

    def _has_room(self, length: int) -> bool:
        """Whether the newest file takes a message of so many bytes or characters; on the disk the last may be long."""
        if self._newest == _IN_MEMORY:
            return self._size + length <= self._memory
        return self._newest > _IN_MEMORY and self._size < self._file_bytes

    def _next_file(self) -> None:
        """Begin a file, keep the one before it, and forget what is older than both. Raises OSError."""
        file: IO[bytes] = BytesIO() if self._newest < _IN_MEMORY else _nameless_file()
        self._newest += 1
        self._size = 0
        self._files[self._newest] = file
        old = self._files.pop(self._newest - 2, None)
        if old is not None:
            old.close()


def _nameless_file() -> IO[bytes]:
    from tempfile import TemporaryFile  # late: it loads much that a message need not wait for

    return TemporaryFile()
