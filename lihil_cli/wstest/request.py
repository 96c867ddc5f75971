"""What the user may add to the opening handshake, checked before anything is sent."""

import re
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, section 5.5, without what other encodings would make of it
# These are the handshake itself (RFC 6455, section 4.1); a second copy would only break it.
_OURS = frozenset({"host", "upgrade", "connection", "content-length", "transfer-encoding"})


class Extras(Record):
    """What the items and the options for the handshake come to."""

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


def parse_items(items: Sequence[str]) -> Extras:
    """`name==value` for the query and `Name:value` for a header. Raises CliError (USAGE) for what is neither."""
    headers: list[tuple[str, str]] = []
    query: list[tuple[str, str]] = []
    for item in items:
        name, equals, value = item.partition("==")
        if equals and name and ":" not in name:
            query.append((name, value))
        elif ":" in item:
            headers.append(parse_header(item))
        else:
            raise _usage(f"{item!r} is neither name==value nor Header:value", "only one TARGET can be named")
    return Extras(tuple(headers), tuple(query))


def add_query(path: str, query: Sequence[tuple[str, str]]) -> str:
    """A path or URL with more parameters, URL-encoded."""
    if not query:
        return path
    more = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    return f"{path}{'' if path.endswith('?') else '&' if '?' in path else '?'}{more}"


def credentials(cookies: Sequence[str], auth: str | None, bearer: str | None) -> tuple[tuple[str, str], ...]:
    """The headers for `-b k=v`, `--auth user:password` and `--bearer TOKEN`. Raises CliError (USAGE)."""
    headers: list[tuple[str, str]] = []
    if auth is not None and bearer is not None:
        raise _usage("--auth and --bearer both fill the Authorization header", "give one of them")
    for cookie in cookies:
        if not re.fullmatch(rf"{_TOKEN.pattern}=[\x21-\x3a\x3c-\x7e]*", cookie):  # RFC 6265, section 4.1.1
            raise _usage(f"{cookie!r} is no cookie", "write it like -b name=value")
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    if auth is not None:
        if ":" not in auth:
            raise _usage("--auth takes user:password", "with an empty password: user:")
        headers.append(("Authorization", f"Basic {b64encode(auth.encode()).decode()}"))
    if bearer is not None:
        headers.append(parse_header(f"Authorization: Bearer {bearer}"))
    return tuple(headers)


def parse_header(text: str) -> tuple[str, str]:
    """`Name: value` as a pair. Raises CliError (USAGE) for what is no header or belongs to the handshake itself."""
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon or not _TOKEN.fullmatch(name):
        raise _usage(f"{text!r} is no header", "write it like -H 'Authorization: Bearer abc'")
    if not _VALUE.fullmatch(value):
        raise _usage(f"the value of the header {name} holds characters that cannot be sent", "use printable ASCII")
    if name.lower() in _OURS or name.lower().startswith("sec-websocket-"):
        raise _usage(f"the header {name} is made by the handshake", "use --subprotocol for Sec-WebSocket-Protocol")
    return name, value


def check_subprotocols(names: list[str]) -> tuple[str, ...]:
    """The names as they are offered, in order. Raises CliError (USAGE) for one that is no token."""
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise _usage(f"{name!r} is no subprotocol", "repeat --subprotocol for several, without commas or spaces")
    return tuple(names)


def check_origin(origin: str | None) -> str | None:
    """The origin as it is sent. Raises CliError (USAGE) where it could not stand in a header."""
    if origin is not None and not _VALUE.fullmatch(origin):
        raise _usage(f"{origin!r} is no origin", "write it like --origin https://example.com")
    return origin


def _usage(message: str, hint: str) -> CliError:
    return CliError(message, hint=hint, code=ExitCode.USAGE)
