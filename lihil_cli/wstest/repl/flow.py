"""Which of the messages that arrive are shown: the filter, the pause, repeats as one, and a flood as a summary."""

from collections.abc import Callable
from typing import Literal

from lihil_cli.wstest.repl.events import Item, Message, Note, Payload
from lihil_cli.wstest.repl.log import Step

WINDOW_S = 0.25
"""How often the summary of a flood changes."""

FLOOD_PER_S = 200
_MANY = int(FLOOD_PER_S * WINDOW_S)
_FEW = _MANY * 3 // 4  # so that a flood near the limit does not begin and end all the time


class Flow:
    """Takes every message; what it gives back is for the screen."""

    def __init__(self) -> None:
        self.matches: Callable[[Payload], bool] | None = None
        self.only: Literal["in", "out", "all"] = "all"
        self._paused_from: int | None = None
        self._paused = 0
        self._shown: tuple[str, Payload] | None = None  # the last message, while nothing else stands below it
        self._same = 0
        self._first = self._last = 0
        self._window_end: float | None = None
        self._in_window = 0
        self._flood: _Flood | None = None

    @property
    def is_paused(self) -> bool:
        return self._paused_from is not None

    @property
    def live(self) -> str:
        """What the line above the prompt says, "" for nothing."""
        if self._flood is not None:
            return self._flood.text
        if self._same:
            return f"×{self._same + 1} · #{self._first} to #{self._last} are the same"
        return f"paused · {self._paused} more" if self.is_paused else ""

    @property
    def wake_at(self) -> float | None:
        """When `tick` has something to do."""
        return self._window_end

    def arrive(self, step: Step, payload: Payload, delta_s: float | None, peer: str, now: float) -> list[Item]:
        """Take a message that arrived; `peer` is the name to show."""
        if self.only == "out" or (self.matches is not None and not self.matches(payload)):
            return []
        if self.is_paused:
            self._paused += 1
            return []
        begun = self._count(step, now)
        if self._flood is not None:
            self._flood.add(Message(step.number, payload, step.at, delta_s, peer), step.size, now)
            return begun
        if self._shown == (peer, payload):
            self._same += 1
            self._last = step.number
            return []
        items = [*self.settle(), Message(step.number, payload, step.at, delta_s, peer)]
        # A large message is not held on to, only to be compared with the next.
        self._shown = (peer, payload) if step.size < 65536 else None
        self._first = self._last = step.number
        return items

    def settle(self) -> list[Item]:
        """What has to be shown before anything else is: the repeats that were only counted so far."""
        same, self._same, self._shown = self._same, 0, None
        return [Note(f"×{same + 1} · #{self._first} to #{self._last} are the same")] if same else []

    def tick(self, now: float) -> list[Item]:
        """Time has passed: a flood is summed up, and one that is over ends."""
        if self._window_end is None or now < self._window_end:
            return []
        few, self._in_window = self._in_window < _FEW, 0
        if self._flood is None:
            self._window_end = None
            return []
        self._window_end = now + WINDOW_S
        if not few:
            self._flood.sum_up()
            return []
        return self._end_flood()

    def pause(self, last_number: int) -> Note:
        """Pause, or show again what arrives."""
        if self._paused_from is None:
            self._paused_from, self._paused = last_number, 0
            return Note("paused: what arrives is kept and not shown; /pause again goes on")
        first, self._paused_from = self._paused_from + 1, None
        if not self._paused:
            return Note("going on; nothing has arrived meanwhile")
        return Note(f"going on; {self._paused} arrived meanwhile: /show {first} and so on shows them")

    def finish(self) -> list[Item]:
        """What is left to say at the end."""
        return self._end_flood() if self._flood is not None else self.settle()

    def _end_flood(self) -> list[Item]:
        flood, self._flood, self._window_end = self._flood, None, None
        return [Note(flood.summary()), *flood.latest] if flood is not None else []

    def _count(self, step: Step, now: float) -> list[Item]:
        if self._window_end is None:
            self._window_end, self._in_window = now + WINDOW_S, 0
        self._in_window += 1
        if self._flood is not None or self._in_window <= _MANY:
            return []
        self._flood = _Flood(step.number, now)
        return self.settle()


class _Flood:
    """Messages that come faster than anybody reads."""

    def __init__(self, first: int, now: float) -> None:
        self._first = self._last = first
        self._since = self._until = now
        self._count = self._bytes = 0
        self.text = "a flood of messages …"
        self.latest: list[Message] = []  # where things stand is worth a look

    def add(self, message: Message, size: int, now: float) -> None:
        self._until = now
        self._count += 1
        self._bytes += size
        self._last = message.number
        self.latest = [message]

    def sum_up(self) -> None:
        self.text = f"{self._totals()} · all are kept"

    def summary(self) -> str:
        return f"#{self._first} to #{self._last}: {self._totals()} · /show N, /filter, /save"

    def _totals(self) -> str:
        seconds = max(self._until - self._since, 0.001)
        rate = f"{self._count / seconds:,.0f}/s"
        return f"{self._count:,} messages in {seconds:.1f} s ({rate}, {self._bytes / 1e6:.1f} MB)"
