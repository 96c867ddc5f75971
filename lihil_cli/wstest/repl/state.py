"""The terminal's decisions: events in, actions out. Waits for nothing, opens nothing, has no clock of its own.

The shell calls `Repl.handle(event, now)` and carries out the actions in order; it also feeds a Tick when `wake_at` has
come. `desk` is the model, `orders` what each command does, `peer` the life of one connection.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.repl.desk import Desk, Job, Setup
from lihil_cli.wstest.repl.events import (
    Action,
    Closed,
    Display,
    Drop,
    Event,
    Failed,
    FileRead,
    FrameSeen,
    InputEnded,
    Interrupted,
    Note,
    Opened,
    Payload,
    Ponged,
    Received,
    Reloaded,
    Say,
    SchemaRead,
    SendPing,
    Tick,
    Told,
    Traced,
    Typed,
    Watch,
)
from lihil_cli.wstest.repl.lifecycle import close_peer, fail_peer, follow, open_peer, tell_trace
from lihil_cli.wstest.repl.log import Log
from lihil_cli.wstest.repl.peer import PENDING, Life

_Rule: TypeAlias = Callable[[Desk, Any, float], list[Action]]


class Repl:
    """One session at the terminal."""

    def __init__(self, setup: Setup, log: Log, now: float, epoch: float = 0.0) -> None:
        self._desk = Desk(setup, log, epoch)
        self._timeout_at = None if setup.timeout_s is None else now + setup.timeout_s
        self._watches_closely = False

    def begin(self) -> list[Action]:
        """What to do first."""
        setup = self._desk.setup
        about = f"   ({setup.about})" if setup.about else ""
        told = [] if setup.is_quiet else self._desk.note(f"{setup.target}{about}", "go")
        return [*told, *self._desk.connect(self._desk.peer)]

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event in and give the actions it leads to; none after Leave."""
        rule = _OF_CONNECTIONS.get(type(event))
        actions = _RULES[type(event)](self, event, now) if rule is None else self._follow(rule, event, now)
        closely = any(peer.life in PENDING for peer in self._desk.peers.values())
        if closely is not self._watches_closely:
            self._watches_closely = closely
            actions.insert(0, Watch(closely))
        return actions

    def _follow(self, rule: _Rule, event: Event, now: float) -> list[Action]:
        """What becomes of a connection; without remarks where nobody wants them, but why one cannot be had."""
        desk = self._desk
        if not desk.setup.is_quiet:
            return rule(desk, event, now)
        counted = desk.settle()  # this is about messages
        actions = rule(desk, event, now)
        if isinstance(event, Failed) and not desk.is_leaving:
            return [*counted, *actions]
        return [*counted, *(one for one in actions if not (isinstance(one, Display) and isinstance(one.item, Note)))]

    # What the prompt shows

    @property
    def wake_at(self) -> float | None:
        """When the next Tick has something to do."""
        desk = self._desk
        times = [
            self._timeout_at,
            desk.flow.wake_at,
            desk.lingers_until,
            *(peer.retry_at for peer in desk.peers.values()),
            *(job.due_at for job in desk.jobs),
            *(expectation.until for expectation in desk.expectations),
        ]
        return min((time for time in times if time is not None), default=None)

    @property
    def live(self) -> str:
        """The one line between the messages and the prompt, "" for none."""
        peer = self._desk.peer
        if self._desk.flow.live:
            return self._desk.flow.live
        if peer.life is Life.RELOADING:
            return "⟳ server reloading …"
        return f"⟳ waiting for {peer.target} …" if peer.life is Life.WAITING else ""

    @property
    def marker(self) -> str:
        """The name of the connection that lines go to, where there are several."""
        return self._desk.shown(self._desk.current)

    @property
    def toolbar(self) -> str:
        """The line below the prompt."""
        peer = self._desk.peer
        parts = [f"{peer.name} {_path_of(peer.target)}", f"#{self._desk.log.received}"]
        if not peer.is_open:
            parts.append(peer.words)
        elif peer.rtts:
            parts.append(f"rtt {peer.rtts[-1] * 1000:.2f} ms")
        return " · ".join([*parts, "^R history", "^D close"])

    @property
    def desk(self) -> Desk:
        """The model, for the completion of what is typed."""
        return self._desk

    # What arrives

    def _receive(self, event: Received, now: float) -> list[Action]:
        desk, peer = self._desk, self._desk.peers[event.peer]
        if desk.has_enough:
            return []  # it was on its way when we closed
        peer.incoming += 1
        if desk.lingers_until is not None:
            desk.lingers_until = now + (desk.setup.linger_s or 0.0)
        delta_s = None if desk.last_at is None else max(0.0, event.when - desk.last_at)
        desk.last_at = event.when
        step = desk.log.keep("recv", peer.name, event.payload, event.when + desk.epoch)
        shown = desk.flow.arrive(step, event.payload, delta_s, desk.shown(peer.name), now)
        actions: list[Action] = [Display(item) for item in shown]
        if desk.expectations:
            actions += self._check(event, step.number)
        desk.meet(event.payload)
        until = desk.setup.until
        desk.has_enough = desk.log.received == desk.setup.limit or (until is not None and until(event.payload))
        if desk.has_enough and not desk.is_leaving:
            actions += desk.leave(now)
        return actions

    def _check(self, event: Received, number: int) -> list[Action]:
        desk = self._desk
        expected = next((one for one in desk.expectations if one.peer == event.peer), None)
        if expected is None:
            return []
        desk.difference = expected.check(event.payload)
        if desk.difference:
            return []
        desk.expectations.remove(expected)
        desk.expected[number] = expected.pattern
        return desk.note(f"#{number} is as expected", "ok")

    def _pong(self, event: Ponged, now: float) -> list[Action]:
        desk, peer = self._desk, self._desk.peers[event.peer]
        peer.rtts.append(event.rtt_s)
        pinging = desk.pings.get(event.peer)
        if not event.asked or pinging is None:
            return []
        desk.step("ping", peer.name, now, seconds=event.rtt_s)
        pinging.rtts.append(event.rtt_s)
        pinging.left -= 1
        if pinging.left:
            return [SendPing(event.peer)]
        from lihil_cli.wstest.repl.guide import rtt_text

        del desk.pings[event.peer]
        return desk.note(rtt_text(pinging.rtts), peer=event.peer)

    def _frame(self, event: FrameSeen, now: float) -> list[Action]:
        return self._desk.note(event.text, peer=event.peer)

    def _tell(self, event: Told, now: float) -> list[Action]:
        return self._desk.note(event.text, event.mark)

    def _learn(self, event: SchemaRead, now: float) -> list[Action]:
        self._desk.setup = self._desk.setup.but(schema=event.schema)
        return []

    # The user

    def _type(self, event: Typed, now: float) -> list[Action]:
        self._desk.was_hinted = False
        if not event.text.strip() or self._desk.is_leaving:
            return []  # Enter on an empty prompt is a habit, not a message
        from lihil_cli.wstest.repl.orders import obey  # late: nobody should wait for the commands before a message

        return obey(self._desk, event.text, now)

    def _end_input(self, event: InputEnded, now: float) -> list[Action]:
        desk = self._desk
        if desk.is_leaving:
            return []
        linger_s = desk.setup.linger_s
        if not linger_s or desk.lingers_until is not None or not desk.peer.is_open:
            return desk.quit(now)
        desk.lingers_until = now + linger_s
        return desk.note(f"leaving when nothing has come for {linger_s:g} s; Ctrl-D once more leaves at once")

    def _interrupt(self, event: Interrupted, now: float) -> list[Action]:
        """Ctrl-C with nothing typed: stop what goes on by itself, then say how to leave, then leave, then at once."""
        desk = self._desk
        if desk.is_leaving:
            desk.verdict = ExitCode.INTERRUPTED
            open_peers = [peer for peer in desk.peers.values() if peer.life is Life.CLOSING]
            return [*(Drop(peer.name) for peer in open_peers)]
        if desk.jobs:
            jobs, desk.jobs = desk.jobs, []
            return [action for job in jobs for action in desk.note(f"{job.what} stopped after {job.count}")]
        if not any(peer.is_open for peer in desk.peers.values()):
            never = not any(peer.has_been_open for peer in desk.peers.values())
            return desk.leave(now, ExitCode.INTERRUPTED if never else None)
        if not desk.was_hinted:
            desk.was_hinted = True
            return desk.note("Ctrl-C once more leaves, as Ctrl-D does")
        return desk.leave(now)

    def _read_file(self, event: FileRead, now: float) -> list[Action]:
        try:
            return self._use_file(event, now)
        except Exception as error:  # whatever it is, it must not cost the session
            from lihil_cli.wstest.repl.guide import admit

            return admit(self._desk, error)

    def _use_file(self, event: FileRead, now: float) -> list[Action]:
        desk, request = self._desk, event.request
        peer = desk.peers[request.peer]
        if event.reason:
            return desk.note(f"cannot read {request.path}: {event.reason}", "bad")
        if not peer.is_open:
            return desk.note(f"{peer.name} is not connected any longer", "bad")
        if request.purpose == "replay":
            return self._replay(event, now)
        payload: Payload = event.data
        if request.purpose == "text":
            try:
                payload = event.data.decode()
            except UnicodeDecodeError:
                return desk.note(f"{request.path} is not UTF-8, so it cannot be a text message: add bin", "bad")
        return desk.say(peer, Say(payload, f"/file {request.path}"), now)

    def _replay(self, event: FileRead, now: float) -> list[Action]:
        desk, request = self._desk, event.request
        from lihil_cli.wstest.repl.transcript import parse_transcript

        try:
            steps = parse_transcript(event.data.decode(), request.path)
        except (ValueError, RecursionError) as error:
            return desk.note(f"cannot replay {request.path}: {error}", "bad")
        desk.jobs.append(Job(request.peer, _paced(steps, request.speed), now, "replay"))
        return [*desk.note(f"replaying {len(steps)} messages"), *desk.run_jobs(now)]

    # Time

    def _tick(self, event: Tick, now: float) -> list[Action]:
        desk = self._desk
        actions: list[Action] = [Display(item) for item in desk.flow.tick(now)]
        if self._timeout_at is not None and now >= self._timeout_at and not desk.is_leaving:
            self._timeout_at = None
            actions += desk.note(f"--timeout: {desk.setup.timeout_s:g} s have passed", "bad")
            return actions + desk.leave(now, ExitCode.TIMEOUT)
        if desk.lingers_until is not None and now >= desk.lingers_until:
            return actions + desk.leave(now)
        for peer in list(desk.peers.values()):
            if peer.retry_at is not None and now >= peer.retry_at:
                actions += desk.connect(peer)
        while desk.expectations and (late := min(desk.expectations, key=lambda one: one.until)).until <= now:
            actions += desk.miss(late)
        return actions + desk.run_jobs(now)


def _paced(steps: list[tuple[float, Payload]], speed: float) -> Iterator[tuple[float, Say]]:
    """The messages with the time before each, at so many times the speed; at 0 without waiting."""
    before = 0.0
    for at, payload in steps:
        yield ((at - before) / speed if speed else 0.0, Say(payload, payload if isinstance(payload, str) else ""))
        before = at


def _path_of(target: str) -> str:
    """The path and query of a URL."""
    _, separator, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if separator else target


# A row per event.
_OF_CONNECTIONS: dict[type, _Rule] = {
    Opened: open_peer,
    Failed: fail_peer,
    Closed: close_peer,
    Traced: tell_trace,
    Reloaded: follow,
}
_RULES: dict[type, Callable[[Repl, Any, float], list[Action]]] = {
    Received: Repl._receive,
    Ponged: Repl._pong,
    FrameSeen: Repl._frame,
    Typed: Repl._type,
    InputEnded: Repl._end_input,
    Interrupted: Repl._interrupt,
    FileRead: Repl._read_file,
    Told: Repl._tell,
    SchemaRead: Repl._learn,
    Tick: Repl._tick,
}
