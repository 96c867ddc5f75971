"""What stands after a directive's word: targets, clients, headers, times, numbers. Each function reads one of them.

All of them raise SourceError.
"""

import re

from lihil_cli.errors import CliError
from lihil_cli.wstest.patterns.pattern import scan_pattern, scan_string
from lihil_cli.wstest.patterns.source import Cursor
from lihil_cli.wstest.patterns.template import Variable, split_template
from lihil_cli.wstest.script.address import header_pair
from lihil_cli.wstest.script.steps import Connect, Destination, Place, Refusal, Seconds, Written

MAX_ROUNDS = 100_000
"""How often one `@repeat` may go round."""

MAX_SECONDS = 86_400.0

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TARGET = re.compile(r"[^\s#?\[]\S*")
_PATH = re.compile(r"/\S*")
_QUERY = re.compile(r"\?(\S*)")
_HEADER = re.compile(r"\[([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:\\\]|[^\]\n])*?)[ \t]*\]")
_PARAMETER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_IN_PATH = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_VALUE = re.compile(r"\S+")
_SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m)(?![A-Za-z0-9.])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ROUNDS = re.compile(r"[0-9]{1,9}(?![0-9A-Za-z.])")
_STATUS = re.compile(r"[1-5][0-9]{2}(?![0-9A-Za-z])")


def scan_seconds(cursor: Cursor) -> Seconds:
    """`200ms`, `2s`, `1m`"""
    at = cursor.at
    found = cursor.take_match(_SECONDS)
    value = 0.0 if found is None else float(found[1]) * _UNITS[found[2]]
    if found is None or value > MAX_SECONDS:
        raise cursor.error("this is no time", at=at, expected="a time up to a day, such as 200ms, 2s or 1m")
    return Seconds(found.group(), value)


def scan_rounds(cursor: Cursor) -> int:
    """How often a block is repeated."""
    at = cursor.at
    found = cursor.take_match(_ROUNDS)
    count = 0 if found is None else int(found.group())
    if not 1 <= count <= MAX_ROUNDS:
        raise cursor.error("this is no number of rounds", at=at, expected=f"a number from 1 to {MAX_ROUNDS}")
    return count


def scan_name(cursor: Cursor) -> str:
    """A client's name."""
    found = cursor.take_match(_NAME)
    if found is None:
        raise cursor.error("the client has no name", expected="a name such as alice")
    return found.group()


def scan_target(cursor: Cursor, place: Place) -> Destination:
    """`/chat/{room} room=general`: every parameter of the path has a value, and nothing else has one."""
    path = _scan_written(cursor, _TARGET, "a path such as /chat/{room}, or an address")
    names = _IN_PATH.findall(path.source)
    parameters: list[tuple[str, Written]] = []
    cursor.skip_space()
    while (found := cursor.take_match(_PARAMETER)) is not None:
        if found[1] not in names:
            expected = f"{names[0]}=" if names else f"{{{found[1]}}} in the path, or ?{found[1]}= for a query"
            raise cursor.error(f"the path has no {{{found[1]}}}", at=found.start(), expected=expected)
        parameters.append((found[1], _scan_value(cursor)))
        cursor.skip_space()
    given = {name for name, _ in parameters}
    missing = next((name for name in names if name not in given), None)
    if missing is not None:
        raise cursor.error(f"nothing says what {{{missing}}} is", expected=f"{missing}=VALUE")
    return Destination(place, path, tuple(parameters))


def scan_connection(cursor: Cursor, place: Place, name: str, word: str) -> Connect:
    """`/path ?query [Name: value] ...`, each of which may be left out."""
    cursor.skip_space()
    path = _scan_written(cursor, _PATH, "a path") if cursor.peek("/") else None
    cursor.skip_space()
    query = _scan_written(cursor, _QUERY, "a query") if cursor.peek("?") else None
    cursor.skip_space()
    headers: list[tuple[str, Written]] = []
    while cursor.peek("["):
        headers.append(_scan_header(cursor))
        cursor.skip_space()
    return Connect(place, name, word, path, query, tuple(headers))


def scan_refusal(cursor: Cursor) -> Refusal:
    """`422 {...}`: the status and, unless the line ends there, what the body looks like."""
    status = cursor.take_match(_STATUS)
    if status is None or status.group() == "101":
        raise cursor.error("this is no status of a refused handshake", expected="a number such as 422")
    cursor.skip_space()
    if cursor.peek("#") or cursor.at == cursor.line_end:
        return Refusal(int(status.group()))
    return Refusal(int(status.group()), scan_pattern(cursor, cursor.line_end))


def _scan_value(cursor: Cursor) -> Written:
    start = cursor.at
    if not cursor.peek('"'):
        return _scan_written(cursor, _VALUE, 'a value, or "a value with spaces"')
    template = scan_string(cursor)
    return Written(cursor.text[start : cursor.at], template)


def _scan_header(cursor: Cursor) -> tuple[str, Written]:
    found = cursor.take_match(_HEADER)
    if found is None:
        raise cursor.error("this is no header", expected="[Name: value]")
    try:
        header_pair(found[1], "")
    except CliError as error:
        raise cursor.error(error.message, at=found.start(1), expected=error.hint) from None
    template = split_template(found[2], found.start(2))
    return found[1], Written(found[2], tuple(map(_with_brackets, template)))


def _with_brackets(piece: str | Variable) -> str | Variable:
    """A header's value ends at the first ], unless a backslash stands before it."""
    return piece.replace("\\]", "]") if isinstance(piece, str) else piece


def _scan_written(cursor: Cursor, pattern: re.Pattern[str], expected: str) -> Written:
    found = cursor.take_match(pattern)
    if found is None:
        raise cursor.error("something is missing here", expected=expected)
    source = found[pattern.groups]
    return Written(source, split_template(source, found.start(pattern.groups)))
