"""What happens while a script runs (events), and what the shell is told to do (actions)."""

from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.difference import Message

# Events


class Opened(Record):
    """A client's handshake is done."""

    client: str


class Refused(Record):
    """A client's handshake was answered with something else. `lines` tell it; status 0 when it was no clean HTTP."""

    client: str
    status: int
    body: str
    lines: tuple[str, ...]


class Unreachable(Record):
    """There is no server for a client to talk to."""

    client: str
    message: str


class WentOut(Record):
    """What a client was told to send has been handed to the network."""

    client: str


class Arrived(Record):
    """A message came for a client, or the end of its connection."""

    client: str
    message: Message


class Tick(Record):
    """Time has passed."""


Event: TypeAlias = Opened | Refused | Unreachable | WentOut | Arrived | Tick


# Actions


class Open(Record):
    """Connect a client; feed Opened, Refused or Unreachable."""

    client: str
    address: str
    headers: tuple[tuple[str, str], ...] = ()


class Transmit(Record):
    """Send a message, then feed WentOut."""

    client: str
    payload: str | bytes


class Shut(Record):
    """Start the closing handshake, then feed WentOut."""

    client: str
    code: int
    reason: str


Action: TypeAlias = Open | Transmit | Shut


# The end


class Failure(Record):
    """The step that was not met, in lines for people, escaped: what was `wanted`, and what was `got` instead.

    `step` begins the report, as in `bob< expected`; `heading` stands before what came, as in `got (after 12 ms)`.
    """

    line: int
    step: str
    wanted: tuple[str, ...]
    heading: str
    got: tuple[str, ...] = ()


class Ending(Record):
    """How a script ended: passed when there is no failure; `unreachable` when the server was not there."""

    steps: int
    failure: Failure | None = None
    unreachable: bool = False
