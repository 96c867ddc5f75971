import errno
import sqlite3
from pathlib import Path

import pytest

from lihil_cli.devserver.failure import failure_message, frames_of, is_exclusive, shorten, summary_of
from lihil_cli.errors import CliError


def raised(source: str, folder: Path) -> Exception:
    """What a file of the user's raises when it is run."""
    file = folder / "chat.py"
    file.write_text(source)
    try:
        exec(compile(source, str(file), "exec"), {})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_failure_is_told_by_the_users_own_frames(tmp_path: Path) -> None:
    error = raised("import json\n\ndef read(text):\n    return json.loads(text)\n\nread('{')\n", tmp_path)
    assert frames_of(error, tmp_path) == [
        {"file": "chat.py", "line": 6, "function": "<module>", "source": "read('{')"},
        {"file": "chat.py", "line": 4, "function": "read", "source": "return json.loads(text)"},
    ]
    assert summary_of(error, tmp_path).startswith("JSONDecodeError: Expecting property name")
    assert summary_of(error, tmp_path).endswith(" (chat.py:4)")


def test_a_syntax_error_stands_where_it_was_made(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text("x = (\n")
    with pytest.raises(SyntaxError) as caught:
        compile("x = (\n", str(tmp_path / "chat.py"), "exec")
    assert summary_of(caught.value, tmp_path) == "SyntaxError: '(' was never closed (chat.py:1)"


def test_an_exception_that_was_never_raised_is_told_in_its_words(tmp_path: Path) -> None:
    assert summary_of(ValueError("bad\nand more"), tmp_path) == "ValueError: bad"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EADDRINUSE, "Address already in use"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        sqlite3.OperationalError("database is locked"),
        RuntimeError("Conflict: terminated by other getUpdates request"),
        RuntimeError("another instance is already running"),
    ],
)
def test_what_somebody_else_holds_may_be_held_by_the_old_generation(error: Exception) -> None:
    assert is_exclusive(error)
    outer = RuntimeError("start-up failed")
    outer.__cause__ = error
    assert is_exclusive(outer)


@pytest.mark.parametrize("error", [None, ValueError("no"), OSError(errno.ENOENT, "No such file"), KeyError("x")])
def test_any_other_failure_has_nothing_to_do_with_it(error: Exception | None) -> None:
    assert not is_exclusive(error)


def test_only_a_failed_start_up_is_tried_again(tmp_path: Path) -> None:
    error = OSError(errno.EADDRINUSE, "Address already in use")
    refusal = CliError("the app's start-up failed\n  main.py:1")
    told = failure_message(refusal, error, tmp_path, at_start_up=True)["failed"]
    assert told["exclusive"]
    assert told["text"] == refusal.text
    assert not failure_message(refusal, error, tmp_path, at_start_up=False)["failed"]["exclusive"]
    assert (
        failure_message(refusal, None, tmp_path, at_start_up=True)["failed"]["summary"] == "the app's start-up failed"
    )


def test_a_long_text_is_cut_and_says_so() -> None:
    assert shorten("a\nb") == "a\nb"
    lines = shorten("\n".join(map(str, range(30)))).splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  ... 21 more lines"
