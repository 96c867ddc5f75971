"""Where the text comes from: path, query, headers, cookies and body of one ASGI scope, each parsed when asked for."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser

from lihil.asgi import Scope


class Sources:
    """The raw parameters of one request or opening handshake, as lists of text by key."""

    def __init__(self, scope: Scope, *, body: bytes = b"") -> None:
        self._scope = scope
        self.body = body

    @cached_property
    def path(self) -> Mapping[str, Sequence[str]]:
        """The captured path segments, as text."""
        captured: Mapping[str, str] = self._scope.get("lihil.path", {})
        return {name: (text,) for name, text in captured.items()}

    @cached_property
    def query(self) -> Mapping[str, Sequence[str]]:
        """The query string's pairs; bytes that are no UTF-8 become U+FFFD (WHATWG URL, section 5.1)."""
        pairs: dict[str, list[str]] = {}
        text = self._scope.get("query_string", b"").decode(errors="replace")
        for key, value in parse_qsl(text, keep_blank_values=True):
            pairs.setdefault(key, []).append(value)
        return pairs

    @cached_property
    def header(self) -> Mapping[str, Sequence[str]]:
        """Header fields by lower-case name, a list entry for each field line."""
        fields: dict[str, list[str]] = {}
        for name, value in self._scope.get("headers", ()):
            fields.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        return fields

    @cached_property
    def cookie(self) -> Mapping[str, Sequence[str]]:
        """Cookies by name (RFC 6265, section 5.4)."""
        cookies: dict[str, Any] = {}
        for line in self.header.get("cookie", ()):
            cookies.update(cookie_parser(line))
        return {name: (value,) for name, value in cookies.items()}
