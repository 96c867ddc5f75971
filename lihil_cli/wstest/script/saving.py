"""From what happened in a session to a script that does it again: what `/save FILE.wst` writes."""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from lihil_cli.record import Record
from lihil_cli.wstest.patterns.difference import Message
from lihil_cli.wstest.patterns.match import pattern_of
from lihil_cli.wstest.redact import is_placeholder, is_secret, is_secret_header, redact
from lihil_cli.wstest.script.outgoing import outgoing_of

_ONLY = "main"  # the name of an only connection that needs one
_SAFE = "/?:@!$&'()*+,;=%-._~|"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_NOT_IN_VARIABLES = re.compile(r"[^A-Za-z0-9_]")


class Opened(Record):
    """A connection was opened. `address` is its path with the query, or a URL; `name` is "" for the only one.

    In the values of `headers`, `${NAME}` stands for what the environment has under that name, as it does in a script.
    """

    name: str
    address: str
    headers: tuple[tuple[str, str], ...] = ()


class Sent(Record):
    """A message went out; a `Closed` is a close that we sent."""

    name: str
    message: Message


class Arrived(Record):
    """A message came in; a `Closed` is the end of the connection. `pattern` is what it was expected by, if it was."""

    name: str
    message: Message
    pattern: str = ""


SessionEvent: TypeAlias = Opened | Sent | Arrived


def format_script(events: Sequence[SessionEvent]) -> str:
    """A script that does again what happened, and expects what came.

    The server is left out, so that the script runs against any; secrets in headers and queries become `${NAME}`.
    """
    openings = [event for event in events if isinstance(event, Opened)]
    is_bare = len(openings) == 1 < len(events) and not openings[0].headers
    return "".join(f"{line}\n" for line in _lines(events, is_bare=is_bare))


def _lines(events: Sequence[SessionEvent], *, is_bare: bool) -> Iterator[str]:
    known: set[str] = set()
    for event in events:
        name = "" if is_bare else _client_name(event.name)
        match event:
            case Opened():
                yield (
                    f"@target {_address(event.address)}" if is_bare else _opening(event, name, is_new=name not in known)
                )
                known.add(name)
            case Sent(message=message):
                yield f"{name}> {outgoing_of(message)}"
            case _:
                yield f"{name}< {event.pattern or pattern_of(event.message)}"


def _opening(event: Opened, name: str, *, is_new: bool) -> str:
    headers = [f"[{key}: {_header_value(key, value)}]" for key, value in event.headers]
    return " ".join(["@client" if is_new else "@connect", name, _address(event.address), *headers])


def _client_name(name: str) -> str:
    usable = _NOT_IN_NAMES.sub("_", name) or _ONLY
    return f"_{usable}" if usable[0] in "-0123456789" else usable


def _address(text: str) -> str:
    """The path and query, as a script may hold them; a brace there would be a parameter's."""
    parts = urlsplit(text)
    pairs = [_query_pair(pair) for pair in parts.query.split("&")] if parts.query else []
    query = f"?{'&'.join(pairs)}" if pairs else ""
    return _plain(f"/{parts.path.removeprefix('/')}") + query


def _query_pair(pair: str) -> str:
    key, equals, value = pair.partition("=")
    secret = f"${{{_variable_name(key)}}}"
    return f"{_plain(key)}{equals}{secret if value and is_secret(key) else _plain(value)}"


def _plain(text: str) -> str:
    """Percent-encoded where needed; what is encoded already stays as it is."""
    return quote(text, safe=_SAFE)


def _header_value(key: str, value: str) -> str:
    if is_placeholder(value) or not (is_secret_header(key) or redact(value) != value):
        written = value.replace("]", "\\]")
        return f"{written} " if written.endswith("\\") else written  # or it would take the bracket's meaning away
    return f"${{{_variable_name(key)}}}"


def _variable_name(key: str) -> str:
    name = _NOT_IN_VARIABLES.sub("_", key).upper() or "SECRET"
    return f"_{name}" if name[0].isdigit() else name
