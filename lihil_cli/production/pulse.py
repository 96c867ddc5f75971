"""Whether a worker that serves still turns its event loop: it is asked at every look, and given up after some.

Counted in looks and not by the clock: however long a machine sleeps, or everybody is stopped by a Ctrl-Z, that is one
look too late, and whoever wakes up has the others to answer.
"""

from dataclasses import dataclass
from typing import Final

LOOKS: Final = 4
"""How many have to be missed: the bound is kept to a quarter of it."""


@dataclass(slots=True)
class Pulse:
    """One worker's. `due` is the next look, `place` where the worker was seen to stand, as far as it could tell."""

    bound_s: float
    due: float
    place: str = ""
    _missed: int = 0

    def take_look(self, now: float) -> bool:
        """Note that nothing has been heard since the last look; False when that is once too often."""
        if self._missed == LOOKS:
            return False
        self._missed += 1
        self.due = now + self.bound_s / LOOKS
        return True

    def hear(self) -> None:
        """The worker has answered."""
        self._missed = 0
        self.place = ""


def first_pulse(bound_s: float, now: float) -> Pulse | None:
    """That of a worker which has just become ready; None where the bound is 0 and so there is none."""
    return Pulse(bound_s, now + bound_s / LOOKS) if bound_s else None
