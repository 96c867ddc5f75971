"""uvicorn with our protocols: its settings, and what WebSockets are told at the end."""

import ssl
from contextlib import suppress

import pytest
import trustme

from lihil.rfc6455.connection import Close
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.serve import RELOAD, STOP, make_config
from lihil.server.ws_protocol import WebSocketProtocol
from tests.lihil.server.wire import DEADLINE_S, echo, frame, handshake, serving, until


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


def test_a_tls_handshake_that_has_not_begun_when_the_end_begins_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPProtocol, "patience_s", DEADLINE_S)
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(ours)
    authority.configure_trust(theirs)
    with serving(echo, ssl_context_factory=lambda config, default: ours) as server, server.client() as late:
        with server.client() as stranger:
            stranger.send(b"GET / HTTP/1.1\r\n\r\n")  # nobody waits for somebody who speaks no TLS
            stranger.rest()
        (door,) = server.server.servers
        server.server.should_exit = True
        until(lambda: not door.is_serving(), "the end begins")
        late.socket = theirs.wrap_socket(late.socket, server_hostname="localhost")
        late.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert late.rest().startswith(b"HTTP/1.1 200 ")
        late.socket.close()  # in TLS both sides have to say so
        server.stop()
