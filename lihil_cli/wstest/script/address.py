"""Where a client of a script connects to, once the values of its variables are known."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from lihil_cli.wstest.patterns.template import fill, look_up, value_text
from lihil_cli.wstest.request import parse_header
from lihil_cli.wstest.script.steps import Connect, Destination

SUBPROTOCOLS = "Sec-WebSocket-Protocol"
"""The one header of the handshake itself that a script may set: the subprotocols that are offered."""

_IN_PATH = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def address_of(target: Destination | None, step: Connect, values: Mapping[str, object]) -> str:
    """The path with its query, or the whole address; values are percent-encoded. Raises UnknownNameError."""
    if step.path is not None:
        address = fill(step.path.template, values, _encode)
    else:
        address = "/" if target is None else _target_address(target, values)
    if step.query is None:
        return address
    query = fill(step.query.template, values, _encode)
    separator = "&" if "?" in address else "?"
    return f"{address}{separator}{query}" if query else address


def headers_of(step: Connect, values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The headers with their values. Raises UnknownNameError, and CliError for a value that cannot be sent."""
    return tuple(header_pair(name, fill(value.template, values)) for name, value in step.headers)


def header_pair(name: str, value: str) -> tuple[str, str]:
    """The header as it is sent. Raises CliError for one that cannot be, or that the handshake makes itself."""
    if name.lower() == SUBPROTOCOLS.lower():
        _, value = parse_header(f"X-Checked: {value}")
        return SUBPROTOCOLS, value
    return parse_header(f"{name}: {value}")


def _target_address(target: Destination, values: Mapping[str, object]) -> str:
    given = {name: _encode(fill(written.template, values)) for name, written in target.parameters}
    pieces = (
        _IN_PATH.sub(lambda found: given.get(found[1], found.group()), piece)
        if isinstance(piece, str)
        else _encode(value_text(look_up(piece, values)))
        for piece in target.path.template
    )
    return "".join(pieces)


def _encode(text: str) -> str:
    return quote(text, safe="", errors="replace")
