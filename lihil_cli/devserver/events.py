"""What the dev server's state machine is told, and what it answers: plain records, nothing else."""

from enum import Enum
from typing import TypeAlias

from lihil_cli.record import Record


class Change(Record):
    """Why code is loaded: these files, saved at the time `at`; `fresh` asks for a process that inherits nothing."""

    files: tuple[str, ...] = ()
    at: float = 0.0
    fresh: bool = False


class Failure(Record):
    """Why code cannot be served, in at most 12 lines; `is_exclusive` when the old lifespan may be in its way."""

    summary: str
    text: str
    is_exclusive: bool = False


# Events


class Changed(Record):
    """There is new code."""

    change: Change


class Ready(Record):
    """The worker has loaded the code and started its lifespan; it accepts nothing yet."""

    worker: int


class Failed(Record):
    """The worker cannot serve the code."""

    worker: int
    failure: Failure


class Closed(Record):
    """The worker accepts no more connections."""

    worker: int


class Accepting(Record):
    """The worker accepts connections."""

    worker: int


class Suspended(Record):
    """The worker has closed its door and its connections, and has shut its lifespan down."""

    worker: int


class ShuttingDown(Record):
    """The worker is done with its connections, and shuts its lifespan down: it has heard, and works at it."""

    worker: int


class Paused(Record):
    """The worker stands in a debugger: a person takes their time."""

    worker: int


class Gone(Record):
    """The process has ended; `how` in words."""

    worker: int
    how: str


class Unfit(Record):
    """The worker says nothing about the code: it never began, or had loaded ahead what should have waited for it."""

    worker: int


class SpareOutdated(Record):
    """The spare lacks what one made now would have; `keeps_spare` says whether there is to be one from now on."""

    keeps_spare: bool


class Stop(Record):
    """The server is to end with this exit code; asked for twice, at once."""

    code: int


class TimePassed(Record):
    """`Machine.deadline` may have come."""


Event: TypeAlias = (
    Changed
    | Ready
    | Failed
    | Closed
    | Accepting
    | Suspended
    | ShuttingDown
    | Paused
    | Gone
    | Unfit
    | SpareOutdated
    | Stop
    | TimePassed
)

# Actions


class Launch(Record):
    """Start a process for this worker; `fresh` lets it inherit nothing."""

    worker: int
    fresh: bool = False


class Tell(Record):
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


class Kill(Record):
    """End the process at once."""

    worker: int


class ShowServed(Record):
    """New code is served; `change` is what was changed, None when a worker that died was replaced."""

    generation: int
    change: Change | None


class ShowFailure(Record):
    """The newest code cannot be served; `serving` is the generation that still is, None when there is none."""

    failure: Failure
    change: Change | None
    serving: int | None


class ShowLoss(Record):
    """A worker that served has ended, `how` in words; one that `is_too_often` is not replaced."""

    worker: int
    how: str
    is_replaced: bool
    is_too_often: bool = False


class ShowKilled(Record):
    """A worker was killed, because it did not do in time what it had been told: `todo` in words.

    `is_deaf` when it did not even begin with it.
    """

    worker: int
    todo: str
    is_deaf: bool


class ShowWait(Record):
    """Something takes long: `what` in words, about the files of `change` if there is one.

    `serving` is the generation that is served meanwhile, None when there is none.
    """

    what: str
    change: Change | None
    serving: int | None


class End(Record):
    """Everything has ended; nothing follows."""

    code: int


Action: TypeAlias = Launch | Tell | Kill | ShowServed | ShowFailure | ShowLoss | ShowKilled | ShowWait | End
Actions: TypeAlias = list[Action]
