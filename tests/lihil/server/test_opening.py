"""The answer to an accepted handshake."""

import asyncio
from typing import Any

import pytest

from lihil.asgi import WS_ACCEPT
from tests.lihil.server.memory import Script, connect, ended
from tests.lihil.server.wire import handshake, settle


@pytest.mark.parametrize(
    "accept",
    [
        {"headers": [(b"x", b"a\r\nset-cookie: b")]},
        {"headers": [(b"x\r\nset-cookie: b", b"a")]},
        {"subprotocol": "a\r\nset-cookie: b"},
        {"subprotocol": "\u20ac"},
    ],
)
def test_an_answer_that_would_break_out_of_its_line_is_not_sent(accept: dict[str, Any]) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script)
        await script.begun.wait()
        with pytest.raises(ValueError, match=r"line break|latin-1"):
            await script.send({"type": WS_ACCEPT, **accept})
        assert transport.written == b""
        script.end()
        await ended(transport)
        assert transport.written[9:12] == b"500"

    asyncio.run(talk())


def test_an_answer_carries_the_apps_headers_and_subprotocol() -> None:
    async def talk() -> None:
        script = Script()
        protocol, transport = connect(script, request=handshake(Sec_WebSocket_Protocol="a, b", X="\xe9"))
        protocol._server_state.default_headers = [(b"server", b"ours")]
        await script.begun.wait()
        assert script.scope["subprotocols"] == ["a", "b"]
        assert (b"x", b"\xe9") in script.scope["headers"]
        await script.send({"type": WS_ACCEPT, "subprotocol": "b", "headers": [(b"y", b"\xe8")]})
        await settle()
        head = transport.written.split(b"\r\n")
        assert {b"Sec-WebSocket-Protocol: b", b"server: ours", b"y: \xe8"} <= set(head)

    asyncio.run(talk())


@pytest.mark.parametrize("headers", [None, []])
def test_headers_may_be_left_out(headers: Any) -> None:
    async def talk() -> None:
        script = Script()
        _, transport = connect(script, ws_per_message_deflate=False)
        await script.begun.wait()
        await script.send({"type": WS_ACCEPT, "headers": headers})
        await settle()
        assert transport.written.endswith(b"\r\n\r\n")

    asyncio.run(talk())
