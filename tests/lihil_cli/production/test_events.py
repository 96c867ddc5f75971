import pytest

from lihil_cli.production.events import Ended


@pytest.mark.parametrize(("code", "words"), [(0, "with exit code 0"), (9, "with exit code 9"), (-9, "by signal 9")])
def test_how_a_process_ended_is_said_in_words(code: int, words: str) -> None:
    assert Ended(7, code).how == words
