"""What a connection says and is: its role, its state, the events that `receive` gives back, and its errors."""

from enum import Enum
from typing import NamedTuple, TypeAlias


class Role(Enum):
    """Which side of the connection this is: clients mask what they send (section 5.1)."""

    SERVER = "server"
    CLIENT = "client"


class State(Enum):
    """Where the connection stands (sections 4.1 and 7.1)."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Ping(NamedTuple):
    """A ping that was received; its pong is in the output already."""

    payload: bytes


class Pong(NamedTuple):
    """A pong that was received, asked for or not."""

    payload: bytes


class Close(NamedTuple):
    """The peer's close frame; 1005 where it has no code."""

    code: int
    reason: str


class Failure(NamedTuple):
    """The peer broke a rule: the connection has failed with this code (section 7.1.7)."""

    code: int
    reason: str


Event: TypeAlias = str | bytes | Ping | Pong | Close | Failure
"""A text message is a `str`, a binary one `bytes`: no object around what comes a million times."""


class ProtocolError(Exception):
    """A broken rule, on its way to becoming a Failure."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class StateError(Exception):
    """A call that the connection's state does not allow."""
