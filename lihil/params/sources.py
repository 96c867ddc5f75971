"""Where the text comes from: path, query, headers, cookies and body of one ASGI scope, each parsed when asked for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser

from lihil.asgi import Scope

Texts: TypeAlias = Mapping[str, Sequence[str]]
"""Lists of text by key."""


_NOTHING: Final[Mapping[str, str]] = {}


class Sources:
    """The raw parameters of one request or opening handshake."""

    # Not functools.cached_property: on Python 3.11 its lock costs as much as reading a query.
    __slots__ = ("_cookie", "_header", "_query", "_scope", "body")

    def __init__(self, scope: Scope, *, body: bytes = b"") -> None:
        self.body: bytes = body
        self._scope = scope
        self._query: Texts | None = None
        self._header: Texts | None = None
        self._cookie: Texts | None = None

    @property
    def captured(self) -> Mapping[str, str]:
        """The captured path segments, as text."""
        captured: Mapping[str, str] = self._scope.get("lihil.path", _NOTHING)
        return captured

    @property
    def path(self) -> Texts:
        """The same in the form of the others."""
        return {name: (text,) for name, text in self.captured.items()}

    @property
    def query(self) -> Texts:
        """The query string's pairs; bytes that are no UTF-8 become U+FFFD (WHATWG URL, section 5.1)."""
        if self._query is None:
            query: dict[str, list[str]] = {}
            for key, value in _pairs(self._scope.get("query_string", b"").decode(errors="replace")):
                query.setdefault(key, []).append(value)
            self._query = query
        return self._query

    @property
    def header(self) -> Texts:
        """Header fields by lower-case name, a list entry for each field line."""
        if self._header is None:
            fields: dict[str, list[str]] = {}
            for name, value in self._scope.get("headers", ()):
                fields.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
            self._header = fields
        return self._header

    @property
    def cookie(self) -> Texts:
        """Cookies by name (RFC 6265, section 5.4)."""
        if self._cookie is None:
            cookies: dict[str, Any] = {}
            for line in self.header.get("cookie", ()):
                cookies.update(cookie_parser(line))
            self._cookie = {name: (value,) for name, value in cookies.items()}
        return self._cookie


def _pairs(text: str) -> Iterable[Sequence[str]]:
    """Keys and values of a query; one in which nothing is encoded is cut here, in half the time."""
    if "%" in text or "+" in text:
        return parse_qsl(text, keep_blank_values=True)
    return [piece.partition("=")[::2] for piece in text.split("&") if piece]
