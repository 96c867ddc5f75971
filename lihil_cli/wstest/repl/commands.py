"""What can be asked for at the prompt: one record a command, and the table that /help and Tab are made from."""

from typing import Literal, TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.closing import NORMAL
from lihil_cli.wstest.repl.events import Say
from lihil_cli.wstest.request import Extras


class To(Record):
    """Do `rest` on the connection `name`; where there is only one, the line is a text like any other."""

    name: str
    rest: str
    line: str


class SayFile(Record):
    """Send a file's content as one message."""

    path: str
    kind: Literal["text", "bin"]


class RawBytes(Record):
    """Write bytes past the protocol."""

    data: bytes


class Repeat(Record):
    """Send `say` so many times, `every_s` apart."""

    count: int
    every_s: float
    say: Say


class Ping(Record):
    """Measure the time to the server and back, `count` times."""

    count: int = 1


class Pong(Record):
    """Send a pong that nobody asked for."""

    data: bytes = b""


class Close(Record):
    """Close the connection."""

    code: int = NORMAL
    reason: str = ""


class Stall(Record):
    """Read nothing for so long."""

    seconds: float


class Open(Record):
    """Open a further connection; `target` "" means where the current one is, `extras` are its items."""

    name: str
    target: str = ""
    extras: Extras = Extras()


class Use(Record):
    """Make `name` the connection that lines are sent on."""

    name: str


class ConnectTo(Record):
    """Leave the current connection for another target; "" connects to the same one again. `extras` are its items."""

    target: str = ""
    extras: Extras = Extras()


class Show(Record):
    """Show a message whole; None is the last one."""

    number: int | None = None
    form: Literal["", "hex", "raw"] = ""


class CopyMessage(Record):
    """Put a message into the clipboard; None is the last one."""

    number: int | None = None


class Diff(Record):
    """Show what differs between two messages."""

    left: int
    right: int


class Filter(Record):
    """Show only what matches; "" shows everything again."""

    pattern: str = ""


class Only(Record):
    """Show one direction, or both."""

    direction: Literal["in", "out", "all"]


class Expect(Record):
    """A message that matches must arrive within `within_s`."""

    pattern: str
    within_s: float = 2.0


class Save(Record):
    """Write what was said so far as a script (.wst) or as a record (.jsonl)."""

    path: str


class Replay(Record):
    """Send again what a file says was sent; `speed` 0 means without waiting."""

    path: str
    speed: float = 1.0


class New(Record):
    """Put an example of a message type into the prompt; "" lists the types."""

    type: str = ""


class Edit(Record):
    """Open the editor on `text`, or on the last line that was sent."""

    text: str = ""


class Frames(Record):
    """Show every frame, or no longer."""

    on: bool


class Keys(Record):
    """Edit as in emacs or as in vi."""

    mode: Literal["emacs", "vi"]


class Help(Record):
    """Explain one command, or list them all."""

    name: str = ""


class Plain(Record):
    """A command that takes nothing after it."""

    name: Literal["drop", "reconnect", "routes", "pause", "status", "headers", "clear", "trace", "quit"]


class Mistake(Record):
    """Nothing is done; `message` says what was wrong and how to write it."""

    message: str


Command: TypeAlias = (
    Say
    | To
    | SayFile
    | RawBytes
    | Repeat
    | Ping
    | Pong
    | Close
    | Stall
    | Open
    | Use
    | ConnectTo
    | Show
    | CopyMessage
    | Diff
    | Filter
    | Only
    | Expect
    | Save
    | Replay
    | New
    | Edit
    | Frames
    | Keys
    | Help
    | Plain
    | Mistake
)


class Usage(Record):
    """One row of /help."""

    name: str
    takes: str
    about: str
    details: tuple[str, ...] = ()

    @property
    def synopsis(self) -> str:
        return f"/{self.name} {self.takes}".rstrip()


USAGES = (
    Usage("help", "[COMMAND]", "this list, or more about one command"),
    Usage("ping", "[N]", "measure the time to the server and back, N times"),
    Usage("pong", "[TEXT]", "send a pong that nobody asked for"),
    Usage("close", "[CODE] [REASON]", "close the connection, with 1000 if nothing is said; or wait for it no longer"),
    Usage("drop", "", "end the TCP connection without a close: the server sees 1006"),
    Usage("stall", "SECONDS", "read nothing for a while, to see how the server bears a slow client", ("/stall 10s",)),
    Usage("fragment", "BYTES MSG", "send MSG, compressed if that was agreed, in frames of so many bytes"),
    Usage("raw", "HEX", "write bytes to the connection as they are, no frame around them"),
    Usage("hex", "HEX", "send a binary message", ("/hex 01 ff 00",)),
    Usage("b64", "BASE64", "send a binary message"),
    Usage("file", "PATH [text|bin]", "send a file as one message"),
    Usage("json", "VALUE", "send JSON, which may be written as in Python", ("/json {'type': 'say', 'ok': True}",)),
    Usage("msgpack", "VALUE", "send JSON as msgpack"),
    Usage("repeat", "N [every TIME] MSG", "send MSG N times", ("/repeat 50 every 100ms ping", "/repeat 3 /hex 00")),
    Usage("new", "[TYPE]", "put an example of a message type into the prompt"),
    Usage("edit", "[TEXT]", "write a message in the editor, as Ctrl-X Ctrl-E does"),
    Usage("show", "[N] [--hex|--raw]", "show message N whole, the last one without N"),
    Usage("last", "", "show the last message whole"),
    Usage("copy", "[N]", "put message N into the clipboard"),
    Usage("diff", "N M", "show what differs between two messages"),
    Usage(
        "filter", "PATTERN|/REGEX/|off", "show only what matches", ('/filter {"type": "said", ...}', "/filter hello")
    ),
    Usage("only", "in|out|all", "show one direction only"),
    Usage("pause", "", "show nothing until the next /pause; everything is kept"),
    Usage("expect", "PATTERN [within TIME]", "a message that matches must come, within 2s if nothing is said"),
    Usage("save", "FILE.wst|FILE.jsonl", "write what was said as a script, or as a record"),
    Usage("replay", "FILE [SPEED|max]", "send again what was sent in a script or a record"),
    Usage(
        "open",
        "NAME [TARGET] [ITEM...]",
        "open a further connection",
        ("/open bob /chat?user=bob", "/open bob talk room==blue Token:x"),
    ),
    Usage("use", "NAME", "make NAME the connection that lines go to; @NAME MSG does so for one line"),
    Usage("connect", "[TARGET] [ITEM...]", "leave this connection for another target"),
    Usage("reconnect", "", "connect again"),
    Usage("routes", "", "list the WebSocket routes of the running app"),
    Usage("status", "", "the connections, what went over them, and how quick they are"),
    Usage("headers", "", "the headers of the handshake's answer"),
    Usage("frames", "on|off", "show every frame"),
    Usage("trace", "", "the whole traceback of the handler that failed"),
    Usage("keys", "emacs|vi", "edit as in emacs or as in vi"),
    Usage("clear", "", "wipe the screen; the messages are kept"),
    Usage("quit", "", "close with 1000 and leave, like Ctrl-D"),
)

INTRODUCTION = (
    "A line is sent as a text message; //text sends /text. JSON that is not complete goes on in the next line.",
    "Tab completes, Ctrl-R searches what was typed before, Alt-Enter sends what is not complete.",
)


def help_lines(name: str = "") -> list[str]:
    """The list of all commands, or what one of them is about; an unknown name gives the list of the known."""
    found = next((usage for usage in USAGES if usage.name == name.lstrip("/")), None)
    if found is not None:
        return [found.synopsis, f"  {found.about}", *(f"  for example: {example}" for example in found.details)]
    if name:
        return [f"there is no command {name}; /help lists them"]
    width = max(len(usage.synopsis) for usage in USAGES) + 2
    return [*INTRODUCTION, *(f"{usage.synopsis:{width}}{usage.about}" for usage in USAGES)]
