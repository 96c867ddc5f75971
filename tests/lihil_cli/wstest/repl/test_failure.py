import json

import pytest

from lihil_cli.wstest.repl.failure import Failure, Frame, failure_of, parse_failure

ANSWER = {
    "connection": "abc",
    "route": "/chat",
    "handler": "ws_handler",
    "exception": "AssertionError: no\nmore",
    "frames": [
        {"file": "chat.py", "line": 31, "function": "ws_handler", "source": "    assert x"},
        {"file": "/v/site-packages/lib.py", "line": 7, "function": "inner", "source": ""},
    ],
}


def test_the_answer_of_the_dev_server_is_read() -> None:
    failure = parse_failure(json.dumps(ANSWER).encode())
    assert failure is not None
    assert failure.handler == "ws_handler"
    assert failure.short() == ("chat.py:31 in ws_handler", "   31 │     assert x", "AssertionError: no")
    assert failure.full() == (
        *("chat.py:31 in ws_handler", "   31 │     assert x", "/v/site-packages/lib.py:7 in inner"),
        *("AssertionError: no", "more"),
    )


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b"[]", b'{"frames":[{}],"handler":"","exception":""}'])
def test_what_is_no_such_answer_says_nothing(body: bytes) -> None:
    assert parse_failure(body) is None


def test_where_all_frames_are_of_libraries_the_last_one_is_shown() -> None:
    frame = Frame("/v/site-packages/lib.py", 7, "inner", "")
    assert Failure("h", "ValueError", (frame,)).short() == ("/v/site-packages/lib.py:7 in inner", "ValueError")
    assert Failure("h", "ValueError", ()).short() == ("ValueError",)


def handler() -> None:
    raise ValueError("not today")


def test_an_exception_of_this_process_is_told_with_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        handler()
    except ValueError as error:
        failure = failure_of(error)
    assert failure.handler == "handler"
    assert failure.exception == "ValueError: not today"
    assert failure.short()[0].endswith(" in handler")
    assert failure.short()[1].endswith('raise ValueError("not today")')
    assert failure_of(ValueError("x"), "h").full() == ("ValueError: x",)
