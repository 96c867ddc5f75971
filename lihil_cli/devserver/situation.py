"""The words of the dev server's state machine: where it stands, what events mean to it, what it waits for."""

from enum import Enum, auto
from typing import Final


class Situation(Enum):
    """Where the server stands; the table of `devserver.state` says what follows from what."""

    BROKEN = auto()
    STARTING = auto()
    SERVING = auto()
    LOADING = auto()
    CLOSING = auto()
    OPENING = auto()
    SUSPENDING = auto()
    RETRYING = auto()
    REOPENING = auto()
    STOPPING = auto()
    ENDED = auto()


class Signal(Enum):
    """What events mean to the table."""

    CHANGED = auto()
    UNFIT = auto()
    READY = auto()
    FAILED = auto()
    CLOSED = auto()
    ACCEPTING = auto()
    SUSPENDED = auto()
    OLD_GONE = auto()


DUTIES: Final = {
    Situation.CLOSING: "close its door",
    Situation.SUSPENDING: "give up its lifespan",
    Situation.REOPENING: "serve again",
}
"""What the old worker is to do, where it is the one that is waited for."""
WAITS: Final = {
    Situation.OPENING: "is loaded, but something blocks its event loop",
    Situation.REOPENING: "takes long to serve again what it served before",
}
"""What takes long, where it is not the loading."""
