"""What is said about a connection in one line."""

from lihil_cli.wstest.network.connection import Connection
from lihil_cli.wstest.network.trace import Frame


def open_line(connection: Connection, connect_s: float) -> str:
    """How long the connection took, and what was agreed on."""
    subprotocol = f"subprotocol {connection.subprotocol}" if connection.subprotocol else "no subprotocol"
    deflate = ", deflate" if connection.is_compressed else ""
    return f"open in {connect_s * 1000:.1f} ms, {subprotocol}{deflate}"


def frame_line(frame: Frame) -> str:
    """A frame's header: direction, kind, bits, and the payload's bytes."""
    bits = [name for name, is_set in (("fin", frame.fin), ("rsv1", frame.rsv1), ("masked", frame.masked)) if is_set]
    return f"frame {'>' if frame.is_outgoing else '<'} {' '.join([frame.name, *bits])} {frame.length} bytes"
