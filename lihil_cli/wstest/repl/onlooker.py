"""The screen of somebody who looks on while a program talks: the messages look as they do at the prompt."""

import sys
import time
from collections.abc import Callable

from lihil_cli.console import colour_allowed
from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.handshake import Refusal
from lihil_cli.wstest.repl.events import Message
from lihil_cli.wstest.repl.look import MARKS, Look
from lihil_cli.wstest.repl.render import render
from lihil_cli.wstest.terminal import Streams, terminal_width


class Onlooker:
    """An `Output` for people. Nothing can be asked for here, so what is folded says nothing of /show."""

    def __init__(self, write: Callable[[bytes], object], streams: Streams) -> None:
        self._write = write
        self._encoding = streams.encoding
        self._look = look_of(streams).but(has_commands=False)
        self._last_t: float | None = None

    def received(self, t: float, payload: str | bytes, number: int) -> None:
        delta_s = None if self._last_t is None else t - self._last_t
        self._last_t = t
        text = render(Message(number, payload, time.time(), delta_s), self._look.but(width=terminal_width()))
        self._write(text.encode(self._encoding, "backslashreplace"))

    def opened(self, t: float, url: str, subprotocol: str | None, connect_s: float) -> None: ...

    def sent(self, t: float, payload: str | bytes) -> None: ...

    def ponged(self, t: float, rtt_s: float) -> None: ...

    def closed(self, t: float, event: Closed) -> None: ...

    def refused(self, t: float, refusal: Refusal) -> None: ...


def look_of(streams: Streams) -> Look:
    """What this process's terminal can show, but for its width, which may change."""
    marks = "".join(mark for mark, _, _ in MARKS.values())
    try:
        marks.encode(streams.encoding)
        has_marks = True
    except (UnicodeError, LookupError):
        has_marks = False
    stdout = sys.stdout
    return Look(
        colour=stdout is not None and colour_allowed(stdout),
        ascii=not has_marks,
        offset_s=time.localtime().tm_gmtoff,
    )
