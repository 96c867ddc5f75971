"""What the supervisor of a pool hears and what it answers."""

from dataclasses import dataclass
from typing import TypeAlias

from lihil_cli.serving.orders import Order

# What happens


@dataclass(frozen=True, slots=True)
class Started:
    """The process that a Start asked for, by its process id."""

    pid: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The process that a Start asked for could not be made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker `pid` accepts connections; `notes` are its lines for the banner."""

    pid: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """Worker `pid` is gone, with that exit code; the number of a signal, negative, where one ended it."""

    pid: int
    code: int

    @property
    def how(self) -> str:
        """The same in words."""
        return f"by signal {-self.code}" if self.code < 0 else f"with exit code {self.code}"


@dataclass(frozen=True, slots=True)
class Alive:
    """Worker `pid` has answered a Probe, or somebody has stopped it, so that it cannot."""

    pid: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Worker `pid` has not answered the Probe before this one; its event loop's thread stands at `place`."""

    pid: int
    place: str


@dataclass(frozen=True, slots=True)
class Debugged:
    """A debugger is in worker `pid`, which may stand still for as long as it likes."""

    pid: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The pool is to end: at leisure, or in a hurry; whoever hurries it twice does not wait any more."""

    hurried: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """Every worker is to be replaced by a new one, one after the other; then there are as many as `limits` say."""

    limits: "Limits"


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = Started | NotStarted | Ready | Ended | Alive | Standing | Debugged | Stop | Restart | Tick


# What to do


@dataclass(frozen=True, slots=True)
class Start:
    """Start one process and answer with Started or NotStarted, before anything else."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask worker `pid` to end in this way."""

    pid: int
    way: Order


@dataclass(frozen=True, slots=True)
class Kill:
    """End worker `pid` without asking."""

    pid: int


@dataclass(frozen=True, slots=True)
class Probe:
    """See whether the event loop of worker `pid` turns; what comes of it is Alive, Standing, or nothing at all."""

    pid: int


@dataclass(frozen=True, slots=True)
class Say:
    """One line for the operator."""

    text: str


@dataclass(frozen=True, slots=True)
class Announce:
    """The first worker serves: show the banner with these lines."""

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left: end, as one that was stopped or as one that failed."""

    failed: bool


Action: TypeAlias = Start | Ask | Kill | Probe | Say | Announce | Finish


@dataclass(frozen=True, slots=True)
class Limits:
    """How many workers, and the seconds they have: to become ready, to end once they are asked to, and to hang.

    With 0 for the last, nobody looks whether they hang.
    """

    workers: int
    start_s: float
    end_s: float
    hang_s: float = 0.0
