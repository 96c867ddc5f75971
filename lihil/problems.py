"""Problem details for HTTP APIs (RFC 9457): the one shape in which lihil refuses anything."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.exceptions import HTTPException

from lihil.errors import ParameterIssue, ParametersError, status_phrase

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal. `errors` is the extension member that lists bad parameters (RFC 9457, section 3.2)."""

    status: int
    title: str = ""
    detail: str = ""
    type: str = "about:blank"
    instance: str = ""
    errors: Sequence[ParameterIssue] = ()
    headers: Sequence[tuple[str, str]] = ()

    def body(self) -> bytes:
        """The JSON document. `type_` repeats `type` for clients of the older spelling."""
        members: dict[str, object] = {
            "type": self.type,
            "type_": self.type,
            "title": self.title or status_phrase(self.status),
            "status": self.status,
        }
        if self.detail:
            members["detail"] = self.detail
        if self.instance:
            members["instance"] = self.instance
        if self.errors:
            members["errors"] = self.errors
        try:
            return msgspec.json.encode(members)
        except UnicodeEncodeError:  # a lone surrogate in a text that somebody else wrote; UTF-8 has no form for it
            return json.dumps(msgspec.to_builtins(members), ensure_ascii=False).encode(errors="replace")

    def raw_headers(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """The header fields of an answer with this `body`, as ASGI wants them."""
        fields = [
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        given = [(name.lower().encode("latin-1"), value) for name, value in self.headers]
        taken = dict(fields)
        return fields + [(name, _field_value(value)) for name, value in given if name not in taken]

    def short_reason(self) -> str:
        """At most 123 bytes of text, the room a close frame has for its reason (RFC 6455, section 5.5)."""
        text = self.detail or self.title or status_phrase(self.status)
        return text.encode(errors="replace")[:123].decode(errors="ignore")


def _field_value(text: str) -> bytes:
    """A header field's value: what would end the field or has no byte in it is replaced (RFC 9110, section 5.5)."""
    return text.translate({0: " ", 10: " ", 13: " "}).encode("latin-1", errors="replace")


def problem_of_parameters(exc: ParametersError, instance: str) -> Problem:
    """The 422 that names every bad parameter."""
    return Problem(
        status=422,
        type="invalid-parameters",
        title="Invalid parameters",
        detail=str(exc),
        instance=instance,
        errors=exc.issues,
    )


def problem_of_message(issues: Sequence[ParameterIssue]) -> Problem:
    """The answer to a message that says what its type does not allow; the connection stays open."""
    return Problem(
        status=422,
        type="invalid-message",
        title="Invalid message",
        detail="; ".join(f"{issue.param}: {issue.message}" for issue in issues),
        errors=issues,
    )


def problem_of_http_exception(exc: HTTPException, instance: str) -> Problem:
    """The answer that a handler chose by raising HTTPException, lihil's or starlette's."""
    return Problem(
        status=exc.status_code,
        type=getattr(exc, "problem_type", "about:blank"),
        title=getattr(exc, "problem_title", status_phrase(exc.status_code)),
        detail=exc.detail,
        instance=instance,
        headers=tuple((exc.headers or {}).items()),
    )
