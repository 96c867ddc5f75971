"""The WebSocket protocol (RFC 6455) with permessage-deflate (RFC 7692), without any input or output.

Bytes in, events out; calls in, bytes out. Both roles. Nothing here waits, reads a clock or opens a socket, and nothing
of lihil is imported, so that servers, clients, load generators and tests share one implementation.
"""

from lihil.rfc6455.close import CloseCode, meaning_of
from lihil.rfc6455.connection import Connection
from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.events import Close, Event, Failure, Ping, Pong, Role, State, StateError
from lihil.rfc6455.handshake import HandshakeError

__all__ = [
    "Close",
    "CloseCode",
    "Connection",
    "Deflate",
    "DeflateOptions",
    "Event",
    "Failure",
    "HandshakeError",
    "Ping",
    "Pong",
    "Role",
    "State",
    "StateError",
    "meaning_of",
]
