"""The terminal's decisions at work without a terminal: events go in, and what is shown comes out as text."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lihil_cli.wstest.repl.desk import Desk, Setup
from lihil_cli.wstest.repl.events import (
    About,
    Action,
    Closed,
    Display,
    Event,
    Failed,
    Leave,
    Opened,
    Payload,
    Ponged,
    Received,
    Typed,
)
from lihil_cli.wstest.repl.log import Log
from lihil_cli.wstest.repl.look import Look
from lihil_cli.wstest.repl.render import render
from lihil_cli.wstest.repl.state import Repl
from tests.lihil_cli.wstest.repl.person import Person, Sit

URL = "ws://127.0.0.1:8000/chat"


class Bench:
    """A terminal that is driven by hand. `now` is its clock; the wall shows so many seconds after midnight."""

    def __init__(self, setup: Setup) -> None:
        self.log = Log()
        self.now = 0.0
        self.repl = Repl(setup, self.log, self.now)
        self.actions: list[Action] = []
        self.screen: list[str] = []
        self._take(self.repl.begin())

    @property
    def desk(self) -> Desk:
        return self.repl.desk

    def do(self, event: Event, after: float = 0.0) -> list[Action]:
        """Feed an event; gives what is to be done but for what is shown, which goes to the screen."""
        self.now += after
        return self._take(self.repl.handle(event, self.now))

    def type(self, text: str) -> list[Action]:
        return self.do(Typed(text))

    def open(
        self, peer: str = "ws", *, generation: int | None = None, changed: tuple[str, ...] = (), after: float = 0.0
    ) -> list[Action]:
        return self.do(Opened(peer, About(URL, connect_s=0.0038, generation=generation, changed=changed)), after)

    def receive(self, payload: Payload, after: float = 0.0, peer: str = "ws") -> list[Action]:
        self.now += after
        return self.do(Received(peer, payload, self.now))

    def close(self, code: int, reason: str = "", peer: str = "ws") -> list[Action]:
        return self.do(Closed(peer, code, reason))

    def lose(self, peer: str = "ws") -> list[Action]:
        return self.do(Closed(peer, 1006, by="nobody"))

    def fail(self, *lines: str, code: int = 3, absent: bool = False, peer: str = "ws") -> list[Action]:
        return self.do(Failed(peer, lines, code, absent))

    def pong(self, rtt_s: float, *, asked: bool = True, peer: str = "ws") -> list[Action]:
        return self.do(Ponged(peer, rtt_s, asked))

    @property
    def shown(self) -> list[str]:
        """What has come to the screen since this was asked last."""
        rows, self.screen = self.screen, []
        return rows

    @property
    def code(self) -> int | None:
        """The exit code, once it is over."""
        last = self.actions[-1] if self.actions else None
        return last.code if isinstance(last, Leave) else None

    def _take(self, actions: list[Action]) -> list[Action]:
        rest: list[Action] = []
        for action in actions:
            if isinstance(action, Display):
                self.screen += render(action.item, Look(width=200)).splitlines()
            else:
                rest.append(action)
        self.actions += rest
        return rest


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench() -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(setup: Setup | None = None) -> Bench:
        made.append(Bench(setup or Setup(URL)))
        return made[-1]

    yield make
    for bench in made:
        bench.log.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A terminal that is connected, with a clean screen."""
    ready = make_bench()
    ready.open()
    ready.shown.clear()
    ready.screen.clear()
    return ready


@pytest.fixture
def sit(tmp_path: Path) -> Iterator[Sit]:
    """Sit down at a terminal in `tmp_path`."""
    opened: list[Person] = []

    def start(columns: int, *arguments: str, **environ: str) -> Person:
        opened.append(Person(columns, tmp_path, *arguments, **environ))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
