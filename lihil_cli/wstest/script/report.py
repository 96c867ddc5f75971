"""What a person reads: a line for each script, its failure in full, and the tally."""

from collections.abc import Sequence

from lihil_cli.console import escape_terminal
from lihil_cli.errors import ExitCode
from lihil_cli.wstest.script.failures import seconds
from lihil_cli.wstest.script.outcome import Outcome, failure_lines

_NAME_COLUMNS = 22
_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


def outcome_lines(outcome: Outcome, *, encoding: str = "utf-8", coloured: bool = False) -> list[str]:
    """One script's part of the report; the marks are words where `encoding` has no such characters."""
    passed, failed = ("✓", "✗") if _can_write("✓✗", encoding) else ("ok", "FAILED")
    name = escape_terminal(outcome.name, keep_newlines=False)
    failure = outcome.ending.failure
    if failure is None:
        count = outcome.ending.steps
        steps = f"{count} step{'' if count == 1 else 's'}"
        mark = _coloured(passed, _GREEN) if coloured else passed
        return [f"{mark} {name:<{_NAME_COLUMNS}} {steps:>8}   {seconds(outcome.elapsed_s)}"]
    mark = _coloured(failed, _RED) if coloured else failed
    first, *rest = failure_lines(outcome)
    return [f"{mark} {name}:{failure.line}  {first}", *(f"  {line}" for line in rest)]


def summary_line(outcomes: Sequence[Outcome], elapsed_s: float, *, unfinished: int = 0) -> str:
    """`1 failed, 1 passed in 0.09 s`; `unfinished` scripts have no outcome."""
    passed = sum(outcome.passed for outcome in outcomes)
    parts = [(len(outcomes) - passed, "failed"), (passed, "passed"), (unfinished, "not ended")]
    return f"{', '.join(f'{count} {word}' for count, word in parts if count)} in {elapsed_s:.2f} s"


def exit_code_of(outcomes: Sequence[Outcome]) -> ExitCode:
    """FAILED where an expectation was not met, else CANNOT_CONNECT where a server was not there, else OK."""
    failed = [outcome.ending for outcome in outcomes if not outcome.passed]
    if not failed:
        return ExitCode.OK
    return ExitCode.CANNOT_CONNECT if all(ending.unreachable for ending in failed) else ExitCode.FAILED


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _coloured(text: str, colour: str) -> str:
    return f"{colour}{text}{_PLAIN}"
