"""Close codes and the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4)."""

from enum import IntEnum

MAX_REASON_BYTES = 123  # 125 bytes of a control frame, less the code's two


class CloseCode(IntEnum):
    """The registered codes (section 7.4.1 and the IANA registry)."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


_REGISTERED = frozenset(CloseCode)
_SENDABLE = _REGISTERED - {1005, 1006, 1015}  # those are set by an endpoint for itself, never on the wire

_MEANINGS = {
    CloseCode.NORMAL_CLOSURE: "normal closure",
    CloseCode.GOING_AWAY: "going away",
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.UNSUPPORTED_DATA: "unsupported data",
    CloseCode.NO_STATUS_RECEIVED: "no code given",
    CloseCode.ABNORMAL_CLOSURE: "the connection was lost without a close",
    CloseCode.INVALID_PAYLOAD: "invalid payload data",
    CloseCode.POLICY_VIOLATION: "policy violation",
    CloseCode.MESSAGE_TOO_BIG: "message too big",
    CloseCode.MANDATORY_EXTENSION: "an extension is missing",
    CloseCode.INTERNAL_ERROR: "internal error",
    CloseCode.SERVICE_RESTART: "service restart",
    CloseCode.TRY_AGAIN_LATER: "try again later",
    CloseCode.BAD_GATEWAY: "bad gateway",
    CloseCode.TLS_HANDSHAKE: "TLS failure",
}


def meaning_of(code: int) -> str:
    """What a close code says, in a few words."""
    if code in _REGISTERED:
        return _MEANINGS[CloseCode(code)]
    if 3000 <= code <= 3999:
        return "registered by a library or framework"
    if 4000 <= code <= 4999:
        return "private to the application"
    return "unassigned code"


def may_be_sent(code: int) -> bool:
    """Whether a code may stand in a close frame (section 7.4): 1000-1014 without the reserved ones, 3000-4999."""
    return code in _SENDABLE or 3000 <= code <= 4999


def check_close(code: int, reason: str) -> None:
    """Raises ValueError for a code that must not be sent (section 7.4), and for a reason that is too long (5.5.1)."""
    if not may_be_sent(code):
        raise ValueError(f"{code} is no close code that may be sent; use 1000-1014 (not 1004-1006) or 3000-4999")
    size = len(reason.encode())
    if size > MAX_REASON_BYTES:
        raise ValueError(f"a close reason has at most {MAX_REASON_BYTES} bytes (RFC 6455, section 5.5.1), not {size}")


def encode_close(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; 1005 stands for none. Raises ValueError for a code or a reason that cannot be."""
    if code == CloseCode.NO_STATUS_RECEIVED and not reason:
        return b""
    check_close(code, reason)
    return code.to_bytes(2, "big") + reason.encode()


def parse_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a received close frame; 1005 where it has none.

    Raises ValueError for one byte or a code that must not be sent (section 7.4.2), and its subclass UnicodeDecodeError
    for a reason that is not UTF-8 (section 8.1).
    """
    if not payload:
        return CloseCode.NO_STATUS_RECEIVED, ""
    if len(payload) == 1:
        raise ValueError("a close payload of one byte")
    code = int.from_bytes(payload[:2], "big")
    if not may_be_sent(code):
        raise ValueError(f"close code {code}")
    return code, payload[2:].decode()
