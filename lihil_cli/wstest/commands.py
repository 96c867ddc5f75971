"""What a line typed at the prompt means: text to send, or a command that begins with a slash."""

from dataclasses import dataclass
from typing import TypeAlias

from lihil_cli.wstest.close_codes import NORMAL, is_sendable_code

HELP = (
    "a line is sent as a text message; //text sends /text",
    "/ping                   measure the time to the server and back",
    "/close [code] [reason]  close the connection, with 1000 if nothing is said",
    "/quit                   close with 1000 and leave, like Ctrl-D; Ctrl-C clears the line, then leaves",
)


@dataclass(frozen=True, slots=True)
class Say:
    """Send `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the connection with `code` and `reason`."""

    code: int = NORMAL
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """Send a ping and show how long the pong took."""


@dataclass(frozen=True, slots=True)
class Explain:
    """Show the commands."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Nothing is done; `message` says what was wrong and how to write it."""

    message: str


Command: TypeAlias = Say | Leave | Measure | Explain | Mistake

_PLAIN: dict[str, Command] = {"/help": Explain(), "/ping": Measure(), "/quit": Leave()}


def parse_line(line: str) -> Command:
    """Read one typed line. Nothing that begins with a single slash is ever sent."""
    if line.startswith("//"):
        return Say(line[1:])
    if not line.startswith("/"):
        return Say(line)
    name, _, rest = line.partition(" ")
    rest = rest.strip()
    if name == "/close":
        return _parse_close(rest)
    if name not in _PLAIN:
        return Mistake(f"unknown command {name}: /help lists them, and /{line} sends the line as it is")
    if rest:
        return Mistake(f"{name} takes nothing after it")
    return _PLAIN[name]


def _parse_close(rest: str) -> Command:
    code_text, _, reason = rest.partition(" ")
    reason = reason.strip()
    if not code_text:
        return Leave()
    if not (code_text.isascii() and code_text.isdigit() and is_sendable_code(int(code_text[:5]))):
        return Mistake(f"{code_text} is no code that may be sent: 1000-1003, 1007-1014 or 3000-4999")
    if len(reason.encode()) > 123:  # RFC 6455, section 5.5: a control frame holds 125 bytes, two are the code
        return Mistake("a close reason holds at most 123 bytes")
    return Leave(int(code_text), reason)
