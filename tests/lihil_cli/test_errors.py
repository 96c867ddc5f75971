import pytest

from lihil_cli.errors import CliError, ExitCode, Terminated, how_it_ended


def test_an_error_without_a_hint_is_one_line() -> None:
    assert CliError("it broke").text == "error: it broke"


def test_an_error_with_a_hint_says_it_on_a_line_of_its_own() -> None:
    assert CliError("it broke", hint="mend it").text == "error: it broke\nhint: mend it"


def test_an_error_fails_with_1_unless_it_says_otherwise() -> None:
    assert CliError("it broke").code == 1
    assert CliError("it broke", code=ExitCode.USAGE).code == 2


def test_code_that_catches_every_ordinary_exception_does_not_swallow_a_termination() -> None:
    assert issubclass(Terminated, KeyboardInterrupt)
    assert not issubclass(Terminated, Exception)


@pytest.mark.parametrize(
    ("name", "code"),
    [("OK", 0), ("FAILED", 1), ("USAGE", 2), ("BUG", 70), ("INTERRUPTED", 130), ("BROKEN_PIPE", 141)],
)
def test_exit_codes_are_a_promise_to_scripts(name: str, code: int) -> None:
    assert ExitCode[name] == code


@pytest.mark.parametrize(("code", "words"), [(0, "with exit code 0"), (9, "with exit code 9"), (-9, "by signal 9")])
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words
