import pytest

from lihil_cli.wstest.close_codes import is_sendable_code, meaning_of


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (1000, "normal closure"),
        (1011, "internal error"),
        (3001, "registered by a library or framework"),
        (4001, "private to the application"),
        (1999, "unassigned code"),
    ],
)
def test_a_code_has_a_meaning(code: int, meaning: str) -> None:
    assert meaning_of(code) == meaning


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_code_of_the_protocol_or_the_application_may_be_sent(code: int) -> None:
    assert is_sendable_code(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_a_code_that_only_describes_or_is_unassigned_may_not_be_sent(code: int) -> None:
    assert not is_sendable_code(code)
