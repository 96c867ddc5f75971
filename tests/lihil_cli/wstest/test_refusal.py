import json

import pytest

from lihil_cli.wstest.network.connecting import Refusal
from lihil_cli.wstest.refusal import refusal_lines

PROBLEM = ("Content-Type", "application/problem+json; charset=utf-8")


def refusal(body: bytes, *headers: tuple[str, str], status: int = 422, phrase: str = "Unprocessable") -> Refusal:
    return Refusal("ws://h/", status, phrase, headers, body)


def test_a_problem_is_told_with_each_of_its_errors() -> None:
    body = json.dumps(
        {
            "title": "Invalid parameters",
            "detail": "two are wrong",
            "errors": [
                {"type": "missing", "location": "query", "param": "max_users", "message": "is required"},
                {"type": "int", "location": "path", "param": "room", "message": "is no number"},
            ],
        }
    ).encode()
    assert refusal_lines(refusal(body, PROBLEM)) == [
        "handshake refused: HTTP 422 Unprocessable",
        "  Content-Type: application/problem+json; charset=utf-8",
        "  Invalid parameters: two are wrong",
        "  - query max_users: is required (missing)",
        "  - path room: is no number (int)",
    ]


@pytest.mark.parametrize(
    ("problem", "lines"),
    [
        ({}, []),
        ({"title": "T", "errors": "none"}, ["  T"]),
        ({"detail": "D", "errors": ["odd", {}]}, ["  D", "  - odd", "  - : "]),
    ],
)
def test_a_problem_may_lack_anything(problem: object, lines: list[str]) -> None:
    assert refusal_lines(refusal(json.dumps(problem).encode(), PROBLEM))[2:] == lines


@pytest.mark.parametrize("body", [b"not json", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_problem_after_all_is_shown_as_text(body: bytes) -> None:
    lines = refusal_lines(refusal(body, PROBLEM))
    assert lines[2].startswith("  " + body.decode("utf-8", "replace")[:8])


def test_headers_that_help_are_shown_and_others_are_not() -> None:
    lines = refusal_lines(
        refusal(b"", ("WWW-Authenticate", "Bearer"), ("Set-Cookie", "secret=1"), status=401, phrase="")
    )
    assert lines == ["handshake refused: HTTP 401", "  WWW-Authenticate: Bearer"]


def test_a_long_body_is_cut() -> None:
    lines = refusal_lines(refusal(b"x" * 10_000))
    assert lines[1:] == ["  " + "x" * 4000, "  ... 10000 bytes", lines[0]]


def test_json_gets_a_line_for_each_value_and_the_reason_stands_last() -> None:
    lines = refusal_lines(refusal('{"who": "мир"}'.encode()))
    assert lines[1:] == ["  {", '    "who": "мир"', "  }", lines[0]]


def test_every_header_is_shown_when_that_is_asked_for() -> None:
    assert refusal_lines(refusal(b"", ("X-Odd", "1")), is_whole=True)[1:] == ["  X-Odd: 1"]
