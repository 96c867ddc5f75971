"""What the supervisor of a pool hears and what it answers."""

from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.serving.orders import Order

# What happens


class Started(Record):
    """The process that a Start asked for, by its process id."""

    pid: int


class NotStarted(Record):
    """The process that a Start asked for could not be made."""

    reason: str


class Ready(Record):
    """Worker `pid` accepts connections; `notes` are its lines for the banner."""

    pid: int
    notes: tuple[str, ...] = ()


class Ended(Record):
    """Worker `pid` is gone, with that exit code; the number of a signal, negative, where one ended it."""

    pid: int
    code: int


class Alive(Record):
    """Worker `pid` has answered a Probe, or somebody has stopped it, so that it cannot."""

    pid: int


class Standing(Record):
    """Worker `pid` has not answered the Probe before this one; its event loop's thread stands at `place`."""

    pid: int
    place: str


class Debugged(Record):
    """A debugger is in worker `pid`, which may stand still for as long as it likes."""

    pid: int


class Stop(Record):
    """The pool is to end: at leisure, or in a hurry; whoever hurries it twice does not wait any more."""

    hurried: bool


class Restart(Record):
    """Every worker is to be replaced by a new one, one after the other; then there are as many as `limits` say."""

    limits: "Limits"


class Tick(Record):
    """Time has passed."""


Event: TypeAlias = Started | NotStarted | Ready | Ended | Alive | Standing | Debugged | Stop | Restart | Tick


# What to do


class Start(Record):
    """Start one process and answer with Started or NotStarted, before anything else."""


class Ask(Record):
    """Ask worker `pid` to end in this way."""

    pid: int
    way: Order


class Kill(Record):
    """End worker `pid` without asking."""

    pid: int


class Probe(Record):
    """See whether the event loop of worker `pid` turns; what comes of it is Alive, Standing, or nothing at all."""

    pid: int


class Say(Record):
    """One line for the operator."""

    text: str


class Announce(Record):
    """The first worker serves: show the banner with these lines."""

    notes: tuple[str, ...]


class Finish(Record):
    """Nothing is left: end, as one that was stopped or as one that failed."""

    failed: bool


Action: TypeAlias = Start | Ask | Kill | Probe | Say | Announce | Finish


class Limits(Record):
    """How many workers, and the seconds they have: to become ready, to end once they are asked to, and to hang.

    With 0 for the last, nobody looks whether they hang.
    """

    workers: int
    start_s: float
    end_s: float
    hang_s: float = 0.0
