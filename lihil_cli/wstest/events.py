"""What can happen in a conversation (events), and what the shell is told to do about it (actions)."""

from dataclasses import dataclass
from typing import TypeAlias

from lihil_cli.wstest.closing import NORMAL, Closed
from lihil_cli.wstest.steps import Step

# Events: what happened.


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake is done."""


@dataclass(frozen=True, slots=True)
class Given:
    """The next step was read from the pipe, or from a record."""

    step: Step


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Ctrl-D, or the end of the pipe."""


@dataclass(frozen=True, slots=True)
class InputFailed:
    """The pipe holds what cannot be sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message arrived."""

    payload: str | bytes


@dataclass(frozen=True, slots=True)
class Ponged:
    """The answer to our ping arrived, `rtt_s` after it was sent."""

    rtt_s: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C."""


@dataclass(frozen=True, slots=True)
class OutputBroken:
    """Nothing more can be written: whoever read our output has gone, or it failed as `why` says."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. `heard_at` is when a part of a message came last, on the same clock."""

    heard_at: float = 0.0


Event: TypeAlias = (
    Opened | Given | InputEnded | InputFailed | Received | Ponged | Closed | Interrupted | OutputBroken | Tick
)


# Actions: what the shell must do.


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message."""

    payload: str | bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping, with a payload of ours where none is given, and feed Ponged when the pong comes."""

    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Close:
    """Send a Close frame, after everything that was given to Send before."""

    code: int = NORMAL
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Print:
    """Show a message that arrived, the `number`th."""

    payload: str | bytes
    number: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Tell the user something; the text may hold what the server wrote."""

    text: str


@dataclass(frozen=True, slots=True)
class Exit:
    """The conversation is over, and what is left of the connection is dropped; always the last action."""

    code: int


Action: TypeAlias = Send | Ping | Close | Print | Note | Exit
