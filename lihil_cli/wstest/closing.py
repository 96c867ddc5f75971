"""How a connection ends: the event, and what its code means (RFC 6455, section 7.4)."""

from typing import Final, Literal

from lihil_cli.record import Record
from lihil_cli.wstest.protocol import may_be_sent, meaning_of

__all__ = ["NORMAL", "Closed", "may_be_sent", "meaning_of"]

NORMAL: Final = 1000


class Closed(Record):
    """The connection is over. `by` is who closed first; nobody means it was lost (1006)."""

    code: int
    reason: str = ""
    by: Literal["server", "client", "nobody"] = "server"
