"""What can happen at the terminal (events), what the shell is told to do about it (actions), what is shown (items).

Times are seconds: `at` since the epoch, for the screen and the files; everything else on a clock that never goes back.
"""

from typing import TYPE_CHECKING, Literal, TypeAlias

from lihil_cli.record import Record

if TYPE_CHECKING:
    from lihil_cli.wstest.network.handshake import Refusal
    from lihil_cli.wstest.place.schema import Schema

Direction: TypeAlias = Literal["in", "out"]
Payload: TypeAlias = str | bytes

# Events: what happened. `peer` is the name of a connection.


class About(Record):
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


class Opened(Record):
    """The handshake is done."""

    peer: str
    about: About


class Failed(Record):
    """No connection. `lines` say why; `absent` means that nobody listens there (yet), `code` is the exit code.

    `near` means that it would be on this machine, where trying often costs nobody anything. `refusal` is the answer of
    a server that refused the handshake.
    """

    peer: str
    lines: tuple[str, ...]
    code: int
    absent: bool = False
    near: bool = False
    refusal: "Refusal | None" = None


class Received(Record):
    """A whole message arrived, at `when` on the clock of `now`."""

    peer: str
    payload: Payload
    when: float


class Ponged(Record):
    """The pong to one of our pings; `asked` tells whether the user wanted to know."""

    peer: str
    rtt_s: float
    asked: bool = False


class Closed(Record):
    """A connection is over. `by` is who closed first; nobody means it was lost (1006)."""

    peer: str
    code: int
    reason: str = ""
    by: Literal["server", "client", "nobody"] = "server"


class FrameSeen(Record):
    """One frame went over the wire, in words."""

    peer: str
    text: str


class Traced(Record):
    """Why the server's handler failed: its name, the lines for now, and all of them for /trace; all "" if unknown."""

    peer: str
    handler: str = ""
    short: tuple[str, ...] = ()
    full: tuple[str, ...] = ()


class Reloaded(Record):
    """The dev server's state: the generation it serves (None: there is none), and why newer code cannot be served."""

    generation: int | None
    error: tuple[str, ...] = ()


class Typed(Record):
    """A line, or several, entered at the prompt."""

    text: str


class InputEnded(Record):
    """Ctrl-D, or the terminal has gone."""


class Interrupted(Record):
    """Ctrl-C with nothing typed."""


class FileRead(Record):
    """The content that a ReadFile asked for; `reason` why there is none."""

    request: "ReadFile"
    data: bytes = b""
    reason: str = ""


class Told(Record):
    """Something the shell has to say, such as a redirect or a file that was written."""

    text: str
    mark: "Mark" = ""


class SchemaRead(Record):
    """What is known of the app's routes, after a change."""

    schema: "Schema | None"


class Tick(Record):
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
    | SchemaRead
    | Tick
)


# Items: what is shown.

Mark: TypeAlias = Literal["", "go", "ok", "bad", "end", "reload"]


class Note(Record):
    """One line of ours; it may hold what the server wrote."""

    text: str
    mark: Mark = ""


class Sent(Record):
    """What was sent, as it was typed; `peer` is "" while there is one connection only."""

    text: str
    peer: str = ""


class Message(Record):
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


class Say(Record):
    """Send one message; `typed` is how it stands on the screen, `fragment` the bytes to a frame."""

    payload: Payload
    typed: str = ""
    fragment: int = 0


# Actions: what the shell must do.


class Display(Record):
    """Show `item` above the prompt."""

    item: Item


class Connect(Record):
    """Open `peer` (again) and feed Opened or Failed.

    `target` is what the user wrote; "" means where the connection `like` goes, and without that where it was before.
    `headers` are all that the user wants in the handshake.
    """

    peer: str
    target: str = ""
    like: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Send(Record):
    """Send one message; with `fragment` bytes to a frame."""

    peer: str
    payload: Payload
    fragment: int = 0


class SendRaw(Record):
    """Write bytes that need be no frame at all."""

    peer: str
    data: bytes


class SendPing(Record):
    """Send a ping and feed Ponged."""

    peer: str


class SendPong(Record):
    """Send a pong that nobody asked for."""

    peer: str
    data: bytes


class SendClose(Record):
    """Send a Close frame after everything that was given to Send before."""

    peer: str
    code: int
    reason: str = ""


class Drop(Record):
    """End the TCP connection at once, or stop trying to open it."""

    peer: str


class Stall(Record):
    """Read nothing for a while."""

    peer: str
    seconds: float


class TraceFrames(Record):
    """Feed a FrameSeen for every frame of every connection, or no longer."""

    on: bool


class FetchTrace(Record):
    """Ask the dev server, or the application in this process, why its handler failed, and feed Traced."""

    peer: str


class Watch(Record):
    """Look at the dev server's state closely, because something waits for it, or only now and then."""

    closely: bool


class ReadFile(Record):
    """Read a file and feed FileRead. `purpose` is "text" or "bin" to send it to `peer`, or "replay"."""

    path: str
    purpose: Literal["text", "bin", "replay"]
    peer: str
    speed: float = 1.0


class WriteFile(Record):
    """Write a file, then show `done`."""

    path: str
    text: str
    done: str


class Copy(Record):
    """Put the text into the clipboard."""

    text: str


class Prefill(Record):
    """Put the text into the prompt; with `edit` open it in the editor at once."""

    text: str
    edit: bool = False


class SetKeys(Record):
    """The keys of the prompt: as in emacs or as in vi."""

    mode: Literal["emacs", "vi"]


class ClearScreen(Record):
    """Wipe the screen."""


class Leave(Record):
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
