"""What the terminal's rules and commands work on: the connections, what was said, and what still has to be done."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lihil_cli.errors import ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.repl.events import (
    Action,
    Connect,
    Display,
    Drop,
    Item,
    Leave,
    Mark,
    Note,
    Payload,
    Say,
    Send,
    SendClose,
    Sent,
)
from lihil_cli.wstest.repl.flow import Flow
from lihil_cli.wstest.repl.log import Log, Step
from lihil_cli.wstest.repl.peer import PENDING, Life, Peer

if TYPE_CHECKING:
    # Loaded where there is a schema to read, or somebody asks for one.
    from lihil_cli.wstest.place.schema import Schema

FIRST_PEER = "ws"

_BATCH = 200  # steps of a repeat or a replay between two looks at what else there is to do


class Setup(Record):
    """How the terminal begins. `target` is the address as it is shown, `about` what is known of the server.

    With `is_quiet` nothing is said about connections, only what arrives and what a command answers is shown; with
    `is_verbose` whatever is known of a handshake and of a failure is. `headers` hold `${NAME}` as it was given;
    `check_headers` raises CliError for a name that stands for nothing. `offers` are the headers that other options
    make, such as the subprotocols. With `is_binary` what is typed goes out as a binary message. With `is_checked` the
    schema is this server's, and nothing that it rules out is asked for. With `linger_s` the end of the input is one
    only when nothing has come for so long.
    """

    target: str
    about: str = ""
    messages: tuple[Payload, ...] = ()
    limit: int | None = None
    timeout_s: float | None = None
    reconnects: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    schema: "Schema | None" = None
    ok_codes: frozenset[int] = frozenset()
    until: Callable[[Payload], bool] | None = None
    expects: tuple[tuple[str, Callable[[Payload], bool]], ...] = ()
    is_quiet: bool = False
    is_verbose: bool = False
    offers: tuple[tuple[str, str], ...] = ()
    check_headers: Callable[[tuple[tuple[str, str], ...]], object] | None = None
    is_binary: bool = False
    is_checked: bool = False
    linger_s: float | None = None


class Job:
    """Messages that are sent one after the other; each with the time to wait before it."""

    def __init__(self, peer: str, steps: Iterator[tuple[float, Say]], due_at: float, what: str) -> None:
        self.peer = peer
        self.steps = steps
        self.due_at = due_at
        self.what = what
        self.waiting: Say | None = None
        self.count = 0


class Pinging:
    """Pings that the user asked for."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.rtts: list[float] = []


class Expectation(Record):
    """What `check` says nothing against must arrive before `until`; `check` gives the difference otherwise."""

    peer: str
    pattern: str
    check: Callable[[Payload], str]
    until: float


class Desk:
    """The model. Its methods are the steps that several rules share; each gives the actions it leads to.

    `epoch` is what has to be added to the clock of `now` to get the time since 1970.
    """

    def __init__(self, setup: Setup, log: Log, epoch: float) -> None:
        self.setup = setup
        self.epoch = epoch
        self.log = log
        self.flow = Flow()
        self.peers: dict[str, Peer] = {FIRST_PEER: Peer(FIRST_PEER, setup.target)}
        self.current = FIRST_PEER
        self.jobs: list[Job] = []
        self.pings: dict[str, Pinging] = {}
        self.expectations: deque[Expectation] = deque()
        self.expected: dict[int, str] = {}  # the pattern that a message was expected by, by its number
        self.met = 0  # how many of the messages that the command line expects have come, in order
        self.difference = ""  # what was wrong with the last message that was looked at
        self.last_sent = ""
        self.last_at: float | None = None  # when the last message arrived
        self.told_error: tuple[str, ...] = ()  # why the newest code cannot be served, once that was said
        self.had_server = True  # whether the dev server was there when it was looked for last
        self.has_failed = False
        self.lingers_until: float | None = None  # the input has ended, and this is when it all ends unless more comes
        self.is_leaving = False
        self.has_enough = False  # the message has come that was to be the last
        self.was_hinted = False
        self.verdict: int | None = None

    @property
    def peer(self) -> Peer:
        """The connection that lines are sent on."""
        return self.peers[self.current]

    def peer_of(self, line: str) -> Peer:
        """The connection that a line goes to: the one it begins with, as in `@bob hello`, or the current one."""
        name = line.split(maxsplit=1)[0].removeprefix("@") if line.startswith("@") else ""
        return self.peers.get(name, self.peer)

    def shown(self, name: str) -> str:
        """The name to show: none while there is one connection only."""
        return name if len(self.peers) > 1 else ""

    def display(self, *items: Item) -> list[Action]:
        """Show something else than a message that arrived."""
        return [Display(item) for item in (*self.flow.settle(), *items)]

    def settle(self) -> list[Action]:
        """Show what was only counted so far: repeats, or a flood, which ends with it."""
        return [Display(item) for item in self.flow.finish()]

    def note(self, text: str, mark: Mark = "", peer: str = "") -> list[Action]:
        """Show a line of ours, with the name of the connection where there are several."""
        name = self.shown(peer)
        return self.display(Note(f"{name}: {text}" if name else text, mark))

    def say(self, peer: Peer, what: Say, now: float, *, shows: bool = True) -> list[Action]:
        """Send one message, and show it among the others."""
        peer.outgoing += 1
        self.log.keep("send", peer.name, what.payload, now + self.epoch)
        self.last_sent = what.typed or self.last_sent
        seen = shows and self.flow.only != "in"
        items = self.display(Sent(what.typed, self.shown(peer.name))) if seen else []
        return [*items, Send(peer.name, what.payload, what.fragment)]

    def outgoing(self, payload: Payload) -> Payload:
        """What goes out for what was typed."""
        return (
            payload.encode("utf-8", "surrogatepass") if self.setup.is_binary and isinstance(payload, str) else payload
        )

    def step(self, kind: str, peer: str, now: float, **more: object) -> None:
        """Remember something that is no message."""
        self.log.note(Step(kind, peer, now + self.epoch, **more))  # type: ignore[arg-type]

    def meet(self, payload: Payload) -> None:
        """A message arrived: it may be the one that is expected next."""
        expects = self.setup.expects
        if self.met < len(expects) and expects[self.met][1](payload):
            self.met += 1

    def miss(self, late: Expectation, when: str = "") -> list[Action]:
        """What was expected has not come, and does not count any longer if it does."""
        self.expectations.remove(late)
        self.has_failed = True
        why = f"; the last message: {self.difference}" if self.difference else ""
        return self.note(f"nothing came that matches {late.pattern}{when}{why}", "bad")

    # Connections

    def connect(self, peer: Peer, target: str = "", like: str = "") -> list[Action]:
        """Open a connection (again), to what the user wrote or to where another one goes."""
        peer.connect()
        peer.next_target = None
        if target:
            peer.move(target)
        return [Connect(peer.name, target, like, self.headers_with(peer.headers))]

    def headers_with(self, own: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """What the handshake carries: the connection's own headers, and those of the command line it has no own for."""
        names = {name.lower() for name, _ in own}
        return (*((name, value) for name, value in self.setup.headers if name.lower() not in names), *own)

    def close(self, peer: Peer, code: int, reason: str = "") -> list[Action]:
        """Start the closing handshake."""
        peer.life = Life.CLOSING
        return [SendClose(peer.name, code, reason)]

    # The end

    def leave(self, now: float, verdict: int | None = None) -> list[Action]:
        """Close what is open, and end when it is closed. `verdict` is the exit code, unless one was settled before."""
        if verdict is not None and self.verdict is None:
            self.verdict = verdict
        self.is_leaving = True
        self.lingers_until = None
        self.jobs.clear()
        actions = self.settle()
        for peer in self.peers.values():
            peer.next_target = None
            if peer.is_open:
                actions += self.close(peer, 1000)
            elif peer.life is Life.CONNECTING:
                peer.end()
                actions.append(Drop(peer.name))
            elif peer.life in PENDING:
                peer.end()
        return actions + self.end_if_over()

    def quit(self, now: float) -> list[Action]:
        """Leave because the user says so; with exit code 3 where nothing was ever reached."""
        never = not any(peer.has_been_open for peer in self.peers.values())
        return self.leave(now, ExitCode.CANNOT_CONNECT if never else None)

    def end_if_over(self) -> list[Action]:
        """Leave when no connection is left that could go on."""
        if any(peer.life is not Life.ENDED for peer in self.peers.values()):
            return []
        self.is_leaving = True
        actions = self.settle()
        for late in list(self.expectations):
            actions += self.miss(late, " before the end")
        missing = self.setup.expects[self.met :]
        actions += self.note(f"no message was {missing[0][0]}, as expected", "bad") if missing else []
        return [*actions, Leave(self.exit_code)]

    @staticmethod
    def counts(peer: Peer) -> bool:
        """Whether how it ended is how the session did: a further connection that never was open is no connection."""
        return peer.name == FIRST_PEER or peer.has_been_open

    @property
    def exit_code(self) -> int:
        """What is settled, else whether an expectation failed, else the first bad end of a connection."""
        if self.verdict is not None:
            return self.verdict
        bad = next((peer.code for peer in self.peers.values() if peer.code and self.counts(peer)), ExitCode.OK)
        has_failed = self.has_failed or self.met < len(self.setup.expects)
        return ExitCode.FAILED if has_failed and bad in {ExitCode.OK, ExitCode.ENDED_BADLY} else bad

    # Jobs

    def run_jobs(self, now: float) -> list[Action]:
        """Send what is due, a bounded number at a time."""
        actions: list[Action] = []
        for job in list(self.jobs):
            peer = self.peers[job.peer]
            if not peer.is_open:
                self.jobs.remove(job)
                actions += self.note(f"{job.what} stopped after {job.count}: {job.peer} is not connected", "bad")
            else:
                actions += self._run(job, peer, now)
        return actions

    def _run(self, job: Job, peer: Peer, now: float) -> list[Action]:
        actions: list[Action] = []
        for _ in range(_BATCH):
            if job.due_at > now:
                return actions
            if job.waiting is not None:
                shows = job.what == "replay" and bool(job.waiting.typed)
                actions += self.say(peer, job.waiting, now, shows=shows)
                job.count += 1
            step = next(job.steps, None)
            if step is None:
                self.jobs.remove(job)
                return actions + self.note(f"{job.what}: {job.count} sent")
            delay_s, job.waiting = step
            job.due_at += delay_s
        return actions
