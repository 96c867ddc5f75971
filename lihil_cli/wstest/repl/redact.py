"""Which parts of a typed line are secrets, and must not be written to a file."""

import re

HIDDEN = "***"

_NAME = (
    r"(?:[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credential|private[_-]?key)[\w-]*|pwd|auth)"
)
_SECRETS = (
    # "password": "...", 'token': 5 in JSON
    re.compile(rf"""(["']{_NAME}["']\s*:\s*)("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,}}\]]+)""", re.IGNORECASE),
    # token=... in a query or a form
    re.compile(rf"\b({_NAME}=+)([^\s&\"']+)", re.IGNORECASE),
    # Authorization: Bearer ..., Cookie: ...
    re.compile(r"\b((?:proxy-)?authorization|cookie|x-api-key)(\s*:\s*)([^\"'\]]+)", re.IGNORECASE),
    re.compile(r"\b(Bearer|Basic)(\s+)([A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE),
    # A JSON Web Token (RFC 7519) wherever it stands: base64 of `{"` begins with eyJ.
    re.compile(r"()()\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"),
    # ws://user:password@host
    re.compile(r"(://[^\s/:@]+:)()([^\s/@]+)(?=@)"),
)


def redact(text: str) -> str:
    """The text with every secret in it replaced."""
    json_member, assignment, *others = _SECRETS
    text = json_member.sub(lambda found: f'{found[1]}"{HIDDEN}"', text)
    text = assignment.sub(lambda found: f"{found[1]}{HIDDEN}", text)
    for pattern in others:
        text = pattern.sub(lambda found: f"{found[1]}{found[2]}{HIDDEN}", text)
    return text
