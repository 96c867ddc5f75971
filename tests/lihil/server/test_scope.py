"""A handshake as the app and the log see it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config

from lihil.asgi import Scope
from lihil.rfc6455.handshake import Offer
from lihil.rfc6455.head import Head
from lihil.server.scope import Ends, access_names, make_scope
from tests.lihil.server.wire import echo

CONFIG = Config(echo, interface="asgi3", log_config=None, root_path="/root")


def scope_of(target: bytes) -> Scope:
    head = Head(((b"host", b"x"),), 1, method=b"GET", target=target)
    offer = Offer("key", ("chat",), ())
    return make_scope(
        head, offer, Ends(("127.0.0.1", 80), ("10.0.0.1", 5), False), CONFIG, state={"pool": 1}, extensions={"e": {}}
    )


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/a", "/root/a", b"/root/a", b""),
        (b"/a%20b?c=%20", "/root/a b", b"/root/a%20b", b"c=%20"),
        (b"/%zz%ff", "/root/%zz\ufffd", b"/root/%zz%ff", b""),
        (b"/\xe9", "/root/\xe9", b"/root/\xe9", b""),
        (b"http://x/a?b=1", "/root/a", b"/root/a", b"b=1"),
        (b"http://x", "/root/", b"/root/", b""),
        (b"*", "/root*", b"/root*", b""),
        (b"?u=http://x", "/root", b"/root", b"u=http://x"),
        (b"/a?u=http://x", "/root/a", b"/root/a", b"u=http://x"),
    ],
)
def test_a_target_becomes_path_and_query(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    scope = scope_of(target)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_the_scope_says_what_the_specification_asks_for() -> None:
    scope = scope_of(b"/")
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["scheme"], scope["http_version"], scope["root_path"]) == ("ws", "1.1", "/root")
    assert (scope["client"], scope["server"]) == (("10.0.0.1", 5), ("127.0.0.1", 80))
    assert (scope["headers"], scope["subprotocols"]) == ([(b"host", b"x")], ["chat"])
    assert (scope["state"], scope["extensions"]) == ({"pool": 1}, {"e": {}})


@given(st.binary(max_size=40), st.text(max_size=20))
def test_nothing_that_a_terminal_would_obey_gets_into_the_log(target: bytes, forwarded: str) -> None:
    scope = scope_of(target)
    scope["client"] = (forwarded, 1)  # as a proxy's header said
    line = " ".join(access_names(scope))
    assert line.isascii()
    assert line.isprintable()


def test_an_ordinary_line_is_uvicorns() -> None:
    scope = scope_of(b"/a%20b?c=d&e=%C3%A9")
    assert access_names(scope) == ("10.0.0.1:5", "/root/a%20b?c=d&e=%C3%A9")
    scope["client"] = None
    assert access_names(scope)[0] == ""


class Described(asyncio.Transport):
    def __init__(self, **facts: object) -> None:
        super().__init__()
        self._facts = facts

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._facts.get(name, default)


@pytest.mark.parametrize(
    ("facts", "ends"),
    [
        ({}, Ends(None, None, False)),
        ({"sockname": ("127.0.0.1", 80), "peername": ("10.0.0.1", 5)}, Ends(("127.0.0.1", 80), ("10.0.0.1", 5), False)),
        ({"sockname": ("::1", 80, 0, 0), "peername": ["::1", 5, 0, 0]}, Ends(("::1", 80), ("::1", 5), False)),
        ({"sockname": "/run/app.sock", "peername": ""}, Ends(("/run/app.sock", None), None, False)),
        ({"sslcontext": object()}, Ends(None, None, True)),
    ],
)
def test_a_transport_says_where_it_ends(facts: dict[str, object], ends: Ends) -> None:
    assert Ends.of(Described(**facts)) == ends
