"""What the user may add to the opening handshake, checked before anything is sent."""

import re

from lihil_cli.errors import CliError, ExitCode

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, section 5.5, without what other encodings would make of it
# These are the handshake itself (RFC 6455, section 4.1); a second copy would only break it.
_OURS = frozenset({"host", "upgrade", "connection", "content-length", "transfer-encoding"})


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
