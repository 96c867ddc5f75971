import pytest

from lihil_cli.errors import ExitCode
from lihil_cli.wstest.script.occurrences import Ending, Failure
from lihil_cli.wstest.script.outcome import Outcome
from lihil_cli.wstest.script.report import exit_code_of, outcome_lines, summary_line

PASSED = Outcome("hello.wst", Ending(2), 0.006)
GOT = ('{"text":"HI 1"}', "        ^^^^^^ text does not match /^hi/")
FAILED = Outcome("chat.wst", Ending(3, Failure(9, "bob< expected", ('{"text":/^hi/}',), "got (after 12 ms)", GOT)), 0.1)
LOST = Outcome("gone.wst", Ending(1, Failure(2, "@client a", (), "connection refused"), unreachable=True), 0)


def test_a_passed_script_is_one_line() -> None:
    assert outcome_lines(PASSED) == ["✓ hello.wst               2 steps   6 ms"]
    assert outcome_lines(Outcome("a.wst", Ending(1), 2))[0].endswith("1 step   2 s")


def test_a_failed_script_shows_what_was_expected_and_what_came() -> None:
    assert outcome_lines(FAILED) == [
        "✗ chat.wst:9  bob< expected",
        '      {"text":/^hi/}',
        "    got (after 12 ms)",
        '      {"text":"HI 1"}',
        "              ^^^^^^ text does not match /^hi/",
    ]


def test_what_went_on_and_what_broke_follow() -> None:
    failure = Failure(1, "< expected", ("a",), "got nothing within 5 s")
    outcome = Outcome("a.wst", Ending(1, failure), 5, ("> x",), ("chat.py:31", "AssertionError"))
    assert outcome_lines(outcome)[3:] == [
        *("    so far", "      > x", "    on the server", "      chat.py:31", "      AssertionError"),
    ]


def test_marks_are_words_where_the_terminal_knows_no_such_characters() -> None:
    assert outcome_lines(PASSED, encoding="ascii")[0].startswith("ok hello.wst")
    assert outcome_lines(FAILED, encoding="no-such-encoding")[0].startswith("FAILED chat.wst:9")


def test_marks_are_coloured_where_that_is_wanted() -> None:
    assert outcome_lines(PASSED, coloured=True)[0].startswith("\x1b[32m✓\x1b[0m hello.wst")
    assert outcome_lines(FAILED, coloured=True)[0].startswith("\x1b[31m✗\x1b[0m chat.wst:9")


def test_the_name_of_a_file_is_harmless() -> None:
    assert outcome_lines(Outcome("\x1b[2J\n.wst", Ending(1), 0))[0].startswith("✓ \\x1b[2J\\n.wst")


@pytest.mark.parametrize(
    ("outcomes", "summary", "code"),
    [
        ([PASSED, FAILED], "1 failed, 1 passed in 0.09 s", ExitCode.FAILED),
        ([PASSED, PASSED], "2 passed in 0.09 s", ExitCode.OK),
        ([FAILED, LOST], "2 failed in 0.09 s", ExitCode.FAILED),
        ([LOST, PASSED], "1 failed, 1 passed in 0.09 s", ExitCode.CANNOT_CONNECT),
    ],
)
def test_the_last_line_and_the_exit_code_tell_how_it_went(
    outcomes: list[Outcome], summary: str, code: ExitCode
) -> None:
    assert summary_line(outcomes, 0.09) == summary
    assert exit_code_of(outcomes) == code


def test_scripts_that_did_not_end_are_counted_apart() -> None:
    assert summary_line([FAILED, PASSED], 0.09, unfinished=2) == "1 failed, 1 passed, 2 not ended in 0.09 s"
