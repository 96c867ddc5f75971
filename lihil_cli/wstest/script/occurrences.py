"""What happens while a script runs (events), and what the shell is told to do (actions)."""

from dataclasses import dataclass
from typing import TypeAlias

from lihil_cli.wstest.patterns.difference import Message

# Events


@dataclass(frozen=True, slots=True)
class Opened:
    """A client's handshake is done."""

    client: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A client's handshake was answered with something else. `lines` tell it; status 0 when it was no clean HTTP."""

    client: str
    status: int
    body: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There is no server for a client to talk to."""

    client: str
    message: str


@dataclass(frozen=True, slots=True)
class WentOut:
    """What a client was told to send has been handed to the network."""

    client: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came for a client, or the end of its connection."""

    client: str
    message: Message


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = Opened | Refused | Unreachable | WentOut | Arrived | Tick


# Actions


@dataclass(frozen=True, slots=True)
class Open:
    """Connect a client; feed Opened, Refused or Unreachable."""

    client: str
    address: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send a message, then feed WentOut."""

    client: str
    payload: str | bytes


@dataclass(frozen=True, slots=True)
class Shut:
    """Start the closing handshake, then feed WentOut."""

    client: str
    code: int
    reason: str


Action: TypeAlias = Open | Transmit | Shut


# The end


@dataclass(frozen=True, slots=True)
class Failure:
    """The step that was not met, in lines for people, escaped: what was `wanted`, and what was `got` instead.

    `step` begins the report, as in `bob< expected`; `heading` stands before what came, as in `got (after 12 ms)`.
    """

    line: int
    step: str
    wanted: tuple[str, ...]
    heading: str
    got: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a script ended: passed when there is no failure; `unreachable` when the server was not there."""

    steps: int
    failure: Failure | None = None
    unreachable: bool = False
