"""Which workers are leaving, and how long each may take: no one is trusted to go by itself."""

from typing import Final

from lihil_cli.devserver.events import Actions, Kill, ShowKilled, Tell, Word

DRAIN_S: Final = 3.5
"""What a worker that was let go may take, its lifespan's shutdown included, until it is killed."""
STOP_S: Final = 3.0
"""The same when the whole server stops."""
STOP_HEED_S: Final = 0.8
"""One that has been told to stop has got as far as its lifespan's shutdown by then, or it does not hear."""


class Farewells:
    """Workers that are to end. Every method that asks for something returns what is to be done."""

    def __init__(self) -> None:
        self._until: dict[int, float | None] = {}  # None once it is killed
        self._shutting: set[int] = set()
        self._stop_by: float | None = None

    def __bool__(self) -> bool:
        return bool(self._until)

    @property
    def deadline(self) -> float | None:
        """When the next one's time is over."""
        return min((until for until in self._until.values() if until is not None), default=None)

    def let_go(self, worker: int | None, word: Word, until: float) -> Actions:
        """Ask a worker to leave, unless there is none, or it is killed already."""
        if worker is None or worker in self._until:
            return []
        self._until[worker] = until
        return [Tell(worker, word)]

    def kill(self, worker: int | None) -> Actions:
        """Leave it no time."""
        if worker is None:
            return []
        self._until[worker] = None
        return [Kill(worker)]

    def kill_late(self, worker: int | None, todo: str) -> Actions:
        """The same for one that was to do something, and tell it."""
        if worker is None or self.is_killed(worker):
            return []
        return [*self.kill(worker), ShowKilled(worker, todo, is_deaf=worker not in self._shutting)]

    def is_killed(self, worker: int | None) -> bool:
        """Whether only its end is still to come."""
        return worker in self._until and self._until[worker] is None

    def stop(self, now: float) -> None:
        """Everything ends: nobody has longer than that may take."""
        self._stop_by = now + STOP_S
        for worker, until in self._until.items():
            if until is not None:
                heeds = worker in self._shutting
                self._until[worker] = min(until, now + (STOP_S if heeds else STOP_HEED_S))

    def kill_all(self) -> Actions:
        """Those who have been asked to leave are made to."""
        return [action for worker in list(self._until) for action in self.kill(worker)]

    def pass_time(self, now: float) -> Actions:
        """Those whose time is over are made to leave."""
        late = [worker for worker, until in self._until.items() if until is not None and now >= until]
        return [action for worker in late for action in self.kill_late(worker, "leave")]

    def hear_shutdown(self, worker: int) -> None:
        """It is in its lifespan's shutdown: it has heard, and what takes its time now is the user's code."""
        self._shutting.add(worker)
        if self._stop_by is not None and worker in self._until:
            self._until[worker] = self._stop_by

    def return_to_life(self, worker: int) -> None:
        """It has taken its lifespan up again."""
        self._shutting.discard(worker)

    def strike(self, worker: int) -> None:
        """It has ended."""
        self._until.pop(worker, None)
        self._shutting.discard(worker)
