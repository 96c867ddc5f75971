"""Problem details: the one shape of a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException as StarletteHTTPException

from lihil import HTTPException
from lihil.errors import ParameterIssue, ParametersError
from lihil.problems import Problem, problem_of_http_exception, problem_of_parameters


def test_the_least_a_problem_says() -> None:
    assert json.loads(Problem(status=404).body()) == {
        "type": "about:blank",
        "type_": "about:blank",
        "title": "Not Found",
        "status": 404,
    }


def test_bad_parameters_make_a_422_with_a_member_for_each() -> None:
    issue = ParameterIssue("InvalidDataType", "query", "limit", "expected int, got '\"<'")
    problem = problem_of_parameters(ParametersError([issue]), "/rooms/ü")
    assert json.loads(problem.body()) == {
        "type": "invalid-parameters",
        "type_": "invalid-parameters",
        "title": "Invalid parameters",
        "status": 422,
        "detail": "query limit: expected int, got '\"<'",
        "instance": "/rooms/ü",
        "errors": [
            {"type": "InvalidDataType", "location": "query", "param": "limit", "message": "expected int, got '\"<'"}
        ],
    }


@pytest.mark.parametrize(
    ("exc", "members"),
    [
        (HTTPException(403), {"type": "about:blank", "title": "Forbidden", "status": 403}),
        (
            HTTPException("full", status=409, problem_type="urn:full", problem_title="Room full"),
            {"type": "urn:full", "title": "Room full", "status": 409, "detail": "full"},
        ),
        (StarletteHTTPException(410), {"type": "about:blank", "title": "Gone", "status": 410, "detail": "Gone"}),
    ],
)
def test_a_raised_status_becomes_the_problem_it_names(exc: StarletteHTTPException, members: dict[str, Any]) -> None:
    found = json.loads(problem_of_http_exception(exc, "/x").body())
    assert found == {**members, "type_": members["type"], "instance": "/x"}


def test_the_header_fields_fit_the_body_and_cannot_be_broken_out_of() -> None:
    exc = HTTPException(
        401, headers={"WWW-Authenticate": "Bearer\r\nSet-Cookie: a=1", "X": "日", "Content-Type": "text/html"}
    )
    problem = problem_of_http_exception(exc, "/")
    body = problem.body()
    assert problem.raw_headers(body) == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer  Set-Cookie: a=1"),
        (b"x", b"?"),
    ]


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem(status=404), "Not Found"),
        (Problem(status=404, title="Nothing"), "Nothing"),
        (Problem(status=404, title="Nothing", detail="no such room"), "no such room"),
        (Problem(status=404, detail="é" * 100), "é" * 61),
        (Problem(status=404, detail="\ud800"), "?"),
    ],
)
def test_the_short_reason_is_the_most_telling_text(problem: Problem, reason: str) -> None:
    assert problem.short_reason() == reason


TEXTS = st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "So"]))


@settings(deadline=None)
@given(detail=TEXTS, title=TEXTS, message=TEXTS, status=st.integers(400, 599))
def test_any_text_makes_a_whole_document_and_a_reason_that_fits(
    detail: str, title: str, message: str, status: int
) -> None:
    problem = Problem(
        status=status, detail=detail, title=title, errors=[ParameterIssue("t", "query", "p", message)], instance=detail
    )
    document = json.loads(problem.body().decode())
    assert (document["status"], document["type_"], len(document["errors"])) == (status, document["type"], 1)
    assert len(problem.short_reason().encode()) <= 123
