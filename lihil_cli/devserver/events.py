"""What the dev server's state machine is told, and what it answers: plain records, nothing else."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Change:
    """Why code is loaded: these files, saved at the time `at`; `fresh` asks for a process that inherits nothing."""

    files: tuple[str, ...] = ()
    at: float = 0.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why code cannot be served, in at most 12 lines; `is_exclusive` when the old lifespan may be in its way."""

    summary: str
    text: str
    is_exclusive: bool = False


# Events


@dataclass(frozen=True, slots=True)
class Changed:
    """There is new code."""

    change: Change


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded the code and started its lifespan; it accepts nothing yet."""

    worker: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker cannot serve the code."""

    worker: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Closed:
    """The worker accepts no more connections."""

    worker: int


@dataclass(frozen=True, slots=True)
class Accepting:
    """The worker accepts connections."""

    worker: int


@dataclass(frozen=True, slots=True)
class Suspended:
    """The worker has closed its door and its connections, and has shut its lifespan down."""

    worker: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The process has ended; `how` in words."""

    worker: int
    how: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The worker says nothing about the code: it never began, or had loaded ahead what should have waited for it."""

    worker: int


@dataclass(frozen=True, slots=True)
class SpareOutdated:
    """The spare lacks what one made now would have; `keeps_spare` says whether there is to be one from now on."""

    keeps_spare: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """The server is to end with this exit code; asked for twice, at once."""

    code: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """`Machine.deadline` may have come."""


Event: TypeAlias = (
    Changed | Ready | Failed | Closed | Accepting | Suspended | Gone | Unfit | SpareOutdated | Stop | TimePassed
)

# Actions


@dataclass(frozen=True, slots=True)
class Launch:
    """Start a process for this worker; `fresh` lets it inherit nothing."""

    worker: int
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Tell:
    """Send the worker this word."""

    worker: int
    word: "Word"


class Word(Enum):
    """What a worker is told."""

    LOAD = "load"
    CLOSE = "close"
    OPEN = "open"
    DRAIN = "drain"
    SUSPEND = "suspend"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process at once."""

    worker: int


@dataclass(frozen=True, slots=True)
class ShowServed:
    """New code is served; `change` is what was changed, None when a worker that died was replaced."""

    generation: int
    change: Change | None


@dataclass(frozen=True, slots=True)
class ShowFailure:
    """The newest code cannot be served; `serving` is the generation that still is, None when there is none."""

    failure: Failure
    change: Change | None
    serving: int | None


@dataclass(frozen=True, slots=True)
class ShowLoss:
    """A worker that served has ended, `how` in words; `is_replaced` unless it did so too often."""

    worker: int
    how: str
    is_replaced: bool


@dataclass(frozen=True, slots=True)
class End:
    """Everything has ended; nothing follows."""

    code: int


Action: TypeAlias = Launch | Tell | Kill | ShowServed | ShowFailure | ShowLoss | End
Actions: TypeAlias = list[Action]
