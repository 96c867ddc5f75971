"""permessage-deflate: negotiation and the two directions."""

import os
import tracemalloc
import zlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455.deflate import (
    Deflate,
    DeflateOptions,
    OfferError,
    Parameters,
    TooBigError,
    accepted_by_server,
    agree,
    offer_of,
)

BITS = range(8, 16)
OPTIONS = st.builds(DeflateOptions, st.sampled_from(BITS), st.sampled_from(BITS), st.booleans(), st.booleans())
LARGE = 1 << 20


def pair(options: DeflateOptions) -> tuple[Deflate, Deflate]:
    return Deflate(options, is_server=True), Deflate(options, is_server=False)


def parameters(text: str) -> Parameters:
    """`name=value` separated by spaces."""
    parts = [part.partition("=") for part in text.split()]
    return [(name, value if equals else None) for name, equals, value in parts]


def raw(*messages: bytes, final: bool = False) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    data = b"".join(compressor.compress(message) for message in messages)
    return data + (compressor.flush(zlib.Z_FINISH) if final else compressor.flush(zlib.Z_SYNC_FLUSH)[:-4])


# Negotiation: the server


@pytest.mark.parametrize(
    ("offer", "wanted", "header"),
    [
        ("", DeflateOptions(), "permessage-deflate"),
        ("client_max_window_bits", DeflateOptions(), "permessage-deflate"),
        (
            "client_max_window_bits",
            DeflateOptions(client_max_window_bits=10),
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            "client_max_window_bits=9",
            DeflateOptions(client_max_window_bits=10),
            "permessage-deflate; client_max_window_bits=9",
        ),
        ("", DeflateOptions(client_max_window_bits=10), "permessage-deflate"),
        ("", DeflateOptions(server_max_window_bits=12), "permessage-deflate; server_max_window_bits=12"),
        ("server_max_window_bits=8", DeflateOptions(), "permessage-deflate; server_max_window_bits=8"),
        ("server_max_window_bits=15", DeflateOptions(), "permessage-deflate; server_max_window_bits=15"),
        ("server_max_window_bits=15", DeflateOptions(11), "permessage-deflate; server_max_window_bits=11"),
        ("server_no_context_takeover", DeflateOptions(), "permessage-deflate; server_no_context_takeover"),
        ("client_no_context_takeover", DeflateOptions(), "permessage-deflate; client_no_context_takeover"),
        (
            "",
            DeflateOptions(server_no_context_takeover=True, client_no_context_takeover=True),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
    ],
)
def test_the_server_answers_an_offer_within_what_it_wants(offer: str, wanted: DeflateOptions, header: str) -> None:
    agreed = agree([parameters(offer)], wanted)
    assert agreed is not None
    assert agreed[1] == header


@pytest.mark.parametrize(
    "offer",
    [
        "unknown",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "client_max_window_bits=0",
        "client_max_window_bits=x",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "client_no_context_takeover client_no_context_takeover",
        "server_max_window_bits=10 server_max_window_bits=10",
    ],
)
def test_a_bad_offer_is_passed_over_and_the_next_one_taken(offer: str) -> None:
    assert agree([parameters(offer)], DeflateOptions()) is None
    good = parameters("server_max_window_bits=10")
    assert agree([parameters(offer), good], DeflateOptions()) == agree([good], DeflateOptions())


def test_without_an_offer_there_is_no_compression() -> None:
    assert agree([], DeflateOptions()) is None


# Negotiation: the client


@pytest.mark.parametrize(
    ("answer", "offered", "expected"),
    [
        ("", DeflateOptions(), DeflateOptions()),
        ("server_max_window_bits=9", DeflateOptions(), DeflateOptions(9)),
        ("client_max_window_bits=9", DeflateOptions(), DeflateOptions(client_max_window_bits=9)),
        ("", DeflateOptions(client_max_window_bits=9), DeflateOptions(client_max_window_bits=9)),
        ("server_max_window_bits=10", DeflateOptions(10), DeflateOptions(10)),
        ("server_no_context_takeover", DeflateOptions(), DeflateOptions(server_no_context_takeover=True)),
        ("client_no_context_takeover", DeflateOptions(), DeflateOptions(client_no_context_takeover=True)),
        ("", DeflateOptions(client_no_context_takeover=True), DeflateOptions(client_no_context_takeover=True)),
    ],
)
def test_the_client_takes_an_answer_to_its_offer(
    answer: str, offered: DeflateOptions, expected: DeflateOptions
) -> None:
    assert accepted_by_server(parameters(answer), offered) == expected


@pytest.mark.parametrize(
    ("answer", "offered"),
    [
        ("unknown", DeflateOptions()),
        ("client_max_window_bits", DeflateOptions()),
        ("client_max_window_bits=11", DeflateOptions(client_max_window_bits=10)),
        ("server_max_window_bits=11", DeflateOptions(10)),
        ("", DeflateOptions(10)),
        ("", DeflateOptions(server_no_context_takeover=True)),
        ("server_no_context_takeover server_no_context_takeover", DeflateOptions()),
        ("server_no_context_takeover=x", DeflateOptions()),
    ],
)
def test_the_client_refuses_an_answer_to_something_else(answer: str, offered: DeflateOptions) -> None:
    with pytest.raises(OfferError):
        accepted_by_server(parameters(answer), offered)


@given(offered=OPTIONS, wanted=OPTIONS)
def test_both_sides_understand_the_negotiation_alike(offered: DeflateOptions, wanted: DeflateOptions) -> None:
    agreed = agree([parameters(offer_of(offered).replace(";", "").removeprefix("permessage-deflate"))], wanted)
    assert agreed is not None
    answer = parameters(agreed[1].replace(";", "").removeprefix("permessage-deflate"))
    assert accepted_by_server(answer, offered).server_max_window_bits == agreed[0].server_max_window_bits
    assert accepted_by_server(answer, offered).server_no_context_takeover == agreed[0].server_no_context_takeover
    # The client may hold itself to less than the server allows it.
    assert accepted_by_server(answer, offered).client_max_window_bits <= agreed[0].client_max_window_bits


# Messages


@pytest.mark.parametrize(("bits", "alone"), list(product(BITS, [False, True])))
def test_messages_survive_every_window_with_and_without_context(bits: int, alone: bool) -> None:
    server, client = pair(DeflateOptions(bits, bits, alone, alone))
    messages = [b"", b"", b"a", b"hello " * 500, b"", os.urandom(5000), b"hello " * 500, bytes(70_000)]
    for sender, receiver in ((server, client), (client, server)):
        for message in messages:
            assert receiver.decompress(sender.compress(message), is_last=True, max_bytes=LARGE) == message


@pytest.mark.parametrize("bits", BITS)
def test_what_is_sent_stays_within_the_agreed_window(bits: int) -> None:
    server, _ = pair(DeflateOptions(server_max_window_bits=bits))
    message = (os.urandom(300) + bytes(200)) * 200
    reader = zlib.decompressobj(-bits)
    assert reader.decompress(server.compress(message) + b"\0\0\xff\xff") == message


def test_context_takeover_makes_a_repeated_message_smaller() -> None:
    message = os.urandom(1000)
    kept, alone = (
        Deflate(DeflateOptions(), is_server=True),
        Deflate(DeflateOptions(server_no_context_takeover=True), is_server=True),
    )
    assert len(kept.compress(message)) > 900 > 50 > len(kept.compress(message))
    assert alone.compress(message) == alone.compress(message)


def test_an_empty_message_is_one_byte() -> None:
    server, _ = pair(DeflateOptions())
    assert [server.compress(b"") for _ in range(3)] == [b"\0"] * 3  # RFC 7692, section 7.2.3.6


@pytest.mark.parametrize(
    "payload",
    [
        bytes.fromhex("f248cdc9c90700"),
        bytes.fromhex("000500faff48656c6c6f00"),
        bytes.fromhex("f348cdc9c90700"),
        bytes.fromhex("f248050000 00ffffcac9c90700"),
    ],
    ids=["one block", "no compression", "final block", "two blocks"],
)
def test_the_examples_of_the_rfc_are_read(payload: bytes) -> None:
    for sizes in (len(payload), 1):  # section 7.2.3, whole and byte by byte
        _, client = pair(DeflateOptions())
        starts = range(0, len(payload), sizes)
        read = [client.decompress(payload[at : at + sizes], is_last=at == starts[-1], max_bytes=5) for at in starts]
        assert b"".join(read) == b"Hello"


@pytest.mark.parametrize("padding", [b"\0", b""])
def test_messages_go_on_behind_a_final_block(padding: bytes) -> None:
    _, client = pair(DeflateOptions())
    for message in (b"first", b"second"):
        assert client.decompress(raw(message, final=True) + padding, is_last=True, max_bytes=100) == message
    assert client.decompress(raw(b"third"), is_last=True, max_bytes=100) == b"third"


def test_several_final_blocks_in_one_message_are_read_up_to_a_bound() -> None:
    _, client = pair(DeflateOptions())
    assert client.decompress(raw(b"ab", final=True) * 8, is_last=True, max_bytes=16) == b"ab" * 8
    with pytest.raises(ValueError, match="final blocks"):
        client.decompress(b"\x03\x00" * 1000, is_last=False, max_bytes=16)


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_a_message_may_reach_the_limit(size: int) -> None:
    _, client = pair(DeflateOptions())
    assert client.decompress(raw(bytes(size)), is_last=True, max_bytes=1000) == bytes(size)
    assert client.decompress(raw(b"next"), is_last=True, max_bytes=1000) == b"next"


@pytest.mark.parametrize("final", [False, True])
def test_a_message_beyond_the_limit_is_refused(final: bool) -> None:
    _, client = pair(DeflateOptions())
    with pytest.raises(TooBigError):
        client.decompress(raw(bytes(1001), final=final), is_last=True, max_bytes=1000)


def test_the_limit_holds_over_final_blocks() -> None:
    _, client = pair(DeflateOptions())
    with pytest.raises(TooBigError):
        client.decompress(raw(bytes(600), final=True) * 2, is_last=True, max_bytes=1000)


def test_a_bomb_is_not_inflated_beyond_the_limit() -> None:
    bomb = raw(bytes(64 * LARGE))
    _, client = pair(DeflateOptions())
    tracemalloc.start()
    try:
        with pytest.raises(TooBigError):
            client.decompress(bomb, is_last=True, max_bytes=LARGE)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGE
    finally:
        tracemalloc.stop()


def test_what_is_not_deflate_is_refused() -> None:
    _, client = pair(DeflateOptions())
    with pytest.raises(ValueError, match="not deflate"):
        client.decompress(b"\xff" * 20, is_last=True, max_bytes=1000)


def test_the_zlib_objects_are_made_when_they_are_needed() -> None:
    tracemalloc.start()
    try:
        kept = [pair(DeflateOptions()) for _ in range(100)]
        assert tracemalloc.get_traced_memory()[0] < 100 * 2048
        assert len(kept) == 100
    finally:
        tracemalloc.stop()
