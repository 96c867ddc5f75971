"""One conversation with a server, from the handshake to the exit code. Decides everything, does nothing.

    CONNECTING --Opened--> OPEN --our close, Ctrl-C, limits--> CLOSING --Closed, deadline--> ENDED
       | ^  |               |                                                                 ^
       | |  +--Ctrl-C, time-+----------------------------Closed-------------------------------+
       v |                  v
      WAITING <-------Closed, and the server may come back

The shell calls `Session.handle(event, now)` and carries out the actions in order; it also feeds a Tick when
`wake_at` has come. Times are seconds on one clock that never goes back, and only ever arrive as arguments.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import ClassVar

from lihil_cli.errors import ExitCode
from lihil_cli.wstest import steps
from lihil_cli.wstest.closing import CLEAN, LOST, NORMAL, Closed, meaning_of
from lihil_cli.wstest.events import (
    Action,
    Close,
    Connect,
    Event,
    Exit,
    Given,
    InputEnded,
    InputFailed,
    Interrupted,
    Note,
    Opened,
    OutputBroken,
    Ping,
    Ponged,
    Print,
    Received,
    Send,
    Tick,
    Unreached,
)
from lihil_cli.wstest.pattern import Pattern
from lihil_cli.wstest.returning import Returns
from lihil_cli.wstest.settings import Options

CLOSE_WAIT_S = 1.0
"""How long a close may stay unanswered before the connection is dropped."""

INTERRUPTED_WAIT_S = 0.5
"""The same after Ctrl-C."""
LINGER_S = 1.0
"""How long to wait for more messages once the input has ended."""
LINGER_FOR_EXPECTED_S = 5.0

_TOO_BIG = 1009
_KEPT_MESSAGES = 1000  # for an expectation that is read after the message has come
_KEPT_BYTES = 2**20
_SHOWN_CHARACTERS = 200


class State(Enum):
    """Where the conversation is."""

    CONNECTING = auto()
    WAITING = auto()
    OPEN = auto()
    CLOSING = auto()
    ENDED = auto()


class Session:
    """The state of one conversation."""

    def __init__(self, options: Options, now: float) -> None:
        self.options = options
        self.state = State.CONNECTING
        self._received = 0
        self._has_enough = False  # messages: no more are shown, nor do they count
        self._held: list[Event] = []
        self._input_ended = False
        self._interrupted = False
        self._output_broken = False
        # The exit code, and the last line for the user, when they are settled before the connection has ended.
        self._verdict: tuple[int, str] | None = None
        self._timeout_at = None if options.timeout_s is None else now + options.timeout_s
        self._linger_from = now
        self._close_by = now
        # The input's steps that are still to be done, what the first of them waits for, and until when.
        self._steps: deque[steps.Step] = deque()
        self._awaited: steps.Expect | None = None
        self._blocked_until: float | None = None
        self._kept: deque[str | bytes] = deque()
        self._kept_bytes = 0
        self._met = 0  # of options.expects
        self._has_left = False  # because the input said so
        self._returns = Returns()

    @property
    def wants_input(self) -> bool:
        """Whether more of the input can be used now: a step that waits holds up those behind it."""
        return self.state is State.OPEN and not self._steps and self._blocked_until is None

    @property
    def wake_at(self) -> float | None:
        """When the next Tick has something to decide; None when only an event can change anything."""
        if self.state is State.ENDED:
            return None
        if self.state is State.CLOSING:
            return self._close_by
        if self.state is State.CONNECTING:
            return self._timeout_at
        expected_by = None if self._awaited is None else self._blocked_until
        is_waiting = self.state is State.WAITING
        more = [self._returns.retry_at, expected_by] if is_waiting else [self._blocked_until, self._linger_until]
        times = [self._timeout_at, *more]
        return min((time for time in times if time is not None), default=None)

    @property
    def _is_exhausted(self) -> bool:
        return self._input_ended and not self._steps and self._blocked_until is None

    @property
    def _linger_until(self) -> float | None:
        """When to leave because nothing comes any more; None where that is no reason."""
        options = self.options
        if not self._is_exhausted or options.listen:
            return None
        if options.linger_s is not None:
            return self._linger_from + options.linger_s
        if options.limit is not None or options.until is not None:
            return None
        return self._linger_from + (LINGER_FOR_EXPECTED_S if self._missing else LINGER_S)

    @property
    def _missing(self) -> Pattern | None:
        """The first expectation of the command line that has not been met."""
        expects = self.options.expects
        return expects[self._met] if self._met < len(expects) else None

    def _unmet_steps(self) -> list[Pattern]:
        """What the input still expects when no more messages come."""
        waiting = [*filter(None, [self._awaited]), *self._steps]
        expected = [step.pattern for step in waiting if isinstance(step, steps.Expect)]
        while expected and self._has_come(expected[0]):
            del expected[0]
        return expected

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event in and give the actions it leads to; an event that means nothing now leads to none."""
        rule = self._RULES.get((self.state, type(event)))
        return [] if rule is None else rule(self, event, now)

    # CONNECTING

    def _open(self, event: Opened, now: float) -> list[Action]:
        self.state = State.OPEN
        self._linger_from = now
        told = self._returns.open(now)
        actions: list[Action] = [Note(told)] if told else []
        actions += [*map(Send, self.options.messages), *event.unsent]
        self._input_ended = self._input_ended or self.options.listen
        held, self._held = self._held, []
        for one in held:
            actions += self.handle(one, now)
        return actions

    def _hold(self, event: Event, now: float) -> list[Action]:
        self._held.append(event)  # nothing is sent before the handshake is done
        return []

    def _give_up(self, event: Interrupted, now: float) -> list[Action]:
        when = "while the server was away" if self._returns.has_been_open else "before the connection was open"
        return self._end(ExitCode.INTERRUPTED, f"interrupted {when}")

    def _expire_connecting(self, event: Tick, now: float) -> list[Action]:
        if self._timeout_at is None or now < self._timeout_at:
            return []
        return self._end(ExitCode.TIMEOUT, self._timeout_text())

    def _miss(self, event: Unreached, now: float) -> list[Action]:
        """No connection, which is the end for whoever opens it, unless it is WAITING for another attempt."""
        if not self.options.reconnects:
            return []
        if not self._returns.miss(now, is_absent=event.is_absent, is_near=event.is_near):
            return []
        self.state = State.WAITING
        return [Note(f"{event.why}; retrying, Ctrl-C stops")] if self._returns.is_news() else []

    # WAITING

    def _break_output_waiting(self, event: OutputBroken, now: float) -> list[Action]:
        self._break_output_late(event, now)
        return self._end(ExitCode.BROKEN_PIPE, "")

    def _expire_waiting(self, event: Tick, now: float) -> list[Action]:
        expired = self._expire_connecting(event, now)
        if expired:
            return expired
        if self._awaited is not None and self._blocked_until is not None and now >= self._blocked_until:
            self._fail_awaited(self._awaited)
            return self._end(ExitCode.FAILED, "")
        if now < self._returns.retry_at:
            return []
        self.state = State.CONNECTING
        return [Connect()]

    # OPEN

    def _take_step(self, event: Given, now: float) -> list[Action]:
        self._linger_from = now
        self._steps.append(event.step)
        return self._go_on(now)

    def _go_on(self, now: float) -> list[Action]:
        """Do the input's steps up to one that waits."""
        actions: list[Action] = []
        while self._steps and self._blocked_until is None and self.state is State.OPEN:
            match self._steps.popleft():
                case steps.Say(payload):
                    actions.append(Send(payload))
                case steps.Measure(payload):
                    actions.append(Ping(payload))
                case steps.Leave(code, reason):
                    self._has_left = True
                    actions += self._start_close(now, code, reason)
                case steps.Sleep(seconds):
                    self._blocked_until = now + seconds
                case expected:
                    self._await(expected, now)
            self._linger_from = now
        return actions

    def _await(self, expected: steps.Expect, now: float) -> None:
        """Wait for a message, unless it has come since the last one that was waited for."""
        if not self._has_come(expected.pattern):
            self._awaited = expected
            self._blocked_until = now + expected.within_s

    def _has_come(self, pattern: Pattern) -> bool:
        """Whether one of the messages that were kept is like this; those before it are kept no longer."""
        while self._kept:
            message = self._kept.popleft()
            self._kept_bytes -= len(message)
            if pattern.matches(message):
                return True
        return False

    def _end_input(self, event: InputEnded, now: float) -> list[Action]:
        self._input_ended = True
        self._linger_from = now
        return self._stop_when_met(now)

    def _refuse_input(self, event: InputFailed, now: float) -> list[Action]:
        self._verdict = (ExitCode.USAGE, event.message)
        return self._start_close(now)

    def _show_message(self, event: Received, now: float) -> list[Action]:
        self._linger_from = now
        actions = [self._take(event.payload)]
        if self._has_enough:
            actions += self._start_close(now)
        return [*actions, *self._meet(event.payload, now), *self._stop_when_met(now)]

    def _take(self, payload: str | bytes) -> Action:
        """Show a message and count it; with it, enough may have come."""
        self._received += 1
        self._tick_off(payload)
        until = self.options.until
        self._has_enough = self._received == self.options.limit or (until is not None and until.matches(payload))
        return Print(payload, self._received)

    def _tick_off(self, message: str | bytes | Closed) -> bool:
        """Whether this is what the command line expects next; what comes behind that is expected from now on."""
        missing = self._missing
        is_expected = missing is not None and missing.matches(message)
        self._met += is_expected
        return is_expected

    def _meet(self, payload: str | bytes, now: float) -> list[Action]:
        """What the step that waits makes of a message; without one it is kept for a step still to come."""
        if self._awaited is None:
            self._kept.append(payload)
            self._kept_bytes += len(payload)
            while self._kept_bytes > _KEPT_BYTES or len(self._kept) > _KEPT_MESSAGES:
                self._kept_bytes -= len(self._kept.popleft())
            return []
        if not self._awaited.pattern.matches(payload):
            return []
        self._awaited = self._blocked_until = None
        return self._go_on(now)

    def _stop_when_met(self, now: float) -> list[Action]:
        """Everything expected has come, and nothing else says what to wait for."""
        options = self.options
        if not options.expects or self._missing is not None or not self._is_exhausted:
            return []
        if options.limit is not None or options.until is not None or self.state is not State.OPEN:
            return []
        return self._start_close(now)

    def _show_pong(self, event: Ponged, now: float) -> list[Action]:
        return [Note(f"pong after {event.rtt_s * 1000:.2f} ms")]

    def _interrupt(self, event: Interrupted, now: float) -> list[Action]:
        self._interrupted = True
        actions = self._start_close(now)
        self._close_by = now + INTERRUPTED_WAIT_S
        return actions

    def _break_output(self, event: OutputBroken, now: float) -> list[Action]:
        self._break_output_late(event, now)
        return self._start_close(now)

    def _expire_open(self, event: Tick, now: float) -> list[Action]:
        if self._timeout_at is not None and now >= self._timeout_at:
            self._verdict = (ExitCode.TIMEOUT, self._timeout_text())
            return self._start_close(now)
        if self._blocked_until is not None and now >= self._blocked_until:
            if self._awaited is not None:
                self._fail_awaited(self._awaited)
                return self._start_close(now)
            self._blocked_until = None
            return [*self._go_on(now), *self._stop_when_met(now)]
        # A message that takes long to arrive is no silence.
        self._linger_from = max(self._linger_from, min(event.heard_at, now))
        if self._linger_until is not None and now >= self._linger_until:
            return self._start_close(now)
        return []

    def _fail_awaited(self, awaited: steps.Expect) -> None:
        self._verdict = (ExitCode.FAILED, _unmet(awaited.pattern, within_s=awaited.within_s))
        self._awaited = None
        self._steps.clear()

    def _finish(self, event: Closed, now: float) -> list[Action]:
        if self.options.reconnects and not self._is_expected(event) and self._returns.lose(event, now):
            self.state = State.WAITING
            return [Note(f"{describe_close(event)}; connecting again")]
        is_good = self._meet_close(event) or (event.by != "client" and self._is_good(event.code))
        code = ExitCode.OK if is_good else ExitCode.ENDED_BADLY
        text = describe_close(event)
        if event.by == "client" and event.code == _TOO_BIG:
            text += "; --max-size BYTES raises the limit"
        return self._end(code, text)

    # CLOSING

    def _take_late_step(self, event: Given, now: float) -> list[Action]:
        self._steps.append(event.step)  # nothing goes out any more, but what it expects may be on its way
        return []

    def _show_late_message(self, event: Received, now: float) -> list[Action]:
        """A message that was on its way when we closed still counts, unless enough have been shown."""
        if self._output_broken or self._has_enough:
            return []
        return [self._take(event.payload), *self._meet(event.payload, now)]

    def _break_output_late(self, event: OutputBroken, now: float) -> list[Action]:
        self._output_broken = True
        failed = (ExitCode.FAILED, f"cannot write the output: {event.why}")
        self._verdict = failed if event.why else (ExitCode.BROKEN_PIPE, "")
        return []

    def _finish_close(self, event: Closed, now: float) -> list[Action]:
        is_expected = self._meet_close(event)
        if event.by == "nobody":
            return self._end_unanswered()
        if self._interrupted:
            return self._end(ExitCode.INTERRUPTED, f"interrupted; {describe_close(event)}")
        is_bad = event.by == "server" and not is_expected and not self._is_good(event.code)
        return self._end(ExitCode.ENDED_BADLY if is_bad else ExitCode.OK, describe_close(event))

    def _expire_closing(self, event: Tick, now: float) -> list[Action]:
        return [] if now < self._close_by else self._end_unanswered()

    def _hurry(self, event: Interrupted, now: float) -> list[Action]:
        self._interrupted = True
        return self._end_unanswered()

    # Steps that several rules share

    def _is_good(self, code: int) -> bool:
        return code in CLEAN or code in self.options.ok_codes

    def _is_expected(self, event: Closed) -> bool:
        """Whether this end is what is expected next."""
        awaited = None if self._awaited is None else self._awaited.pattern
        return any(pattern is not None and pattern.matches(event) for pattern in (self._missing, awaited))

    def _meet_close(self, event: Closed) -> bool:
        """Whether this end is one that was expected: a server's, or the answer to a close that the input asked for."""
        if event.by == "client" and not self._has_left:
            return False
        unmet = self._unmet_steps()
        is_awaited = bool(unmet) and unmet[0].matches(event)
        self._awaited, self._steps = None, deque(map(steps.Expect, unmet[is_awaited:]))
        return self._tick_off(event) or is_awaited

    def _start_close(self, now: float, code: int = NORMAL, reason: str = "") -> list[Action]:
        self.state = State.CLOSING
        self._close_by = now + CLOSE_WAIT_S
        return [Close(code, reason)]

    def _end_unanswered(self) -> list[Action]:
        bad = ExitCode.OK if self._is_good(LOST) else ExitCode.ENDED_BADLY
        return self._end(
            ExitCode.INTERRUPTED if self._interrupted else bad, "the server did not answer the close (1006)"
        )

    def _end(self, code: int, text: str) -> list[Action]:
        self.state = State.ENDED
        code, text = self._verdict or (code, text)
        missing = [*filter(None, [self._missing]), *self._unmet_steps()]
        if missing and text and self._returns.has_been_open and code != ExitCode.INTERRUPTED:
            code = ExitCode.FAILED if code in {ExitCode.OK, ExitCode.ENDED_BADLY} else code
            text = f"{text}; {_unmet(missing[0])}"
        # Without a text nobody is left to read it: a broken pipe ends a process quietly.
        return [Note(text), Exit(code)] if text else [Exit(code)]

    def _timeout_text(self) -> str:
        return f"--timeout: {self.options.timeout_s:g} s have passed"

    # A row per state and event; what has no row is ignored.
    _RULES: ClassVar[dict[tuple[State, type], Callable[..., list[Action]]]] = {
        (State.CONNECTING, Opened): _open,
        (State.CONNECTING, Given): _hold,
        (State.CONNECTING, InputEnded): _hold,
        (State.CONNECTING, InputFailed): _hold,
        (State.CONNECTING, Interrupted): _give_up,
        (State.CONNECTING, Tick): _expire_connecting,
        (State.CONNECTING, Unreached): _miss,
        (State.WAITING, Given): _hold,
        (State.WAITING, InputEnded): _hold,
        (State.WAITING, InputFailed): _hold,
        (State.WAITING, Interrupted): _give_up,
        (State.WAITING, OutputBroken): _break_output_waiting,
        (State.WAITING, Tick): _expire_waiting,
        (State.OPEN, Given): _take_step,
        (State.OPEN, InputEnded): _end_input,
        (State.OPEN, InputFailed): _refuse_input,
        (State.OPEN, Received): _show_message,
        (State.OPEN, Ponged): _show_pong,
        (State.OPEN, Closed): _finish,
        (State.OPEN, Interrupted): _interrupt,
        (State.OPEN, OutputBroken): _break_output,
        (State.OPEN, Tick): _expire_open,
        (State.CLOSING, Given): _take_late_step,
        (State.CLOSING, Received): _show_late_message,
        (State.CLOSING, Closed): _finish_close,
        (State.CLOSING, Interrupted): _hurry,
        (State.CLOSING, OutputBroken): _break_output_late,
        (State.CLOSING, Tick): _expire_closing,
    }


def _unmet(pattern: Pattern, *, within_s: float | None = None) -> str:
    """What was expected and did not come, shortened."""
    shown = pattern.shown if len(pattern.shown) <= _SHOWN_CHARACTERS else f"{pattern.shown[:_SHOWN_CHARACTERS]}..."
    return f"no message was {shown}" + (f" within {within_s:g} s" if within_s is not None else ", as expected")


def describe_close(event: Closed) -> str:
    """One line for the end of a connection: who closed, the code, what it means, and the reason given."""
    who = {"server": "closed by the server: ", "client": "closed: ", "nobody": ""}[event.by]
    reason = f": {event.reason}" if event.reason else ""
    return f"{who}{event.code} ({meaning_of(event.code)}){reason}"
