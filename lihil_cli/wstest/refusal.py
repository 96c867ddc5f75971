"""A refused opening handshake, told so that the user sees why."""

import json
from collections.abc import Iterator

from lihil_cli.wstest.network.handshake import Refusal

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


def refusal_lines(refusal: Refusal, *, is_whole: bool = False) -> list[str]:
    """The status, the headers that may help and the body, one line each; nothing is escaped yet.

    With `is_whole` every header. The status stands last, too, where the body has no end that says why.
    """
    headers = [f"  {name}: {value}" for name, value in refusal.headers if is_whole or name.lower() in _OF_INTEREST]
    status = f"handshake refused: HTTP {refusal.status} {refusal.phrase}".rstrip()
    body = [f"  {line}" for line in body_lines(refusal)]
    note = [f"  {refusal.why}"] if refusal.why else []
    last = [status] if len(body) > 1 and _problem_of(refusal) is None else []
    return [status, *headers, *body, *note, *last]


def body_lines(refusal: Refusal) -> list[str]:
    """The body of a refused handshake, made readable; nothing is escaped yet."""
    problem = _problem_of(refusal)
    if problem is not None:
        return list(_problem_lines(problem))
    text = _pretty(refusal.body.decode("utf-8", "replace").strip())
    if len(text) > _MAX_BODY_CHARACTERS:
        text = f"{text[:_MAX_BODY_CHARACTERS]}\n... {len(refusal.body)} bytes"
    return text.split("\n") if text else []


def _pretty(text: str) -> str:
    """JSON with a line for each value; any other text as it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


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
