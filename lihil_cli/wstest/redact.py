"""What is a secret: one rule for what the history keeps, a script holds, and is shown of a handshake."""

import re

HIDDEN = "***"

_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|cookie|^pwd$|auth(?!or(?!i))|(?:api|access|private)[_-]?key",
    re.IGNORECASE,
)
# Among headers, which name who asks rather than what for, these are secrets too.
_SECRET_HEADER = re.compile(r"key|session|pwd", re.IGNORECASE)
_HANDSHAKE = "sec-websocket-"  # its key is made for one handshake, and protects nothing
# `${TOKEN}`, `Bearer ${TOKEN}`: the name of a secret
_PLACEHOLDER = re.compile(r"(?:[A-Za-z]+ +)?\$\{\w+\}(?=[ \t]|$)")

_COMMAND = re.compile(r"\s*(?:@[\w-]+\s+)?/(?:open|connect)\s")
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|\\$|"(?:[^"\\]|\\.)*"?|'[^']*'?)+""")
_MEMBER = re.compile(
    r"""(["'])([\w.-]{1,64})(\1\s*:\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\{[^{}]*\}?|\[[^\[\]]*\]?|[^\s,}\]]+)"""
)
_ASSIGNMENT = re.compile(r"""((?<![\w.-])[\w.-]{1,64})(=+)[^\s&"']+""")
# Behind a space the value goes on to the end of the line; without one it is a word, as in the items of a command.
_HEADER = re.compile(r"""((?<![\w./-])[\w-]{1,64})(\s*:)(?:([ \t]+)([^"'\]\r\n]+)|("[^"]*"?|'[^']*'?|[^\s"'\]]+))""")
_OTHERS = (
    # However they are spelled, these two hold spaces.
    re.compile(r"\b((?:proxy-)?authorization|cookie)(\s*:\s*)([^\"'\]]+)", re.IGNORECASE),
    re.compile(r"\b(Bearer|Basic)(\s+)([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
    # A JSON Web Token (RFC 7519) wherever it stands: base64 of `{"` begins with eyJ.
    re.compile(r"()()\b(eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?)"),
    # ws://user:password@host
    re.compile(r"(://[^\s/:@]+:)()([^\s/@]+)(?=@)"),
)


def is_secret(name: str) -> bool:
    """Whether what goes by this name, in a query or a message, is a secret."""
    return _SECRET.search(name) is not None


def is_secret_header(name: str) -> bool:
    """Whether the value of the header is a secret."""
    if name.lower().startswith(_HANDSHAKE):
        return False
    return is_secret(name) or _SECRET_HEADER.search(name) is not None


def is_placeholder(value: str) -> bool:
    """Whether a header's value names its secret instead of holding it: `${TOKEN}`, `Bearer ${TOKEN}`."""
    return _PLACEHOLDER.fullmatch(value) is not None


def redact(text: str) -> str:
    """The text with every secret in it replaced: a line that was typed, or one of a handshake."""
    if _COMMAND.match(text):
        text = _WORD.sub(_item, text)
    text = _MEMBER.sub(_member, text)
    text = _ASSIGNMENT.sub(_assignment, text)
    text = _HEADER.sub(_header, text)
    for pattern in _OTHERS:
        text = pattern.sub(_other, text)
    return text


def _item(found: re.Match[str]) -> str:
    """A word of /open or /connect, which may be a header however it is quoted."""
    name, colon, value = re.sub(r"""["'\\]""", "", found[0]).partition(":")
    is_header = bool(colon and value) and re.fullmatch(r"[\w-]+", name) is not None
    is_shown = not is_header or _PLACEHOLDER.match(value.strip()) or not is_secret_header(name)
    return found[0] if is_shown else f"{name}:{HIDDEN}"


def _member(found: re.Match[str]) -> str:
    quote, name, colon, _ = found.groups()
    return f'{quote}{name}{colon}"{HIDDEN}"' if is_secret(name) else found[0]


def _assignment(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{HIDDEN}" if is_secret(found[1]) else found[0]


def _header(found: re.Match[str]) -> str:
    is_shown = not is_secret(found[1]) or _PLACEHOLDER.match(found[4] or found[5])
    return found[0] if is_shown else f"{found[1]}{found[2]}{found[3] or ''}{HIDDEN}"


def _other(found: re.Match[str]) -> str:
    return found[0] if _PLACEHOLDER.match(found[3]) else f"{found[1]}{found[2]}{HIDDEN}"
