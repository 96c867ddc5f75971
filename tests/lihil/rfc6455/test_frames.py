"""Frames on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455 import frames
from lihil.rfc6455.frames import apply_mask, apply_mask_in_python, encode_frame

KEYS = st.binary(min_size=4, max_size=4)


@given(data=st.binary(max_size=300), key=KEYS)
def test_both_masks_agree_byte_by_byte_with_the_definition(data: bytes, key: bytes) -> None:
    expected = bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    assert apply_mask_in_python(data, key) == expected
    assert apply_mask(data, key) == expected


@given(data=st.binary(max_size=300), key=KEYS)
def test_masking_twice_gives_the_data_back(data: bytes, key: bytes) -> None:
    assert apply_mask_in_python(apply_mask_in_python(data, key), key) == data


def test_without_the_c_extension_masking_is_done_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "websockets.speedups", None)
    assert frames._fastest_mask() is apply_mask_in_python


@pytest.mark.parametrize(
    ("first", "payload", "key", "expected"),
    [  # the examples of RFC 6455, section 5.7
        (0x81, b"Hello", None, bytes.fromhex("810548656c6c6f")),
        (0x81, b"Hello", bytes.fromhex("37fa213d"), bytes.fromhex("818537fa213d7f9f4d5158")),
        (0x01, b"Hello"[:3], None, bytes.fromhex("010348656c")),
        (0x80, b"lo", None, bytes.fromhex("80026c6f")),
        (0x89, b"Hello", None, bytes.fromhex("890548656c6c6f")),
        (0x82, b"x" * 256, None, bytes.fromhex("827e0100") + b"x" * 256),
        (0x82, b"x" * 65536, None, bytes.fromhex("827f0000000000010000") + b"x" * 65536),
    ],
)
def test_a_frame_is_encoded_as_the_rfc_shows(first: int, payload: bytes, key: bytes | None, expected: bytes) -> None:
    assert encode_frame(first, payload, key) == expected


@pytest.mark.parametrize(("size", "header"), [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10)])
def test_a_length_takes_the_fewest_bytes(size: int, header: int) -> None:
    assert len(encode_frame(0x82, bytes(size))) == header + size
    assert len(encode_frame(0x82, bytes(size), b"abcd")) == header + 4 + size
