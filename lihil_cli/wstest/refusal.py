"""A refused opening handshake, told so that the user sees why."""

import json
from collections.abc import Iterator

from lihil_cli.wstest.network import Refusal

_MAX_BODY_CHARACTERS = 4000
_OF_INTEREST = frozenset(
    {
        "allow",
        "content-type",
        "location",
        "retry-after",
        "sec-websocket-version",
        "server",
        "upgrade",
        "www-authenticate",
    }
)
_PROBLEM = "application/problem+json"  # RFC 9457


def refusal_lines(refusal: Refusal) -> list[str]:
    """The status, the headers that may help and the body, one line each; nothing is escaped yet."""
    headers = [f"  {name}: {value}" for name, value in refusal.headers if name.lower() in _OF_INTEREST]
    status = f"handshake refused: HTTP {refusal.status} {refusal.phrase}".rstrip()
    return [status, *headers, *(f"  {line}" for line in _body_lines(refusal))]


def _body_lines(refusal: Refusal) -> list[str]:
    problem = _problem_of(refusal)
    if problem is not None:
        return list(_problem_lines(problem))
    text = refusal.body.decode("utf-8", "replace").strip()
    if len(text) > _MAX_BODY_CHARACTERS:
        text = f"{text[:_MAX_BODY_CHARACTERS]}\n... {len(refusal.body)} bytes"
    return text.split("\n") if text else []


def _problem_of(refusal: Refusal) -> dict[str, object] | None:
    """The problem details in the body, or None where the type says otherwise or the body is no JSON object."""
    kinds = [value for name, value in refusal.headers if name.lower() == "content-type"]
    if not any(kind.partition(";")[0].strip().lower() == _PROBLEM for kind in kinds):
        return None
    try:
        content = json.loads(refusal.body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _problem_lines(problem: dict[str, object]) -> Iterator[str]:
    headline = ": ".join(str(problem[key]) for key in ("title", "detail") if problem.get(key))
    if headline:
        yield headline
    entries = problem.get("errors")
    for entry in entries if isinstance(entries, list) else []:
        yield _entry_line(entry)


def _entry_line(entry: object) -> str:
    if not isinstance(entry, dict):
        return f"- {entry}"
    place = " ".join(str(entry[key]) for key in ("location", "param") if entry.get(key))
    kind = f" ({entry['type']})" if entry.get("type") else ""
    return f"- {place}: {entry.get('message', '')}{kind}"
