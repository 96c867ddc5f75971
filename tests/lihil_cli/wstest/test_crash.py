from pathlib import Path

import pytest

from lihil_cli.wstest.crash import Crash, Frame, crash_lines, crash_of, read_crash

RECORD = {
    "connection": "c1",
    "route": "/chat",
    "handler": "ws_handler",
    "exception": "AssertionError: no",
    "frames": [
        {"file": "chat.py", "line": 12, "function": "outer", "source": "await inner()"},
        {"file": "chat.py", "line": 31, "function": "ws_handler", "source": "    assert x == 5"},
    ],
}
CRASH = Crash(
    "ws_handler",
    "AssertionError: no",
    (Frame("chat.py", 12, "outer", "await inner()"), Frame("chat.py", 31, "ws_handler", "    assert x == 5")),
)


def test_the_dev_servers_record_is_read() -> None:
    assert read_crash(RECORD) == CRASH


@pytest.mark.parametrize(
    "content", [None, [], {}, {"frames": 1, "exception": ""}, {**RECORD, "frames": [{"file": "x"}]}]
)
def test_what_is_no_record_is_none(content: object) -> None:
    assert read_crash(content) is None


def test_the_place_the_source_and_the_exception_are_told() -> None:
    assert crash_lines(CRASH) == ["  chat.py:31 in ws_handler", "     31 |     assert x == 5", "  AssertionError: no"]
    assert crash_lines(CRASH, is_whole=True)[:2] == ["  chat.py:12 in outer", "     12 | await inner()"]
    bare = Crash("", "x" * 500, (Frame("a.py", 1, "f"),))
    assert crash_lines(bare) == ["  a.py:1 in f", f"  {'x' * 400}..."]


def raised(source: Path, code: str) -> BaseException:
    source.write_text(code)
    try:
        exec(compile(code, str(source), "exec"), {})
    except ValueError as error:
        return error
    raise AssertionError("nothing was raised")


def test_an_exception_is_told_by_the_projects_own_last_line(tmp_path: Path) -> None:
    error = raised(tmp_path / "chat.py", "import json\ndef handler():\n    json.loads('nonsense')\nhandler()\n")
    crash = crash_of(error, tmp_path)
    assert crash_lines(crash)[:2] == ["  chat.py:3 in handler", "      3 |     json.loads('nonsense')"]
    assert crash.exception.startswith("json.decoder.JSONDecodeError: Expecting value")
    assert crash.handler == "handler"


def test_an_exception_from_elsewhere_is_told_with_where_it_was_raised(tmp_path: Path) -> None:
    error = raised(tmp_path / "chat.py", "raise ValueError\n")
    [place, *_] = crash_lines(crash_of(error, Path("/nowhere")))
    assert place == f"  {tmp_path / 'chat.py'}:1 in <module>"
    assert crash_of(KeyError("x"), tmp_path) == Crash("", "KeyError: 'x'")
