"""The exception tree, and what each says."""

from http import HTTPStatus
from typing import Any

import pytest
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.websockets import WebSocketDisconnect as StarletteWebSocketDisconnect

from lihil import HTTPException, LihilError, SetupError, WebSocketDisconnect
from lihil.errors import (
    ParameterIssue,
    ParametersError,
    ResourceError,
    SetupProblem,
    WebSocketStateError,
    status_phrase,
)


@pytest.mark.parametrize(
    ("error", "wider"),
    [
        (SetupError, LihilError),
        (ParametersError, LihilError),
        (ResourceError, LihilError),
        (WebSocketStateError, LihilError),
        (WebSocketStateError, RuntimeError),
        (HTTPException, StarletteHTTPException),
        (WebSocketDisconnect, StarletteWebSocketDisconnect),
    ],
)
def test_each_error_is_caught_by_its_wider_kind(error: type[Exception], wider: type[Exception]) -> None:
    assert issubclass(error, wider)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (SetupProblem("wrong", "mend it"), "wrong\n    fix: mend it"),
        (SetupProblem("wrong", "mend it", "app.py", 3), "app.py:3: wrong\n    fix: mend it"),
        (SetupProblem("wrong", "mend it", "app.py", 3, "handler"), "app.py:3: handler: wrong\n    fix: mend it"),
        (SetupProblem("wrong", "mend it", "app.py", 3, "h", "x"), "app.py:3: h(x): wrong\n    fix: mend it"),
    ],
)
def test_a_set_up_problem_says_where_what_and_how_to_fix_it(problem: SetupProblem, text: str) -> None:
    assert str(problem) == text
    assert str(SetupError([problem])) == text


def test_several_set_up_problems_are_counted_and_numbered() -> None:
    error = SetupError([SetupProblem("one", "fix one"), SetupProblem("two", "fix two")])
    assert str(error) == "2 set-up problems\n1. one\n    fix: fix one\n2. two\n    fix: fix two"
    assert len(error.problems) == 2


def test_bad_parameters_are_told_in_one_line() -> None:
    error = ParametersError(
        [ParameterIssue("a", "query", "limit", "expected int"), ParameterIssue("b", "path", "room", "missing")]
    )
    assert str(error) == "query limit: expected int; path room: missing"
    assert [issue.param for issue in error.issues] == ["limit", "room"]


@pytest.mark.parametrize(
    ("exc", "status", "detail"),
    [
        (HTTPException(404), 404, ""),
        (HTTPException(404, "no such room"), 404, "no such room"),
        (HTTPException("no such room", status=404), 404, "no such room"),
        (HTTPException(detail="no such room"), 422, "no such room"),
        (HTTPException("no such room"), 422, "no such room"),
        (HTTPException(HTTPStatus.CONFLICT), 409, ""),
        (HTTPException(status=503), 503, ""),
    ],
)
def test_a_status_is_raised_in_any_of_its_spellings(exc: HTTPException, status: int, detail: str) -> None:
    assert (exc.status_code, exc.detail) == (status, detail)
    assert (exc.problem_type, exc.problem_title) == ("about:blank", HTTPStatus(status).phrase)


def test_a_status_carries_headers_and_a_problem_type() -> None:
    exc = HTTPException(401, headers={"www-authenticate": "Bearer"}, problem_type="urn:x", problem_title="No token")
    assert (exc.headers, exc.problem_type, exc.problem_title) == ({"www-authenticate": "Bearer"}, "urn:x", "No token")


@pytest.mark.parametrize("status", [0, 200, 302, 399, 600, -1])
def test_only_a_status_of_an_error_can_be_raised(status: Any) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        HTTPException(status)


def test_a_status_without_a_name_gets_its_number() -> None:
    assert status_phrase(404) == "Not Found"
    assert status_phrase(599) == "Status 599"
