from lihil_cli.wstest.script.occurrences import Ending
from lihil_cli.wstest.script.outcome import Outcome, failure_lines


def test_a_script_that_passed_has_no_failure_to_tell() -> None:
    outcome = Outcome("a.wst", Ending(1), 0, ("< x",))
    assert outcome.passed
    assert failure_lines(outcome) == []
