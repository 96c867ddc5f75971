"""`@unordered`: which message meets which expectation, when any order will do."""

from collections.abc import Callable
from typing import TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.script.steps import Expect

Meets: TypeAlias = Callable[[Expect, Message], bool]


class Taken(Record):
    """A message out of an inbox, and when it had arrived."""

    message: Message
    at: float


class Gathering:
    """The expectations of one block, and the messages that were given to them.

    A message that meets several is not stuck with the first: when a later one needs its place, it moves (a maximum
    matching, grown by one augmenting path for each message).
    """

    def __init__(self, steps: tuple[Expect, ...], meets: Meets) -> None:
        self._steps = steps
        self._meets = meets
        self._given: dict[int, Taken] = {}

    @property
    def is_complete(self) -> bool:
        return len(self._given) == len(self._steps)

    @property
    def outstanding(self) -> list[Expect]:
        """The expectations that have no message yet, in the order of the script."""
        return [step for index, step in enumerate(self._steps) if index not in self._given]

    @property
    def met(self) -> list[tuple[Expect, Taken]]:
        """Each expectation with its message, in the order of the script."""
        return [(step, self._given[index]) for index, step in enumerate(self._steps) if index in self._given]

    def wants(self, client: str) -> bool:
        """Whether a message of this client is still expected."""
        return any(step.client == client for step in self.outstanding)

    def offer(self, client: str, taken: Taken) -> bool:
        """Find a place for one more message of `client`; False when there is none."""
        return self._place(client, taken, set())

    def _place(self, client: str, taken: Taken, tried: set[int]) -> bool:
        for index, step in enumerate(self._steps):
            if index in tried or step.client != client or not self._meets(step, taken.message):
                continue
            tried.add(index)
            holder = self._given.get(index)
            if holder is None or self._place(client, holder, tried):
                self._given[index] = taken
                return True
        return False
