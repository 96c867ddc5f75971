"""What can happen in a conversation (events), and what the shell is told to do about it (actions)."""

from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.closing import NORMAL, Closed
from lihil_cli.wstest.steps import Step

# Events: what happened.


class Opened(Record):
    """The handshake is done. `unsent` is what the connection before was to be given, and was not."""

    unsent: "tuple[Send | Ping, ...]" = ()


class Unreached(Record):
    """No connection, as `why` says; `is_absent` when nothing listens there, `is_near` when that is on this machine."""

    why: str
    is_absent: bool = False
    is_near: bool = False


class Given(Record):
    """The next step was read from the pipe, or from a record."""

    step: Step


class InputEnded(Record):
    """Ctrl-D, or the end of the pipe."""


class InputFailed(Record):
    """The pipe holds what cannot be sent."""

    message: str


class Received(Record):
    """A whole message arrived."""

    payload: str | bytes


class Ponged(Record):
    """The answer to our ping arrived, `rtt_s` after it was sent."""

    rtt_s: float


class Interrupted(Record):
    """Ctrl-C."""


class OutputBroken(Record):
    """Nothing more can be written: whoever read our output has gone, or it failed as `why` says."""

    why: str = ""


class Tick(Record):
    """Time has passed. `heard_at` is when a part of a message came last, on the same clock."""

    heard_at: float = 0.0


Event: TypeAlias = (
    Opened
    | Unreached
    | Given
    | InputEnded
    | InputFailed
    | Received
    | Ponged
    | Closed
    | Interrupted
    | OutputBroken
    | Tick
)


# Actions: what the shell must do.


class Send(Record):
    """Send one message."""

    payload: str | bytes


class Ping(Record):
    """Send a ping, with a payload of ours where none is given, and feed Ponged when the pong comes."""

    payload: bytes = b""


class Close(Record):
    """Send a Close frame, after everything that was given to Send before."""

    code: int = NORMAL
    reason: str = ""


class Print(Record):
    """Show a message that arrived, the `number`th."""

    payload: str | bytes
    number: int = 0


class Note(Record):
    """Tell the user something; the text may hold what the server wrote."""

    text: str


class Connect(Record):
    """Open the connection once more."""


class Exit(Record):
    """The conversation is over, and what is left of the connection is dropped; always the last action."""

    code: int


Action: TypeAlias = Send | Ping | Close | Print | Note | Connect | Exit
