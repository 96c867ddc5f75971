"""Who the client is, when somebody in between says so."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.proxies import LOCAL, parse_proxies
from lihil_cli.serving.forwarded import ForwardedApp, read_forwarded

NGINX = ("127.0.0.1", 9)
TRUSTED = "127.0.0.1,10.0.0.0/8"


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["1.2.3.4"], ("1.2.3.4", 0)),
        (["1.2.3.4:567"], ("1.2.3.4", 567)),
        (["2001:db8::1"], ("2001:db8::1", 0)),
        (["[2001:db8::1]:567"], ("2001:db8::1", 567)),
        (["[2001:db8::1]"], ("2001:db8::1", 0)),
        (["6.6.6.6, 1.2.3.4"], ("1.2.3.4", 0)),
        (["6.6.6.6, 1.2.3.4, 10.0.0.5"], ("1.2.3.4", 0)),
        (["6.6.6.6", "1.2.3.4", "10.0.0.5"], ("1.2.3.4", 0)),
        (["10.0.0.6, 10.0.0.5"], ("10.0.0.6", 0)),
        (["1.2.3.4, unknown"], NGINX),
        (["1.2.3.4, unknown, 10.0.0.5"], ("10.0.0.5", 0)),
        (["1.2.3.4:x"], NGINX),
        (["1.2.3.4:99999"], NGINX),
        (["\x1b[2J"], NGINX),
        ([""], NGINX),
        ([], NGINX),
    ],
)
def test_the_client_is_the_last_one_that_no_named_proxy_is(lines: list[str], client: tuple[str, int]) -> None:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    assert read_forwarded(NGINX, headers, parse_proxies(TRUSTED)) == (client, None)


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        (b"https", "https"),
        (b"HTTPS ", "https"),
        (b"wss", "https"),
        (b"http", "http"),
        (b"https, http", "http"),
        (b"gopher", None),
        (b"", None),
    ],
)
def test_the_scheme_is_what_the_nearest_proxy_says(value: bytes, scheme: str | None) -> None:
    headers = [(b"x-forwarded-proto", value)]
    assert read_forwarded(NGINX, headers, parse_proxies(TRUSTED)) == (NGINX, scheme)


@given(st.lists(st.tuples(st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto"]), st.binary()), max_size=5))
def test_nobody_else_is_believed_and_nothing_raises(headers: list[tuple[bytes, bytes]]) -> None:
    stranger = ("6.6.6.6", 9)
    assert read_forwarded(stranger, headers, parse_proxies(TRUSTED)) == (stranger, None)
    assert read_forwarded(None, headers, parse_proxies(TRUSTED)) == (None, None)
    read_forwarded(NGINX, headers, parse_proxies(TRUSTED))


def test_who_believes_everybody_gets_what_the_first_one_wrote() -> None:
    headers = [(b"x-forwarded-for", b"6.6.6.6, 1.2.3.4")]
    assert read_forwarded(("9.9.9.9", 9), headers, parse_proxies("*"))[0] == ("6.6.6.6", 0)


@pytest.mark.parametrize(
    ("kind", "scheme", "seen"),
    [("http", "http", "https"), ("websocket", "ws", "wss"), ("lifespan", None, None)],
)
def test_an_app_sees_the_client_behind_a_proxy_on_a_unix_socket(
    kind: str, scheme: str | None, seen: str | None
) -> None:
    scopes: list[MutableMapping[str, Any]] = []

    async def app(scope: MutableMapping[str, Any], receive: object, send: object) -> None:
        scopes.append(scope)

    headers = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-proto", b"https")]
    scope: dict[str, Any] = {"type": kind, "client": None, "scheme": scheme, "headers": headers}

    async def call() -> None:
        await ForwardedApp(app, parse_proxies(LOCAL))(scope, None, None)

    asyncio.run(call())
    assert scopes[0]["scheme"] == seen
    assert scopes[0]["client"] == (None if kind == "lifespan" else ("1.2.3.4", 0))


def test_an_app_keeps_the_scheme_where_no_proxy_says_one() -> None:
    scope: dict[str, Any] = {"type": "http", "client": NGINX, "scheme": "http", "headers": []}

    async def app(scope: object, receive: object, send: object) -> None: ...

    async def call() -> None:
        await ForwardedApp(app, parse_proxies(LOCAL))(scope, None, None)

    asyncio.run(call())
    assert (scope["client"], scope["scheme"]) == (NGINX, "http")
