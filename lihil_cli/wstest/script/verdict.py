"""One run of a script, from its first step to its verdict. Decides everything, does nothing.

The shell calls `start(now)`, then `handle(event, now)` for all that happens, carries out the actions in order, and
feeds a Tick when `wake_at` has come, until there is an `ending`. Times are seconds on one clock that never goes back.

Every client has an inbox, and an expectation takes the next message out of it. So nothing depends on when a message
arrives, only on whether it does, and a script means the same over a socket and in process.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from lihil_cli.errors import CliError
from lihil_cli.record import Record
from lihil_cli.wstest.patterns.difference import Difference, Message
from lihil_cli.wstest.patterns.match import Match, match
from lihil_cli.wstest.patterns.template import UnknownNameError
from lihil_cli.wstest.script import failures
from lihil_cli.wstest.script.address import address_of, headers_of
from lihil_cli.wstest.script.gathering import Gathering, Taken
from lihil_cli.wstest.script.inbox import Inbox
from lihil_cli.wstest.script.occurrences import (
    Action,
    Arrived,
    Ending,
    Event,
    Failure,
    Open,
    Opened,
    Refused,
    Shut,
    Tick,
    Transmit,
    Unreachable,
    WentOut,
)
from lihil_cli.wstest.script.outgoing import fill_text
from lihil_cli.wstest.script.steps import (
    Connect,
    Expect,
    Outgoing,
    PlainStep,
    Repeat,
    Script,
    Send,
    SendBytes,
    SendText,
    Silence,
    Step,
    Timeout,
    Unordered,
)

DEFAULT_TIMEOUT_S = 5.0
"""How long an expectation waits where the script does not say."""

TRANSCRIPT_LINES = 30


class _RoundBegins(Record):
    """Stands before the steps of one round of `@repeat`."""


class _RoundEnds(Record):
    """Stands after them."""


_Walked: TypeAlias = PlainStep | _RoundBegins | _RoundEnds


def _walk(steps: Iterable[Step]) -> Iterator[_Walked]:
    """The steps in the order in which they are carried out, each round of a block anew."""
    for step in steps:
        if not isinstance(step, Repeat):
            yield step
            continue
        for _ in range(step.count):
            yield _RoundBegins()
            yield from _walk(step.steps)
            yield _RoundEnds()


class Verdict:
    """The state of one run. `ending` is None while it lasts; `transcript` are the last lines of what went on."""

    def __init__(self, script: Script, environ: Mapping[str, str]) -> None:
        self.ending: Ending | None = None
        self.wake_at: float | None = None
        self.transcript: deque[str] = deque(maxlen=TRANSCRIPT_LINES)
        self._target = script.target
        self._environ = environ
        self._walk = _walk(script.steps)
        self._inboxes = {name: Inbox() for name in script.clients}
        self._captures: dict[str, object] = {}
        self._outer: list[dict[str, object]] = []
        self._timeout_s = DEFAULT_TIMEOUT_S
        self._waiting: PlainStep | None = None
        self._gathering = Gathering((), self._meets)
        self._since = 0.0
        self._count = 0

    def start(self, now: float) -> list[Action]:
        """Begin with the first step."""
        return self._go_on(now)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event in and give the actions it leads to; one that nobody waits for leads to none."""
        if self.ending is not None:
            return []
        if isinstance(event, Arrived):
            self.transcript.append(failures.line_of(event.client, "<", event.message))
            self._inboxes[event.client].put(event.message, now)
        if isinstance(event, Opened):
            self._inboxes[event.client] = Inbox()
            self._inboxes[event.client].is_connected = True
        if self._is_met(event, now):
            return self._go_on(now)
        return []

    def is_full(self, client: str) -> bool:
        """Whether nothing more should be read for this client until the script has caught up."""
        return self._inboxes[client].is_full

    # Steps

    def _go_on(self, now: float) -> list[Action]:
        """Carry out steps until one has to wait, or none is left."""
        actions: list[Action] = []
        self._waiting = None
        while self._waiting is None and self.ending is None:
            step = next(self._walk, None)
            if step is None:
                self.ending = Ending(self._count)
            elif isinstance(step, _RoundBegins):
                self._outer.append(dict(self._captures))
            elif isinstance(step, _RoundEnds):
                self._captures = self._outer.pop()
            else:
                actions += self._begin(step, now)
        if self.ending is not None:
            self.wake_at = None
        return actions

    def _begin(self, step: PlainStep, now: float) -> list[Action]:
        self._since = now
        match step:
            case Timeout():
                self._timeout_s = step.time.value
                return []
            case Connect():
                return self._connect(step)
            case Send():
                return self._send(step, now)
            case Expect():
                self._wait(step, now + self._timeout_s)
            case Silence():
                self._wait(step, now + step.time.value)
            case _:
                self._gathering = Gathering(step.steps, self._meets)
                self._wait(step, now + self._timeout_s)
        if self._is_met(Tick(), now):
            self._waiting = None
        return []

    def _wait(self, step: PlainStep, until: float | None) -> None:
        self._count += self._weight(step)
        self._waiting = step
        self.wake_at = until

    @staticmethod
    def _weight(step: PlainStep) -> int:
        """How many steps of the script this one counts for."""
        if isinstance(step, Unordered):
            return len(step.steps)
        return 0 if isinstance(step, Connect) and not step.word else 1

    def _connect(self, step: Connect) -> list[Action]:
        if self._inboxes[step.client].is_connected:
            self._fail(failures.connected_already(step))
            return []
        values = {**self._environ, **self._captures}
        try:
            action = Open(step.client, address_of(self._target, step, values), headers_of(step, values))
        except (UnknownNameError, CliError) as error:
            self._fail(failures.not_connectable(step, error))
            return []
        self._wait(step, None)  # the shell bounds the handshake
        return [action]

    def _send(self, step: Send, now: float) -> list[Action]:
        if not self._inboxes[step.client].is_connected:
            self._fail(failures.not_connected(step))
            return []
        try:
            action = self._outgoing(step.client, step.outgoing)
        except (UnknownNameError, UnicodeEncodeError) as error:
            self._fail(failures.not_sendable(step, error))
            return []
        self._wait(step, now + self._timeout_s)
        return [action]

    def _outgoing(self, client: str, outgoing: Outgoing) -> Transmit | Shut:
        payload: str | bytes
        if isinstance(outgoing, SendText):
            payload = fill_text(outgoing, {**self._environ, **self._captures})
            payload.encode()  # what was captured may be no text
        elif isinstance(outgoing, SendBytes):
            payload = outgoing.data
        else:
            self.transcript.append(failures.closing_line(client, outgoing))
            return Shut(client, outgoing.code, outgoing.reason)
        self.transcript.append(failures.line_of(client, ">", payload))
        return Transmit(client, payload)

    # What a waiting step makes of an event

    def _is_met(self, event: Event, now: float) -> bool:
        """Whether the step that waits has got what it waits for; also True when that settled the verdict."""
        step = self._waiting
        match step:
            case Connect():
                return self._is_connected(step, event)
            case Send():
                return self._has_gone_out(step, event, now)
            case Expect():
                return self._has_come(step, now)
            case Silence():
                return self._was_silent(step, now)
            case Unordered():
                return self._has_gathered(step, now)
        return False

    def _is_connected(self, step: Connect, event: Event) -> bool:
        if not isinstance(event, Opened | Refused | Unreachable) or event.client != step.client:
            return False
        if isinstance(event, Unreachable):
            return self._fail(failures.unreachable(step, event), unreachable=True)
        if isinstance(event, Opened):
            return step.refusal is None or self._fail(failures.not_refused(step))
        if step.refusal is None or step.refusal.status != event.status:
            return self._fail(failures.refused(step, event))
        if step.refusal.body is None:
            return True
        return self._takes_outcome(
            match(step.refusal.body, event.body, self._captures, environ=self._environ),
            lambda difference: failures.other_body(step, difference),
        )

    def _has_gone_out(self, step: Send, event: Event, now: float) -> bool:
        if isinstance(event, WentOut) and event.client == step.client:
            return True
        return self._is_late(now) and self._fail(failures.stuck(step, self._timeout_s))

    def _has_come(self, step: Expect, now: float) -> bool:
        taken = self._take(step)
        if taken is None:
            return self.ending is not None or (
                self._is_late(now) and self._fail(failures.nothing_came(step, self._timeout_s))
            )
        return self._takes_outcome(
            match(step.pattern, taken.message, self._captures, environ=self._environ),
            lambda difference: failures.other_message(step, difference, self._waited(taken)),
        )

    def _was_silent(self, step: Silence, now: float) -> bool:
        taken = self._take(step)
        if taken is not None:
            return self._fail(failures.not_silent(step, taken.message, self._waited(taken)))
        return self.ending is not None or self._is_late(now)

    def _has_gathered(self, block: Unordered, now: float) -> bool:
        gathering = self._gathering
        for step in block.steps:
            if not self._gather(gathering, block, step):
                return True
        if gathering.is_complete:
            return self._settle(gathering)
        return self._is_late(now) and self._fail(failures.not_gathered(block, gathering.outstanding, self._timeout_s))

    def _gather(self, gathering: Gathering, block: Unordered, step: Expect) -> bool:
        """Give a client's messages to the block for as long as it wants them; False when that settled the verdict."""
        while gathering.wants(step.client):
            taken = self._take(step)
            if taken is None:
                return self.ending is None
            if not gathering.offer(step.client, taken):
                wanted = [other for other in gathering.outstanding if other.client == step.client]
                outcome = match(wanted[0].pattern, taken.message, self._captures, environ=self._environ)
                self._fail(failures.none_fits(block, wanted, outcome, self._waited(taken)))
                return False
        return True

    def _settle(self, gathering: Gathering) -> bool:
        """Capture in the order of the script, where one name must have one value."""
        for step, taken in gathering.met:
            self._takes_outcome(
                match(step.pattern, taken.message, self._captures, environ=self._environ),
                self._telling(step, taken),
            )
        return True

    def _telling(self, step: Expect, taken: Taken) -> Callable[[Difference], Failure]:
        return lambda difference: failures.other_message(step, difference, self._waited(taken))

    # Steps that several rules share

    def _meets(self, step: Expect, message: Message) -> bool:
        return not isinstance(match(step.pattern, message, self._captures, environ=self._environ), Difference)

    def _take(self, step: Expect | Silence) -> Taken | None:
        """The client's next message; None when there is none yet, or, with the verdict settled, cannot be one."""
        inbox = self._inboxes[step.client]
        taken = inbox.take()
        if taken is None and not inbox.is_connected:
            self._fail(failures.not_connected(step))
        return taken

    def _takes_outcome(self, outcome: Match | Difference, tell: Callable[[Difference], Failure]) -> bool:
        if isinstance(outcome, Difference):
            return self._fail(tell(outcome))
        self._captures = dict(outcome.captures)
        return True

    def _waited(self, taken: Taken) -> float:
        return max(taken.at - self._since, 0.0)

    def _is_late(self, now: float) -> bool:
        return self.wake_at is not None and now >= self.wake_at

    def _fail(self, failure: Failure, *, unreachable: bool = False) -> bool:
        """Settle the verdict; the first failure counts. True, so that a rule can end with it."""
        if self.ending is None:
            self.ending = Ending(self._count, failure, unreachable)
        return True
