"""One connection's life at the terminal, through reloads and restarts of its server.

CONNECTING --Opened--> OPEN --our close--> CLOSING ----------------Closed----------------------> ENDED
     |                  |  --1012 "reload"--> RELOADING --new generation--> CONNECTING
     |                  |  --went away, 1006--> WAITING --back-off--> CONNECTING
     |                  |  --1011, /drop--> IDLE --new generation, /reconnect--> CONNECTING
     +--nobody there--> WAITING                          any other close, refused ------------> ENDED
"""

from collections import deque
from collections.abc import Collection
from enum import Enum, auto

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.closing import CLEAN, meaning_of
from lihil_cli.wstest.repl.events import About, Closed
from lihil_cli.wstest.returning import AWAY, LONGEST_WAIT_S, STEADY_S, Backoff

RELOAD = (1012, "reload")
"""The code and the reason of a close by a dev server that has new code."""

RELOAD_PATIENCE_S = 10.0
"""How long the dev server's word is waited for before the server is tried all the same."""

_FAILED = 1011
_TOO_BIG = 1009


class Life(Enum):
    """Where a connection is."""

    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()
    RELOADING = auto()
    WAITING = auto()
    IDLE = auto()
    ENDED = auto()


_WORDS = {
    Life.RELOADING: "server reloading",
    Life.WAITING: "waiting for the server",
    Life.IDLE: "not connected",
    Life.ENDED: "closed",
}

# Not connected, and not over: a change of the server's code, or time, or the user leads on.
PENDING = frozenset({Life.RELOADING, Life.WAITING, Life.IDLE})


class Peer:
    """One named connection. `code` is what the process would exit with if this were all there was."""

    def __init__(self, name: str, target: str = "") -> None:
        self.name = name
        self.target = target
        self.life: Life = Life.CONNECTING
        self.code: int = ExitCode.OK
        self.about: About | None = None
        self.opened_at = 0.0
        self.lost_at = 0.0
        self.lost_by: Life = Life.ENDED
        self.retry_at: float | None = None
        self._backoff = Backoff()
        self.incoming = 0
        self.outgoing = 0
        self.rtts: deque[float] = deque(maxlen=1000)
        self.trace: tuple[str, ...] = ()
        self.has_been_open = False
        self.has_news = False  # why it waits has been told
        self.follows_code = False  # new code is a reason to connect again
        self.is_dropped = False  # the user ended it, without a close
        self.is_moved = False  # the user wants it somewhere else, or anew, and it is not there yet
        self.is_elsewhere = False  # it leads to a server that the schema says nothing about
        self.next_target: str | None = None  # where to go once it is closed
        self.headers: tuple[tuple[str, str], ...] = ()  # those of the handshake that only it has
        self.ending = ""  # how it ended, not told yet

    @property
    def words(self) -> str:
        """Where it is, for people."""
        return _WORDS.get(self.life, self.life.name.lower())

    @property
    def is_open(self) -> bool:
        return self.life is Life.OPEN

    @property
    def is_awaited(self) -> bool:
        """Whether it is to be opened, now or when something happens."""
        return self.life in PENDING or self.life is Life.CONNECTING

    @property
    def generation(self) -> int | None:
        """The dev server's generation when it was opened."""
        return None if self.about is None else self.about.generation

    def open(self, about: About, now: float) -> None:
        """The handshake is done."""
        self.life = Life.OPEN
        self.about = about
        self.code = ExitCode.OK
        self.opened_at = now
        self.retry_at = None
        self.has_been_open = True
        self.has_news = self.is_moved = False
        self.trace = ()
        self.rtts.clear()
        self.incoming = self.outgoing = 0

    def close(self, event: Closed, now: float, *, reconnects: bool, ok_codes: Collection[int] = frozenset()) -> None:
        """The connection is over: go on to whatever follows from how it ended."""
        asked, steady = self.life is Life.CLOSING, now - self.opened_at >= STEADY_S
        self.lost_at = now
        self.code = ExitCode.OK if _is_clean(event, ok_codes, asked=asked) else ExitCode.ENDED_BADLY
        if steady:
            self._backoff.reset()
        if asked or not reconnects or event.by == "client":
            self.life = Life.ENDED
        elif (event.code, event.reason) == RELOAD:
            self.life = Life.RELOADING
            self.retry_at = now + RELOAD_PATIENCE_S
        elif event.code in AWAY:
            self.wait(now)
        else:
            self.life = Life.IDLE if event.code == _FAILED else Life.ENDED
        self.lost_by = self.life

    def wait(self, now: float, longest_s: float = LONGEST_WAIT_S) -> None:
        """Try again later, and later still the next time."""
        self.life = Life.WAITING
        self.retry_at = now + self._backoff.take(longest_s)

    def connect(self) -> None:
        """Somebody is about to open it."""
        self.life = Life.CONNECTING
        self.retry_at = None

    def end(self) -> None:
        """It is not connected, and nothing brings it back."""
        self.life = Life.ENDED
        self.retry_at = None

    def move(self, target: str) -> None:
        """It is about to be opened somewhere else."""
        self.target = target
        self.has_news = False
        self.lost_by = Life.ENDED
        self._backoff.reset()

    def how_it_ended(self, event: Closed, now: float) -> str:
        """One line: who closed, the code and its meaning, the reason, and what went over the connection."""
        who = {"server": "closed by server ", "client": "closed ", "nobody": "lost "}[event.by]
        reason = f": {event.reason}" if event.reason else ""
        hint = "; --max-size BYTES raises the limit" if event.by == "client" and event.code == _TOO_BIG else ""
        after = f"after {now - self.opened_at:.2f} s · {self.incoming} in, {self.outgoing} out"
        return f"{who}{event.code} ({meaning_of(event.code)}){reason} {after}{hint}"


def _is_clean(event: Closed, ok_codes: Collection[int], *, asked: bool) -> bool:
    if event.by == "client":
        return asked
    return event.code in ok_codes or event.code in CLEAN
