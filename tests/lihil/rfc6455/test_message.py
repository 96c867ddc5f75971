"""The message that is being received, and the quick way for one that comes alone."""

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455.deflate import Deflate, DeflateOptions
from lihil.rfc6455.events import ProtocolError
from lihil.rfc6455.frames import BINARY, CONTINUATION, FIN, RSV1, TEXT, encode_frame
from lihil.rfc6455.message import IncomingMessage, decoded, only_masked_message, only_plain_message

KEY = b"\x01\x02\x03\x04"
SIZES = [0, 1, 125, 126, 127, 65_535, 65_536]


def incoming(max_bytes: int = 1000, max_fragments: int = 10, *, is_compressed: bool = False) -> IncomingMessage:
    deflate = Deflate(DeflateOptions(), is_server=True) if is_compressed else None
    return IncomingMessage(max_bytes=max_bytes, max_fragments=max_fragments, deflate=deflate)


def compressed(message: bytes) -> bytes:
    return Deflate(DeflateOptions(), is_server=False).compress(message)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_large_message_is_never_there_twice(opcode: int) -> None:
    size, piece = 72 * 2**20, b"x" * 2**18
    message = incoming(size)
    message.begin_frame(FIN | opcode, size)
    tracer = sys.gettrace()
    sys.settrace(None)  # a text that is traced does not grow in place
    tracemalloc.start()
    try:
        whole = [message.add(piece, is_last=at == size // 2**18 - 1) for at in range(size // 2**18)][-1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        sys.settrace(tracer)
    assert whole == ("x" * size if opcode == TEXT else b"x" * size)
    assert peak < 1.9 * size


def test_a_character_across_blocks_is_one_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lihil.rfc6455.message._BLOCK_BYTES", 1)
    text = "a\u00e9\u2603\U0001f600"
    message = incoming()
    message.begin_frame(FIN | TEXT, len(text.encode()))
    parts = [bytes([byte]) for byte in text.encode()]
    assert [message.add(part, is_last=at == len(parts) - 1) for at, part in enumerate(parts)][-1] == text
    message.begin_frame(FIN | BINARY, 3)
    assert [message.add(part, is_last=part == b"c") for part in (b"a", b"b", b"c")][-1] == b"abc"
    message.begin_frame(FIN | TEXT, 2)
    assert [message.add(part, is_last=False) for part in (b"a", b"\xc3")] == [None, None]
    with pytest.raises(ProtocolError):
        message.add(b"", is_last=True)


# The quick way


@pytest.mark.parametrize("size", SIZES)
def test_a_read_that_is_one_message_is_taken_as_a_whole(size: int) -> None:
    binary, text = bytes(size), "x" * size
    is_quick = size < 65_536
    assert only_masked_message(encode_frame(FIN | BINARY, binary, KEY)) == (binary if is_quick else None)
    assert only_masked_message(encode_frame(FIN | TEXT, text.encode(), KEY)) == (text if is_quick else None)
    assert only_plain_message(encode_frame(FIN | BINARY, binary)) == (binary if is_quick else None)
    assert only_plain_message(encode_frame(FIN | TEXT, text.encode())) == (text if is_quick else None)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 300])
@pytest.mark.parametrize("first", [FIN | TEXT, FIN | BINARY])
def test_anything_but_one_whole_message_is_left_to_the_general_way(size: int, first: int) -> None:
    for take, key in ((only_masked_message, KEY), (only_plain_message, None)):
        frame = encode_frame(first, b"x" * size, key)
        others = [encode_frame(other, b"x" * size, key) for other in (TEXT, FIN, first | RSV1, 0x88, 0x89, 0x8A, 0x83)]
        cut = [frame[:at] for at in range(len(frame))]
        assert {take(read) for read in (*others, *cut, frame + b"x", frame + frame)} == {None}
    assert only_masked_message(encode_frame(first, b"x" * size)) is None
    assert only_plain_message(encode_frame(first, b"x" * size, KEY)) is None


@pytest.mark.parametrize("size", [0, 125])
def test_a_length_in_more_bytes_than_it_needs_is_left_to_the_general_way(size: int) -> None:
    assert only_masked_message(bytes((0x82, 0xFE, 0, size)) + KEY + bytes(size)) is None
    assert only_plain_message(bytes((0x82, 0x7E, 0, size)) + bytes(size)) is None


def test_text_that_is_not_utf8_is_left_to_the_general_way() -> None:
    assert only_masked_message(encode_frame(FIN | TEXT, b"\xff", KEY)) is None
    assert only_plain_message(encode_frame(FIN | TEXT, b"\xff")) is None


# UTF-8


@given(text=st.text(max_size=30), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_text_may_be_cut_inside_a_character(text: str, cuts: list[int]) -> None:
    payload = text.encode()
    message = incoming()
    message.begin_frame(TEXT, len(payload))
    places = sorted(min(cut, len(payload)) for cut in cuts)
    for start, stop in zip([0, *places], places, strict=False):
        assert message.add(payload[start:stop], is_last=False) is None
    assert message.add(payload[places[-1] if places else 0 :], is_last=True) == text


def can_go_on(prefix: bytes) -> bool:
    """Whether some valid text begins so, by trying what may complete a character."""
    tails = (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf", b"\x80\x80\x80", b"\x90\x80\x80", b"\xa0\x80")
    return any((prefix + tail).decode(errors="ignore").encode() == prefix + tail for tail in tails)


@given(payload=st.one_of(st.binary(max_size=4), st.binary(max_size=3).map(lambda tail: b"\xed" + tail)))
def test_text_fails_at_the_first_byte_that_no_text_goes_on_from(payload: bytes) -> None:
    message = incoming()
    message.begin_frame(TEXT, len(payload))
    for end in range(1, len(payload) + 1):
        if can_go_on(payload[:end]):
            assert message.add(payload[end - 1 : end], is_last=False) is None
            continue
        with pytest.raises(ProtocolError) as caught:
            message.add(payload[end - 1 : end], is_last=False)
        assert caught.value.code == 1007
        return


def test_text_that_ends_inside_a_character_fails() -> None:
    message = incoming()
    message.begin_frame(FIN | TEXT, 2)
    message.add(b"a", is_last=False)
    with pytest.raises(ProtocolError, match="UTF-8"):
        message.add(b"\xc3", is_last=True)


def test_decoding_says_what_is_wrong() -> None:
    assert decoded(b"z\xc3\xa9") == "zé"
    with pytest.raises(ProtocolError, match="UTF-8"):
        decoded(b"\xff")


# Sizes


@pytest.mark.parametrize("is_compressed", [False, True])
def test_one_message_follows_another(is_compressed: bool) -> None:
    message = incoming(is_compressed=is_compressed)
    for payload in (b"a" * 1000, b"", b"b" * 1000):
        message.begin_frame(BINARY, 600)
        assert message.add(payload[:600], is_last=False) is None
        message.begin_frame(FIN | CONTINUATION, 400)
        assert message.add(payload[600:], is_last=True) == payload
        assert (message.opcode, message.size) == (CONTINUATION, len(payload))


def test_a_size_is_refused_before_its_payload_has_come() -> None:
    message = incoming(max_bytes=1000)
    with pytest.raises(ProtocolError, match="1000 bytes") as caught:
        message.begin_frame(FIN | BINARY, 1001)
    assert caught.value.code == 1009
    message = incoming(max_bytes=1000)
    message.begin_frame(BINARY, 600)
    message.add(bytes(600), is_last=False)
    with pytest.raises(ProtocolError, match="1000 bytes"):
        message.begin_frame(CONTINUATION, 401)


def test_the_number_of_fragments_is_bounded() -> None:
    message = incoming(max_fragments=3)
    for first in (TEXT, CONTINUATION, CONTINUATION):
        message.begin_frame(first, 0)
        message.add(b"", is_last=False)
    with pytest.raises(ProtocolError, match="3 fragments"):
        message.begin_frame(CONTINUATION, 0)


def test_a_payload_that_drips_in_costs_its_size_in_memory() -> None:
    size = 200_000
    message = incoming(max_bytes=size)
    message.begin_frame(FIN | BINARY, size)
    tracemalloc.start()
    try:
        for _ in range(size // 2 - 1):
            message.add(b"\x01\x02", is_last=False)
        assert tracemalloc.get_traced_memory()[0] < 2 * size
    finally:
        tracemalloc.stop()


# Compression


@pytest.mark.parametrize("payload", [b"", b"text", b"\xc3\xa9" * 400])
def test_a_compressed_message_is_inflated_whole_and_in_parts(payload: bytes) -> None:
    wire = compressed(payload)
    message = incoming(is_compressed=True)
    message.begin_frame(FIN | TEXT | RSV1, len(wire))
    assert message.add(wire, is_last=True) == payload.decode()
    message = incoming(is_compressed=True)
    message.begin_frame(FIN | TEXT | RSV1, len(wire))
    for at in range(len(wire) - 1):
        assert message.add(wire[at : at + 1], is_last=False) is None
    assert message.add(wire[-1:], is_last=True) == payload.decode()


def test_a_compressed_message_without_any_byte_is_empty_and_the_next_one_whole() -> None:
    message = incoming(is_compressed=True)
    for payload, wire in ((b"", b""), (b"next", compressed(b"next"))):
        message.begin_frame(BINARY | RSV1, 0)
        message.add(b"", is_last=False)
        message.begin_frame(FIN | CONTINUATION, len(wire))
        assert message.add(wire, is_last=True) == payload


@pytest.mark.parametrize(
    ("payload", "code"), [(compressed(bytes(1001)), 1009), (b"\xff" * 9, 1007), (compressed(b"\xff"), 1007)]
)
def test_a_bad_compressed_message_fails(payload: bytes, code: int) -> None:
    message = incoming(is_compressed=True)
    message.begin_frame(FIN | TEXT | RSV1, len(payload))
    with pytest.raises(ProtocolError) as caught:
        message.add(payload, is_last=True)
    assert caught.value.code == code


def test_only_the_first_frame_of_a_message_may_be_marked_compressed() -> None:
    opcodes = (CONTINUATION, TEXT, BINARY, 0x8, 0x9, 0xA)
    allowed = [opcode for opcode in opcodes if incoming(is_compressed=True).may_be_compressed(opcode)]
    assert allowed == [TEXT, BINARY]
    assert not any(incoming().may_be_compressed(opcode) for opcode in opcodes)
