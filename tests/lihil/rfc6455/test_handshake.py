"""The opening handshake, and the `websockets` library as the other side of it."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from lihil.rfc6455.deflate import DeflateOptions, agree
from lihil.rfc6455.handshake import (
    Agreement,
    HandshakeError,
    Offer,
    accept_token,
    encode_accept,
    encode_field,
    encode_request,
    parse_extensions,
    read_answer,
    read_offer,
)
from lihil.rfc6455.head import Head, parse_request, parse_response

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = {
    b"host": b"example",
    b"upgrade": b"WebSocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": KEY.encode(),
}
ANSWER = {
    b"upgrade": b"WebSocket",
    b"connection": b"upgrade",
    b"sec-websocket-accept": b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def request(*more: tuple[bytes, bytes], method: bytes = b"GET", minor: int = 1, **changes: bytes | None) -> Head:
    """A good handshake but for the changes; None leaves a field out."""
    changed = FIELDS | {name.replace("_", "-").encode(): value for name, value in changes.items()}
    fields = [(name, value) for name, value in changed.items() if value is not None]
    return Head((*fields, *more), minor, method=method, target=b"/")


def answer(*more: tuple[bytes, bytes], status: int = 101, **changes: bytes | None) -> Head:
    changed = ANSWER | {name.replace("_", "-").encode(): value for name, value in changes.items()}
    return Head((*((n, v) for n, v in changed.items() if v is not None), *more), 1, status=status)


def extensions(text: bytes) -> Head:
    return Head(((b"sec-websocket-extensions", text),), 1)


def test_the_accept_token_is_the_rfcs() -> None:
    assert accept_token(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3


# The server's side


def test_a_good_handshake_is_an_offer() -> None:
    more = (b"sec-websocket-protocol", b"chat, superchat"), (b"sec-websocket-protocol", b"v2")
    extension = (b"sec-websocket-extensions", b"foo; x, permessage-deflate; client_max_window_bits, permessage-deflate")
    assert read_offer(request(*more, extension)) == Offer(
        KEY, ("chat", "superchat", "v2"), ([("client_max_window_bits", None)], [])
    )


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (request(method=b"POST"), 400, "GET"),
        (request(minor=0), 400, "HTTP/1.1"),
        (request(host=None), 400, "Host"),
        (request((b"host", b"another")), 400, "Host"),
        (request(upgrade=None), 426, "Upgrade"),
        (request(upgrade=b"h2c"), 426, "Upgrade"),
        (request(connection=b"close"), 426, "Upgrade"),
        (request(sec_websocket_version=None), 426, "version"),
        (request(sec_websocket_version=b"12"), 426, "version"),
        (request((b"sec-websocket-version", b"13")), 426, "version"),
        (request(sec_websocket_key=None), 400, "Sec-WebSocket-Key"),
        (request(sec_websocket_key=b""), 400, "Sec-WebSocket-Key"),
        (request(sec_websocket_key=b"dGhlIHNhbXBsZQ=="), 400, "Sec-WebSocket-Key"),
        (request(sec_websocket_key=b"*" * 24), 400, "Sec-WebSocket-Key"),
        (request(sec_websocket_key=b"\xe9" * 24), 400, "Sec-WebSocket-Key"),
        (request((b"sec-websocket-key", KEY.encode())), 400, "Sec-WebSocket-Key"),
        (request(sec_websocket_protocol=b"a b"), 400, "Sec-WebSocket-Protocol"),
        (request(sec_websocket_extensions=b"a b"), 400, "Sec-WebSocket-Extensions"),
    ],
)
def test_a_bad_handshake_is_refused_with_its_status(head: Head, status: int, words: str) -> None:
    with pytest.raises(HandshakeError, match=words) as caught:
        read_offer(head)
    assert caught.value.status == status
    # RFC 9110, section 15.5.22, and RFC 6455, section 4.4: a 426 says what it asks for.
    named = dict(caught.value.fields) if status == 426 else {b"upgrade": b"websocket", b"sec-websocket-version": b"13"}
    assert (named[b"upgrade"], named[b"sec-websocket-version"]) == (b"websocket", b"13")


def test_the_accept_holds_what_was_chosen() -> None:
    head = parse_response(encode_accept(Offer(KEY, (), ()), "chat", "permessage-deflate", [(b"X-More", b"yes")]))
    assert (head.status, head.all(b"sec-websocket-protocol"), head.all(b"x-more")) == (101, ["chat"], ["yes"])
    assert head.all(b"sec-websocket-extensions") == ["permessage-deflate"]
    assert head.all(b"sec-websocket-accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b"])
def test_no_field_breaks_out_of_its_line(text: str) -> None:
    offer = Offer(KEY, (), ())
    attempts: list[Callable[[], bytes]] = [
        lambda: encode_accept(offer, text, None),
        lambda: encode_accept(offer, None, text),
        lambda: encode_accept(offer, None, None, [(b"a", text.encode())]),
        lambda: encode_field(text.encode(), b"value"),
        lambda: encode_request(text, "/", KEY),
        lambda: encode_request("host", "/" + text, KEY),
        lambda: encode_request("host", "/", text),
        lambda: encode_request("host", "/", KEY, subprotocols=[text]),
        lambda: encode_request("host", "/", KEY, fields=[(b"a", text.encode())]),
    ]
    for broken in attempts:
        with pytest.raises(ValueError, match=r"line break|target"):
            broken()


@pytest.mark.parametrize("target", ["", "/a b", "/z\u00e9", "/\t"])
def test_a_request_target_is_visible_ascii(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        encode_request("host", target, KEY)


# Extensions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"a", [("a", [])]),
        (b"a;b;c=1, d", [("a", [("b", None), ("c", "1")]), ("d", [])]),
        (b'a ; b = "1" ;c="\\1\\5"', [("a", [("b", "1"), ("c", "15")])]),
        (b"a; b; b=2", [("a", [("b", None), ("b", "2")])]),
    ],
)
def test_extensions_are_parsed(text: bytes, expected: object) -> None:
    assert parse_extensions(extensions(text)) == expected


@pytest.mark.parametrize(
    "text", [b";", b"a;", b"a;;b", b"a=1", b'a; b="', b'a; b=""', b'a; b="c d"', b"a; b=", b"a; \xa0b", b"a b; c"]
)
def test_extensions_that_break_the_grammar_are_refused(text: bytes) -> None:
    with pytest.raises(HandshakeError, match="cannot be read"):
        parse_extensions(extensions(text))


@given(text=st.text(alphabet='ab;,=" \t\\\x00\u00e9', max_size=40))
def test_any_extension_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = parse_extensions(extensions(text.encode("latin-1")))
    except HandshakeError:
        return
    assert all(name and '"' not in name for name, _ in parsed)


def test_a_parameter_that_is_there_twice_declines_the_offer_and_not_the_connection() -> None:
    twice = b"permessage-deflate; server_no_context_takeover; server_no_context_takeover"
    assert agree(read_offer(request(sec_websocket_extensions=twice)).deflate_offers, DeflateOptions()) is None
    assert agree(
        read_offer(request(sec_websocket_extensions=twice + b", permessage-deflate")).deflate_offers, DeflateOptions()
    )


# The client's side


def test_a_good_answer_is_an_agreement() -> None:
    assert read_answer(answer(), KEY) == Agreement()
    chosen = answer(
        sec_websocket_protocol=b"b", sec_websocket_extensions=b"permessage-deflate; server_max_window_bits=10"
    )
    expected = Agreement("b", DeflateOptions(server_max_window_bits=10))
    assert read_answer(chosen, KEY, subprotocols=["a", "b"], deflate_offer=DeflateOptions()) == expected


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (answer(status=200), "answered 200"),
        (answer(upgrade=None), "Upgrade"),
        (answer(upgrade=b"h2c"), "Upgrade"),
        (answer(connection=b"close"), "Upgrade"),
        (answer(sec_websocket_accept=None), "Accept"),
        (answer(sec_websocket_accept=b"x"), "Accept"),
        (answer((b"sec-websocket-accept", ANSWER[b"sec-websocket-accept"])), "Accept"),
        (answer(sec_websocket_protocol=b"c"), "not offered: c"),
        (answer((b"sec-websocket-protocol", b"a"), sec_websocket_protocol=b"a"), "not offered"),
        (answer(sec_websocket_extensions=b"foo"), "not offered: foo"),
        (answer(sec_websocket_extensions=b"permessage-deflate, permessage-deflate"), "not offered"),
        (answer(sec_websocket_extensions=b"permessage-deflate; x"), "no parameter x"),
        (answer(sec_websocket_extensions=b"permessage-deflate; client_max_window_bits"), "needs a value"),
    ],
)
def test_a_bad_answer_is_refused(head: Head, words: str) -> None:
    with pytest.raises(HandshakeError, match=words):
        read_answer(head, KEY, subprotocols=["a"], deflate_offer=DeflateOptions())


def test_compression_that_was_not_offered_is_refused() -> None:
    with pytest.raises(HandshakeError, match="not offered"):
        read_answer(answer(sec_websocket_extensions=b"permessage-deflate"), KEY)


@given(key=st.binary(min_size=16, max_size=16), names=st.lists(st.sampled_from("abc"), unique=True))
def test_our_client_and_our_server_understand_each_other(key: bytes, names: list[str]) -> None:
    text = b64encode(key).decode()
    asked = encode_request(
        "example:80", "/x?y", text, subprotocols=names, deflate_offer=DeflateOptions(), fields=[(b"Origin", b"o")]
    )
    offer = read_offer(parse_request(asked))
    assert offer.subprotocols == tuple(names)
    options, extension = agree(offer.deflate_offers, DeflateOptions()) or (None, None)
    chosen = names[0] if names else None
    agreement = read_answer(
        parse_response(encode_accept(offer, chosen, extension)),
        text,
        subprotocols=names,
        deflate_offer=DeflateOptions(),
    )
    assert agreement == Agreement(chosen, options)


def test_the_websockets_library_accepts_our_request_and_we_its_answer() -> None:
    server = ServerProtocol(
        extensions=[ServerPerMessageDeflateFactory(server_max_window_bits=11)], subprotocols=[Subprotocol("chat")]
    )
    offer = DeflateOptions(client_max_window_bits=12)
    server.receive_data(encode_request("example", "/", KEY, subprotocols=["chat"], deflate_offer=offer))
    (asked,) = server.events_received()
    server.send_response(server.accept(asked))  # type: ignore[arg-type]
    head = parse_response(b"".join(server.data_to_send()))
    agreed = read_answer(head, KEY, subprotocols=["chat"], deflate_offer=offer)
    assert agreed == Agreement("chat", DeflateOptions(11, 12))


def test_we_accept_the_request_of_the_websockets_library_and_it_our_answer() -> None:
    factory = ClientPerMessageDeflateFactory(client_max_window_bits=True, server_no_context_takeover=True)
    client = ClientProtocol(parse_uri("ws://example/"), extensions=[factory], subprotocols=[Subprotocol("chat")])
    client.send_request(client.connect())
    offer = read_offer(parse_request(b"".join(client.data_to_send())))
    _, extension = agree(offer.deflate_offers, DeflateOptions(10, 12)) or (None, None)
    client.receive_data(encode_accept(offer, "chat", extension))
    assert client.handshake_exc is None
    assert (client.state.name, client.subprotocol) == ("OPEN", "chat")
    assert str(client.extensions[0]).count("10") == 1
