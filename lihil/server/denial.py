"""The HTTP answer to a handshake that does not become a WebSocket."""

from collections.abc import Iterable
from typing import TypeAlias

from lihil.rfc6455.handshake import encode_field
from lihil.server.response_head import STATUS_LINES

Fields: TypeAlias = Iterable[tuple[bytes, bytes]]


class Denial:
    """A response that the app may give in parts. Without a length the end of the connection is its end."""

    __slots__ = ("_fields", "_status", "is_begun")

    def __init__(self, status: int, fields: Fields, defaults: Fields) -> None:
        """Raises ValueError for a status that ends no handshake, or a field that would break out of its line."""
        if not 200 <= status <= 599:
            raise ValueError(f"a denial response has a status of 200 to 599, not {status}")
        given = list(fields)
        names = {name.lower() for name, _ in given}
        usual = (*defaults, (b"connection", b"close"))
        self._fields = [*given, *(field for field in usual if field[0].lower() not in names)]
        self._status = status
        self.is_begun: bool = False
        _encode_head(status, self._fields)

    def encode(self, body: bytes, *, is_last: bool) -> bytes:
        """The bytes of the next part of the body, with the head before the first one."""
        if self.is_begun:
            return body
        self.is_begun = True
        if is_last and not any(name.lower() == b"content-length" for name, _ in self._fields):
            self._fields.append((b"content-length", str(len(body)).encode()))
        return _encode_head(self._status, self._fields) + body


def _encode_head(status: int, fields: Fields) -> bytes:
    return b"".join([STATUS_LINES[status], *(encode_field(name, value) for name, value in fields), b"\r\n"])
