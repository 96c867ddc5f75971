"""How a connection ends: the event, and what its code means (RFC 6455, section 7.4)."""

from typing import Final, Literal

from lihil_cli.record import Record
from lihil_cli.wstest.protocol import may_be_sent, meaning_of

__all__ = ["CLEAN", "LOST", "NORMAL", "Closed", "may_be_sent", "meaning_of"]

NORMAL: Final = 1000
LOST: Final = 1006

CLEAN: Final = frozenset({NORMAL, 1001, 1005})
"""A server's close with one of these is a good end; 1005 stands for a frame without a code (section 7.1.5)."""


class Closed(Record):
    """The connection is over. `by` is who closed first; nobody means it was lost (1006)."""

    code: int
    reason: str = ""
    by: Literal["server", "client", "nobody"] = "server"
