"""The WebSocket core as this room uses it, loaded without the rest of the framework."""

from lihil_cli.framework import defer_framework

defer_framework()  # before the first import from below `lihil`

from lihil.rfc6455.close import may_be_sent, meaning_of  # noqa: E402
from lihil.rfc6455.connection import Close, Connection, Failure, Ping, Pong, Role, State, StateError  # noqa: E402
from lihil.rfc6455.deflate import Deflate, DeflateOptions  # noqa: E402
from lihil.rfc6455.handshake import (  # noqa: E402
    Agreement,
    HandshakeError,
    encode_field,
    encode_request,
    read_answer,
)
from lihil.rfc6455.head import Head, HeadError, find_head, parse_response  # noqa: E402
from lihil.rfc6455.receiving import EVENT_BYTES  # noqa: E402

__all__ = [
    "EVENT_BYTES",
    "Agreement",
    "Close",
    "Connection",
    "Deflate",
    "DeflateOptions",
    "Failure",
    "HandshakeError",
    "Head",
    "HeadError",
    "Ping",
    "Pong",
    "Role",
    "State",
    "StateError",
    "encode_field",
    "encode_request",
    "find_head",
    "may_be_sent",
    "meaning_of",
    "parse_response",
    "read_answer",
]
