"""The exception tree.

LihilError
├── SetupError            a mistake in an app's code, found when it is registered or when the app starts
├── ParametersError     a request whose parameters are missing or wrong: 422
├── ResourceError         a generator resource that yields never, or twice
└── WebSocketStateError   a call that the WebSocket's state does not allow, such as send before accept

HTTPException (starlette's) ── HTTPException   a status that a handler or a dependency chose
WebSocketDisconnect (starlette's)              the peer has gone: raised by receive and by send
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.websockets import WebSocketDisconnect

__all__ = [
    "HTTPException",
    "LihilError",
    "ParameterIssue",
    "ParametersError",
    "ResourceError",
    "SetupError",
    "SetupProblem",
    "WebSocketDisconnect",
    "WebSocketStateError",
]


class LihilError(Exception):
    """Anything lihil raises on purpose."""


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """One mistake in an app's code: what is wrong, where it stands, and how to put it right."""

    what: str
    fix: str
    file: str = ""
    line: int = 0
    function: str = ""
    parameter: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        name = f"{self.function}({self.parameter})" if self.parameter else self.function
        subject = f"{name}: " if name else ""
        return f"{place}{subject}{self.what}\n    fix: {self.fix}"


class SetupError(LihilError):
    """One or more mistakes in an app's code; `problems` holds them all, in the order they were found."""

    def __init__(self, problems: Sequence[SetupProblem]) -> None:
        self.problems: tuple[SetupProblem, ...] = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "\n".join(f"{n}. {problem}" for n, problem in enumerate(self.problems, 1))
        return f"{len(self.problems)} set-up problems\n{lines}"


@dataclass(frozen=True, slots=True)
class ParameterIssue:
    """One bad parameter of one request. `location` is path, query, header, cookie or body."""

    type: str
    location: str
    param: str
    message: str


class ParametersError(LihilError):
    """Every missing or wrong parameter of one request, never just the first."""

    def __init__(self, issues: Sequence[ParameterIssue]) -> None:
        self.issues: tuple[ParameterIssue, ...] = tuple(issues)
        super().__init__(self.issues)

    def __str__(self) -> str:
        return "; ".join(f"{issue.location} {issue.param}: {issue.message}" for issue in self.issues)


class ResourceError(LihilError):
    """A generator resource that did not yield exactly once."""


class WebSocketStateError(LihilError, RuntimeError):
    """A call that the WebSocket's state does not allow; the text names the call and the way out."""


class HTTPException(StarletteHTTPException):
    """A status that a handler or a dependency answers with, as problem details (RFC 9457).

    Written `HTTPException(404)`, `HTTPException(404, "no such room")` or `HTTPException("no such room", status=404)`.
    Before a WebSocket is accepted it is the handshake's answer; afterwards the socket is closed with 4000 + status.
    Raises ValueError for a status outside 400..599 (RFC 9110, sections 15.5 and 15.6).
    """

    def __init__(
        self,
        status_or_detail: int | str | None = None,
        detail: str | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        problem_type: str | None = None,
        problem_title: str | None = None,
    ) -> None:
        if isinstance(status_or_detail, int):
            status = status_or_detail
        elif status_or_detail is not None:
            detail = status_or_detail
        code = 422 if status is None else int(status)
        if not 400 <= code <= 599:
            raise ValueError(f"HTTPException takes a status from 400 to 599, not {code}")
        super().__init__(code, detail or "", dict(headers) if headers else None)
        self.problem_type: str = problem_type or "about:blank"
        self.problem_title: str = problem_title or status_phrase(code)


def status_phrase(status: int) -> str:
    """The reason phrase of a status, or "Status N" where the registry has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
