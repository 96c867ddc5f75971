"""Close codes: what they mean, and which may be sent."""

NORMAL = 1000

# RFC 6455, section 7.4.1, and the IANA registry of WebSocket close codes.
_MEANINGS = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code given",
    1006: "the connection was lost without a close",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "an extension is missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS failure",
}


def meaning_of(code: int) -> str:
    """What a close code says; the ranges are those of RFC 6455, section 7.4.2."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    if 3000 <= code <= 3999:
        return "registered by a library or framework"
    if 4000 <= code <= 4999:
        return "private to the application"
    return "unassigned code"


def is_sendable_code(code: int) -> bool:
    """Whether an endpoint may put `code` into a Close frame (RFC 6455, section 7.4, and the IANA registry)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
