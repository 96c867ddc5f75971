"""One conversation with a server, from the handshake to the exit code. Decides everything, does nothing.

    CONNECTING --Opened--> OPEN --our close, Ctrl-C, limits--> CLOSING --Closed, deadline--> ENDED
         |                  |                                                                 ^
         +---Ctrl-C, time---+----------------------------Closed-------------------------------+

The shell calls `Session.handle(event, now)` and carries out the actions in order; it also feeds a Tick when
`wake_at` has come. Times are seconds on one clock that never goes back, and only ever arrive as arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.close_codes import NORMAL, meaning_of
from lihil_cli.wstest.commands import HELP, Explain, Leave, Measure, Say, parse_line
from lihil_cli.wstest.events import (
    Action,
    Close,
    Closed,
    Echo,
    Event,
    Exit,
    InputEnded,
    InputFailed,
    Interrupted,
    Line,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
)

CLOSE_WAIT_S = 1.0
"""How long a close may stay unanswered before the connection is dropped."""

_CLEAN = frozenset({1000, 1001})
_TOO_BIG = 1009


class State(Enum):
    """Where the conversation is."""

    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Options:
    """How the conversation is held. With `interactive` lines are read as commands and echoed."""

    interactive: bool = False
    messages: tuple[str, ...] = ()
    limit: int | None = None
    timeout_s: float | None = None
    linger_s: float = 1.0


class Session:
    """The state of one conversation."""

    def __init__(self, options: Options, now: float) -> None:
        self.options = options
        self.state = State.CONNECTING
        self._received = 0
        self._held: list[Event] = []
        self._input_ended = False
        self._interrupted = False
        self._output_broken = False
        # The exit code, and the last line for the user, when they are settled before the connection has ended.
        self._verdict: tuple[int, str] | None = None
        self._timeout_at = None if options.timeout_s is None else now + options.timeout_s
        self._linger_from = now
        self._close_by = now

    @property
    def wake_at(self) -> float | None:
        """When the next Tick has something to decide; None when only an event can change anything."""
        if self.state is State.ENDED:
            return None
        if self.state is State.CLOSING:
            return self._close_by
        lingering = self.state is State.OPEN and self._input_ended
        times = [self._timeout_at, self._linger_from + self.options.linger_s if lingering else None]
        return min((time for time in times if time is not None), default=None)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event in and give the actions it leads to; an event that means nothing now leads to none."""
        rule = self._RULES.get((self.state, type(event)))
        return [] if rule is None else rule(self, event, now)

    # CONNECTING

    def _open(self, event: Opened, now: float) -> list[Action]:
        self.state = State.OPEN
        self._linger_from = now
        actions: list[Action] = [Note(event.about)] if self.options.interactive else []
        for message in self.options.messages:
            actions += self._say(message)
        for held in self._held:
            actions += self.handle(held, now)
        return actions

    def _hold(self, event: Event, now: float) -> list[Action]:
        self._held.append(event)  # nothing is sent before the handshake is done
        return []

    def _give_up(self, event: Interrupted, now: float) -> list[Action]:
        return self._end(ExitCode.INTERRUPTED, "interrupted before the connection was open")

    def _expire_connecting(self, event: Tick, now: float) -> list[Action]:
        if self._timeout_at is None or now < self._timeout_at:
            return []
        return self._end(ExitCode.TIMEOUT, self._timeout_text())

    # OPEN

    def _read_line(self, event: Line, now: float) -> list[Action]:
        if not self.options.interactive:
            self._linger_from = now
            return self._say(event.text)
        if not event.text:
            return []  # Enter on an empty prompt is a habit, not a message
        command = parse_line(event.text)
        match command:
            case Say(text):
                return self._say(text)
            case Leave(code, reason):
                return self._start_close(now, code, reason)
            case Measure():
                return [Ping()]
            case Explain():
                return [Note(line) for line in HELP]
        return [Note(command.message)]

    def _end_input(self, event: InputEnded, now: float) -> list[Action]:
        if self.options.interactive:
            return self._start_close(now)
        self._input_ended = True
        self._linger_from = now
        return []

    def _refuse_input(self, event: InputFailed, now: float) -> list[Action]:
        self._verdict = (ExitCode.USAGE, event.message)
        return self._start_close(now)

    def _show_message(self, event: Received, now: float) -> list[Action]:
        self._received += 1
        self._linger_from = now
        shown: list[Action] = [Print(event.payload)]
        if self._received == self.options.limit:
            return shown + self._start_close(now)
        return shown

    def _show_pong(self, event: Ponged, now: float) -> list[Action]:
        return [Note(f"pong after {event.rtt_s * 1000:.2f} ms")]

    def _interrupt(self, event: Interrupted, now: float) -> list[Action]:
        self._interrupted = True
        return self._start_close(now)

    def _break_output(self, event: OutputBroken, now: float) -> list[Action]:
        self._break_output_late(event, now)
        return self._start_close(now)

    def _expire_open(self, event: Tick, now: float) -> list[Action]:
        if self._timeout_at is not None and now >= self._timeout_at:
            self._verdict = (ExitCode.TIMEOUT, self._timeout_text())
            return self._start_close(now)
        if self._input_ended and now >= self._linger_from + self.options.linger_s:
            return self._start_close(now)
        return []

    def _finish(self, event: Closed, now: float) -> list[Action]:
        code = ExitCode.OK if event.by == "server" and event.code in _CLEAN else ExitCode.ENDED_BADLY
        text = describe_close(event)
        if event.by == "client" and event.code == _TOO_BIG:
            text += "; --max-size BYTES raises the limit"
        return self._end(code, text)

    # CLOSING

    def _show_late_message(self, event: Received, now: float) -> list[Action]:
        """A message that was on its way when we closed still counts, unless enough have been shown."""
        if self._output_broken or (self.options.limit is not None and self._received >= self.options.limit):
            return []
        self._received += 1
        return [Print(event.payload)]

    def _break_output_late(self, event: OutputBroken, now: float) -> list[Action]:
        self._output_broken = True
        failed = (ExitCode.FAILED, f"cannot write the output: {event.why}")
        self._verdict = failed if event.why else (ExitCode.BROKEN_PIPE, "")
        return []

    def _finish_close(self, event: Closed, now: float) -> list[Action]:
        if event.by == "nobody":
            return self._end_unanswered()
        is_bad = event.by == "server" and event.code not in _CLEAN
        return self._end(ExitCode.ENDED_BADLY if is_bad else ExitCode.OK, describe_close(event))

    def _expire_closing(self, event: Tick, now: float) -> list[Action]:
        return [] if now < self._close_by else self._end_unanswered()

    def _hurry(self, event: Interrupted, now: float) -> list[Action]:
        self._interrupted = True
        return self._end_unanswered()

    # Steps that several rules share

    def _say(self, text: str) -> list[Action]:
        return [Echo(text), Send(text)] if self.options.interactive else [Send(text)]

    def _start_close(self, now: float, code: int = NORMAL, reason: str = "") -> list[Action]:
        self.state = State.CLOSING
        self._close_by = now + CLOSE_WAIT_S
        return [Close(code, reason)]

    def _end_unanswered(self) -> list[Action]:
        code = ExitCode.INTERRUPTED if self._interrupted else ExitCode.ENDED_BADLY
        return self._end(code, "the server did not answer the close (1006)")

    def _end(self, code: int, text: str) -> list[Action]:
        self.state = State.ENDED
        code, text = self._verdict or (code, text)
        # Without a text nobody is left to read it: a broken pipe ends a process quietly.
        return [Note(text), Exit(code)] if text else [Exit(code)]

    def _timeout_text(self) -> str:
        return f"--timeout: {self.options.timeout_s:g} s have passed"

    # A row per state and event; what has no row is ignored.
    _RULES: ClassVar[dict[tuple[State, type], Callable[..., list[Action]]]] = {
        (State.CONNECTING, Opened): _open,
        (State.CONNECTING, Line): _hold,
        (State.CONNECTING, InputEnded): _hold,
        (State.CONNECTING, InputFailed): _hold,
        (State.CONNECTING, Interrupted): _give_up,
        (State.CONNECTING, Tick): _expire_connecting,
        (State.OPEN, Line): _read_line,
        (State.OPEN, InputEnded): _end_input,
        (State.OPEN, InputFailed): _refuse_input,
        (State.OPEN, Received): _show_message,
        (State.OPEN, Ponged): _show_pong,
        (State.OPEN, Closed): _finish,
        (State.OPEN, Interrupted): _interrupt,
        (State.OPEN, OutputBroken): _break_output,
        (State.OPEN, Tick): _expire_open,
        (State.CLOSING, Received): _show_late_message,
        (State.CLOSING, Closed): _finish_close,
        (State.CLOSING, Interrupted): _hurry,
        (State.CLOSING, OutputBroken): _break_output_late,
        (State.CLOSING, Tick): _expire_closing,
    }


def describe_close(event: Closed) -> str:
    """One line for the end of a connection: who closed, the code, what it means, and the reason given."""
    who = {"server": "closed by the server: ", "client": "closed: ", "nobody": ""}[event.by]
    reason = f": {event.reason}" if event.reason else ""
    return f"{who}{event.code} ({meaning_of(event.code)}){reason}"
