"""What can happen at the terminal (events), what the shell is told to do about it (actions), what is shown (items).

Times are seconds: `at` since the epoch, for the screen and the files; everything else on a clock that never goes back.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["in", "out"]
Payload: TypeAlias = str | bytes

# Events: what happened. `peer` is the name of a connection.


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a connection when it opens.

    `generation` is the dev server's, None without one; `changed` are the files whose change that was made for.
    """

    url: str
    subprotocol: str | None = None
    extensions: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    connect_s: float = 0.0
    generation: int | None = None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake is done."""

    peer: str
    about: About


@dataclass(frozen=True, slots=True)
class Failed:
    """No connection. `lines` say why; `absent` means that nobody listens there (yet), `code` is the exit code."""

    peer: str
    lines: tuple[str, ...]
    code: int
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message arrived, at `when` on the clock of `now`."""

    peer: str
    payload: Payload
    when: float


@dataclass(frozen=True, slots=True)
class Ponged:
    """The pong to one of our pings; `asked` tells whether the user wanted to know."""

    peer: str
    rtt_s: float
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """A connection is over. `by` is who closed first; nobody means it was lost (1006)."""

    peer: str
    code: int
    reason: str = ""
    by: Literal["server", "client", "nobody"] = "server"


@dataclass(frozen=True, slots=True)
class FrameSeen:
    """One frame went over the wire, in words."""

    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class Traced:
    """Why the server's handler failed: its name, the lines for now, and all of them for /trace; all "" if unknown."""

    peer: str
    handler: str = ""
    short: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The dev server's state: the generation it serves (None: there is none), and why newer code cannot be served."""

    generation: int | None
    error: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Typed:
    """A line, or several, entered at the prompt."""

    text: str


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Ctrl-D, or the terminal has gone."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Ctrl-C with nothing typed."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """The content that a ReadFile asked for; `reason` why there is none."""

    request: "ReadFile"
    data: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Something the shell has to say, such as a redirect or a file that was written."""

    text: str
    mark: "Mark" = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = (
    Opened
    | Failed
    | Received
    | Ponged
    | Closed
    | FrameSeen
    | Traced
    | Reloaded
    | Typed
    | InputEnded
    | Interrupted
    | FileRead
    | Told
    | Tick
)


# Items: what is shown.

Mark: TypeAlias = Literal["", "go", "ok", "bad", "end", "reload"]


@dataclass(frozen=True, slots=True)
class Note:
    """One line of ours; it may hold what the server wrote."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, as it was typed; `peer` is "" while there is one connection only."""

    text: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived. `delta_s` is the time since the one before it, `whole` shows it without folding."""

    number: int
    payload: Payload
    at: float
    delta_s: float | None = None
    peer: str = ""
    direction: Direction = "in"
    whole: bool = False
    form: Literal["", "hex", "raw"] = ""


Item: TypeAlias = Note | Sent | Message


@dataclass(frozen=True, slots=True)
class Say:
    """Send one message; `typed` is how it stands on the screen, `fragment` the bytes to a frame."""

    payload: Payload
    typed: str = ""
    fragment: int = 0


# Actions: what the shell must do.


@dataclass(frozen=True, slots=True)
class Display:
    """Show `item` above the prompt."""

    item: Item


@dataclass(frozen=True, slots=True)
class Connect:
    """Open `peer` (again) and feed Opened or Failed.

    `target` is what the user wrote; "" means where the connection `like` goes, and without that where it was before.
    """

    peer: str
    target: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message; with `fragment` bytes to a frame."""

    peer: str
    payload: Payload
    fragment: int = 0


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Write bytes that need be no frame at all."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SendPing:
    """Send a ping and feed Ponged."""

    peer: str


@dataclass(frozen=True, slots=True)
class SendPong:
    """Send a pong that nobody asked for."""

    peer: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SendClose:
    """Send a Close frame after everything that was given to Send before."""

    peer: str
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """End the TCP connection at once, or stop trying to open it."""

    peer: str


@dataclass(frozen=True, slots=True)
class Stall:
    """Read nothing for a while."""

    peer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TraceFrames:
    """Feed a FrameSeen for every frame of every connection, or no longer."""

    on: bool


@dataclass(frozen=True, slots=True)
class FetchTrace:
    """Ask the dev server, or the application in this process, why its handler failed, and feed Traced."""

    peer: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Look at the dev server's state closely, because something waits for it, or only now and then."""

    closely: bool


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Read a file and feed FileRead. `purpose` is "text" or "bin" to send it to `peer`, or "replay"."""

    path: str
    purpose: Literal["text", "bin", "replay"]
    peer: str
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a file, then show `done`."""

    path: str
    text: str
    done: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Put the text into the clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Prefill:
    """Put the text into the prompt; with `edit` open it in the editor at once."""

    text: str
    edit: bool = False


@dataclass(frozen=True, slots=True)
class SetKeys:
    """The keys of the prompt: as in emacs or as in vi."""

    mode: Literal["emacs", "vi"]


@dataclass(frozen=True, slots=True)
class ClearScreen:
    """Wipe the screen."""


@dataclass(frozen=True, slots=True)
class Leave:
    """It is over; always the last action."""

    code: int


Action: TypeAlias = (
    Display
    | Connect
    | Send
    | SendRaw
    | SendPing
    | SendPong
    | SendClose
    | Drop
    | Stall
    | TraceFrames
    | FetchTrace
    | Watch
    | ReadFile
    | WriteFile
    | Copy
    | Prefill
    | SetKeys
    | ClearScreen
    | Leave
)
