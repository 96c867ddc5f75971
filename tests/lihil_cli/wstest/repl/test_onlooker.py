import re

import pytest

from lihil_cli.wstest.output import Output
from lihil_cli.wstest.repl.onlooker import Onlooker
from lihil_cli.wstest.terminal import Streams
from tests.lihil_cli.wstest.test_output import tell_everything


def seen(payload: str | bytes, encoding: str = "utf-8") -> str:
    """What is on the screen after the payload has come twice, with the times left out."""
    out = bytearray()
    onlooker: Output = Onlooker(out.extend, Streams(None, None, None, encoding=encoding))
    tell_everything(onlooker, payload)
    onlooker.received(2.7, payload, 2)
    return re.sub(r"\d\d:\d\d:\d\d\.\d\d\d", "TIME", out.decode(encoding))


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ("hi", "#1 TIME ‹ hi\n#2 TIME +2.4s ‹ hi\n"),
        ("\x1b[2J\n‹ no", "#1 TIME ‹ \\x1b[2J\n  ‹ no\n#2 TIME +2.4s ‹ \\x1b[2J\n  ‹ no\n"),
        ('{"a":1}', '#1 TIME ‹ {"a":1}\n#2 TIME +2.4s ‹ {"a":1}\n'),
    ],
)
def test_somebody_who_looks_on_sees_messages_as_at_the_prompt(payload: str, shown: str) -> None:
    assert seen(payload) == shown


def test_what_the_terminal_cannot_show_is_escaped() -> None:
    assert seen("☃", "ascii").startswith("#1 TIME < \\u2603\n")


def test_what_is_folded_says_nothing_of_commands() -> None:
    assert seen("x\n" * 30).count("  … +11 lines\n") == 2
