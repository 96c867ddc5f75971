"""Any course of events at all, for the dev server's state machine: what has to hold whatever happens."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lihil_cli.devserver.events import (
    Accepting,
    Change,
    Changed,
    Closed,
    End,
    Event,
    Failed,
    Failure,
    Gone,
    Kill,
    Launch,
    Paused,
    Ready,
    ShuttingDown,
    SpareOutdated,
    Stop,
    Suspended,
    Tell,
    TimePassed,
    Unfit,
    Word,
)
from lihil_cli.devserver.farewell import DRAIN_S, STOP_HEED_S, STOP_S
from lihil_cli.devserver.situation import Situation
from lihil_cli.devserver.state import CLOSE_S, HOLD_S, HURRY_S, SUSPEND_HEED_S, Machine

BAD = Failure("SyntaxError", "error: SyntaxError")
TAKEN = Failure("OSError", "error: the port is in use", is_exclusive=True)


@dataclass
class Worker:
    """A worker as it is: it obeys its orders one by one, in the order in which they came."""

    orders: list[Word] = field(default_factory=list)
    has_loaded: bool = False
    has_failed: bool = False
    is_open: bool = False
    is_suspended: bool = False
    is_doomed: bool = False
    has_ended: bool = False
    is_shutting: bool = False
    unanswered: int = 0
    told_at: dict[Word, float] = field(default_factory=dict)


class AnyCourse(RuleBasedStateMachine):
    """Workers that succeed, fail, and die at any moment, files that change at any moment."""

    @initialize(keeps_spare=st.booleans(), start_timeout_s=st.sampled_from([None, 20.0]))
    def begin(self, keeps_spare: bool, start_timeout_s: float | None) -> None:
        self.machine = Machine(keeps_spare=keeps_spare, start_timeout_s=start_timeout_s)
        self.now = 0.0
        self.workers: dict[int, Worker] = {}
        self.end: int | None = None
        self.is_stopped = self.is_forced = False
        self.stopped_at = 0.0
        self.tell(Changed(Change(at=0.0)))

    def tell(self, event: Event) -> None:
        actions = self.machine.step(event, self.now)
        if self.end is not None:
            assert actions == []
        for action in actions:
            self.carry_out(action)

    def carry_out(self, action: Any) -> None:
        assert self.end is None
        match action:
            case Launch(worker):
                assert worker not in self.workers
                assert not self.is_stopped
                self.workers[worker] = Worker()
            case Tell(worker, word):
                assert not self.is_stopped or word is Word.STOP
                assert word is not Word.LOAD or not self.workers[worker].orders
                self.workers[worker].orders.append(word)
                self.workers[worker].told_at[word] = self.now
            case Kill(worker):
                self.expect_time(self.workers[worker])
                self.workers[worker].is_doomed = True
            case End(code):
                self.end = code
                assert all(worker.has_ended for worker in self.workers.values())

    def expect_time(self, worker: Worker) -> None:
        """Nobody who has accepted connections is killed before it has had its time to answer them."""
        if self.is_forced or worker.is_doomed:
            return
        past = {word: self.now - worker.told_at[word] + 1e-6 for word in worker.orders}
        if worker.is_shutting:
            assert past.keys() & {Word.SUSPEND, Word.DRAIN, Word.STOP}
            assert all(past[word] >= DEAF[word] for word in past.keys() & DEAF.keys())
        elif worker.unanswered:
            assert any(past[word] >= DEAF[word] for word in past) or (
                self.is_stopped and self.now >= self.stopped_at + STOP_HEED_S
            )

    def living(self) -> list[int]:
        return [number for number, worker in self.workers.items() if not worker.has_ended]

    @rule(fresh=st.booleans(), pause=st.sampled_from([0.0, 0.01, 0.2, 6.0]))
    def code_changes(self, fresh: bool, pause: float) -> None:
        self.now += pause
        self.tell(Changed(Change(("main.py",), self.now, fresh)))

    @rule(pause=st.sampled_from([0.0, 0.05, HOLD_S, STOP_S, 10.0]))
    def time_passes(self, pause: float) -> None:
        self.now += pause
        self.tell(TimePassed())
        due = self.machine.deadline
        assert due is None or due > self.now

    @rule()
    def code_changes_and_nobody_hears(self) -> None:
        """What is blocked keeps nobody from the newest code for ever."""
        self.tell(Changed(Change(("main.py",), self.now)))
        for _ in range(20):
            self.let_the_killed_end()
            due = self.machine.deadline
            if due is None:
                break
            self.now = due
            self.tell(TimePassed())
        assert self.machine.deadline is None
        assert self.machine.situation not in SWITCH

    @precondition(lambda self: self.living())
    @rule(data=st.data())
    def a_worker_shuts_down(self, data: st.DataObject) -> None:
        """It has begun with its last order, and takes its time with it."""
        number = data.draw(st.sampled_from(self.living()))
        worker = self.workers[number]
        may = worker.orders and worker.orders[0] in {Word.SUSPEND, Word.DRAIN, Word.STOP}
        if may and not worker.is_shutting and not worker.is_suspended and not worker.is_doomed:
            self.answer_all(worker)
            worker.is_shutting = True
            self.tell(ShuttingDown(number))

    @precondition(lambda self: self.living())
    @rule(data=st.data())
    def a_worker_stops_in_a_debugger(self, data: st.DataObject) -> None:
        self.tell(Paused(data.draw(st.sampled_from(self.living()))))

    @precondition(lambda self: self.living())
    @rule(data=st.data(), outcome=st.sampled_from(["well", "well", "well", "bad", "taken"]))
    def a_worker_obeys(self, data: st.DataObject, outcome: str) -> None:
        self.obey(data.draw(st.sampled_from(self.living())), outcome)

    @rule(rounds=st.integers(1, 4))
    def all_goes_well(self, rounds: int) -> None:
        for _ in range(rounds):
            for number in self.living():
                self.obey(number, "well")

    def obey(self, number: int, outcome: str) -> None:
        worker = self.workers[number]
        if worker.is_doomed or worker.has_failed or not worker.orders:
            return
        match worker.orders.pop(0):
            case Word.LOAD if outcome == "well":
                worker.has_loaded = True
                self.tell(Ready(number))
            case Word.LOAD:
                worker.has_failed = True
                self.tell(Failed(number, TAKEN if outcome == "taken" else BAD))
            case Word.OPEN if worker.is_suspended and outcome != "well":
                worker.has_failed = True
                self.tell(Failed(number, BAD))
            case Word.OPEN:
                worker.is_open, worker.is_suspended = True, False
                self.tell(Accepting(number))
            case Word.CLOSE:
                worker.is_open = False
                self.tell(Closed(number))
            case Word.SUSPEND:
                self.answer_all(worker)
                worker.is_suspended, worker.is_shutting = True, False
                self.tell(Suspended(number))
            case Word.DRAIN | Word.STOP:
                self.answer_all(worker)
                worker.has_ended = True
                self.tell(Gone(number, "with exit code 0"))

    def answer_all(self, worker: Worker) -> None:
        worker.is_open, worker.unanswered = False, 0

    @precondition(lambda self: any(worker.is_open for worker in self.workers.values()))
    @rule()
    def a_client_connects(self) -> None:
        next(worker for worker in self.workers.values() if worker.is_open).unanswered += 1

    @precondition(lambda self: self.living())
    @rule(data=st.data())
    def a_worker_dies(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.living()))
        worker = self.workers[number]
        worker.has_ended, worker.is_open = True, False
        self.tell(Gone(number, "by signal 9"))

    @precondition(lambda self: self.living())
    @rule(data=st.data(), dies=st.booleans())
    def a_worker_is_unfit(self, data: st.DataObject, dies: bool) -> None:
        number = data.draw(st.sampled_from(self.living()))
        worker = self.workers[number]
        if worker.has_loaded or worker.has_failed:
            return
        worker.has_ended = dies
        self.tell(Unfit(number))
        if dies:
            self.tell(Gone(number, "without a word"))
        elif Word.LOAD in worker.orders and not worker.is_doomed:
            worker.has_failed = True  # it leaves, as nothing else is left to it
            self.tell(Failed(number, BAD))

    @precondition(lambda self: self.living())
    @rule()
    def the_killed_end(self) -> None:
        self.let_the_killed_end()

    def let_the_killed_end(self) -> None:
        for number in self.living():
            if self.workers[number].is_doomed or self.workers[number].has_failed:
                self.workers[number].has_ended = True
                self.workers[number].is_open = False
                self.tell(Gone(number, "by signal 9"))

    @rule(keeps_spare=st.booleans())
    def a_package_is_learned(self, keeps_spare: bool) -> None:
        self.tell(SpareOutdated(keeps_spare=keeps_spare))

    @rule(data=st.data())
    def late_news_come(self, data: st.DataObject) -> None:
        """What a worker that is being killed had still said."""
        doomed = [number for number, worker in self.workers.items() if worker.is_doomed]
        if doomed:
            number = data.draw(st.sampled_from(doomed))
            news: list[Event] = [Ready(number), Unfit(number), Closed(number), Accepting(number)]
            self.tell(data.draw(st.sampled_from([*news, Suspended(number), ShuttingDown(number)])))

    @precondition(lambda self: self.machine.generation)
    @rule(chance=st.integers(1, 8))
    def somebody_stops_it(self, chance: int) -> None:
        if chance == 8:
            self.tell_stop(may_kill=self.is_stopped)

    def tell_stop(self, *, may_kill: bool) -> None:
        self.is_forced = may_kill
        self.stopped_at = self.stopped_at if self.is_stopped else self.now
        actions = self.machine.step(Stop(0), self.now)
        self.is_stopped = True
        for action in actions:
            self.carry_out(action)

    @invariant()
    def never_are_two_generations_serving(self) -> None:
        assert sum(worker.is_open for worker in getattr(self, "workers", {}).values() if not worker.has_ended) <= 1

    @invariant()
    def nobody_is_waited_for_without_an_end(self) -> None:
        """Where nobody serves until a worker has answered, there is a limit, or that worker is being killed."""
        machine = getattr(self, "machine", None)
        if machine is not None and machine.situation in {Situation.CLOSING, Situation.SUSPENDING}:
            assert machine.deadline is not None or self.workers[machine.old].is_doomed
        if machine is not None and machine.situation is Situation.STOPPING:
            assert machine.deadline is not None or all(self.workers[number].is_doomed for number in self.living())

    @invariant()
    def somebody_always_has_something_to_do(self) -> None:
        """Served, loading, ended, or waiting for a change: never stuck in between."""
        machine = getattr(self, "machine", None)
        if machine is None or machine.situation in {Situation.BROKEN, Situation.SERVING, Situation.ENDED}:
            return
        if machine.situation is Situation.STOPPING:
            assert machine.leaving
            return
        actor = machine.next if machine.situation in BUSY_NEXT else machine.old
        assert actor in self.workers
        assert not self.workers[actor].has_ended
        assert self.workers[actor].orders or self.workers[actor].has_failed or self.workers[actor].is_doomed

    def teardown(self) -> None:
        """However it was left: told to stop, it ends as soon as everybody has."""
        if not hasattr(self, "machine"):
            return
        if not self.is_stopped:
            self.tell_stop(may_kill=False)
        for number in self.living():
            self.workers[number].has_ended = True
            self.tell(Gone(number, "with exit code 0"))
        assert self.end == 0
        for event in (Changed(Change()), TimePassed(), Stop(1), SpareOutdated(keeps_spare=True), Gone(1, "")):
            self.tell(event)


BUSY_NEXT = {Situation.STARTING, Situation.LOADING, Situation.OPENING, Situation.RETRYING}
SWITCH = {Situation.CLOSING, Situation.OPENING, Situation.SUSPENDING, Situation.REOPENING}
DEAF = {
    Word.CLOSE: CLOSE_S,
    Word.OPEN: HURRY_S,
    Word.SUSPEND: SUSPEND_HEED_S,
    Word.DRAIN: DRAIN_S,
    Word.STOP: STOP_HEED_S,
}
"""How long each order may be left unheard."""
