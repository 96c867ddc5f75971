"""What is known of one script when it is over, for reports of any kind."""

from lihil_cli.record import Record
from lihil_cli.wstest.script.occurrences import Ending, Failure


class Outcome(Record):
    """`name` is the file as it was given; `transcript` and `trace` are escaped lines.

    `trace` is where and why the server's handler failed, when that is known.
    """

    name: str
    ending: Ending
    elapsed_s: float
    transcript: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.ending.failure is None


def unfinished(name: str, why: str) -> Outcome:
    """What is reported of a script that did not come to its end, or was never begun."""
    return Outcome(name, Ending(0, Failure(1, "the script", (), why), unreachable=True), 0.0)


def failure_lines(outcome: Outcome) -> list[str]:
    """A failure told in full, without the file's name: what was expected, what came, what went on, what broke."""
    failure = outcome.ending.failure
    if failure is None:
        return []
    lines = [failure.step, *_indented(failure.wanted), f"  {failure.heading}", *_indented(failure.got)]
    if outcome.transcript:
        lines += ["  so far", *_indented(outcome.transcript)]
    if outcome.trace:
        lines += ["  on the server", *_indented(outcome.trace)]
    return lines


def _indented(lines: tuple[str, ...]) -> list[str]:
    return [f"    {line}" for line in lines]
