"""uvicorn with our protocols: its settings, and what WebSockets are told at the end."""

from contextlib import suppress

import pytest

from lihil.rfc6455.connection import Close
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.serve import RELOAD, STOP, make_config
from lihil.server.ws_protocol import WebSocketProtocol
from tests.lihil.server.wire import echo, frame, handshake, serving


def test_the_settings_are_ours_until_others_are_given() -> None:
    config = make_config(echo, log_config=None)
    config.load()
    assert (config.http_protocol_class, config.ws_protocol_class) == (HTTPProtocol, WebSocketProtocol)
    assert (config.server_header, config.workers) == (False, 1)
    assert make_config(echo, log_config=None, server_header=True).server_header


def test_the_protocols_are_named_as_on_uvicorns_command_line() -> None:
    names = {"http": "lihil.server.http_protocol:HTTPProtocol", "ws": "lihil.server.ws_protocol:WebSocketProtocol"}
    with serving(echo, **names) as server:
        assert server.is_alive()


@pytest.mark.parametrize(("closing", "told"), [(STOP, (1001, "the server is stopping")), (RELOAD, (1012, "reload"))])
def test_the_end_says_why(closing: Close, told: tuple[int, str]) -> None:
    with serving(echo) as server, server.client() as client, server.client() as half:
        client.open()
        half.send(handshake()[:-2])
        server.server.closing = closing
        server.server.should_exit = True
        assert client.event() == told
        with suppress(OSError):  # it does not wait long for the answer
            client.send(frame(0x88, b"\x03\xe9"))
        server.stop()
