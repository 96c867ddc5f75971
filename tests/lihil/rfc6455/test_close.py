"""Close codes and the payload of close frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.rfc6455.close import CloseCode, encode_close, may_be_sent, meaning_of, parse_close

SENDABLE = [code for code in range(5002) if may_be_sent(code)]


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999]
)
def test_a_registered_or_private_code_may_be_sent(code: int) -> None:
    assert may_be_sent(code)
    assert parse_close(encode_close(code)) == (code, "")


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_reserved_or_unassigned_code_is_refused_both_ways(code: int) -> None:
    assert not may_be_sent(code)
    with pytest.raises(ValueError, match=str(code)):
        encode_close(code, "why")
    with pytest.raises(ValueError, match=str(code)):
        parse_close(code.to_bytes(2, "big"))


def test_no_code_is_an_empty_payload() -> None:
    assert encode_close(1005) == b""
    assert parse_close(b"") == (1005, "")


def test_a_payload_of_one_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="one byte"):
        parse_close(b"\x03")


@pytest.mark.parametrize("reason", [b"\xff", b"\xed\xa0\x80", b"z\xc3"])
def test_a_reason_that_is_not_utf8_is_told_apart(reason: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        parse_close(b"\x03\xe8" + reason)


def test_a_reason_is_bounded_in_bytes_not_characters() -> None:
    assert len(encode_close(1000, "é" * 61)) == 124
    with pytest.raises(ValueError, match=r"at most 123 bytes .*, not 124"):
        encode_close(1000, "é" * 62)


@given(code=st.sampled_from(SENDABLE), reason=st.text(max_size=40).filter(lambda text: len(text.encode()) <= 123))
def test_what_is_encoded_is_parsed_back(code: int, reason: str) -> None:
    assert parse_close(encode_close(code, reason)) == (code, reason)


@given(payload=st.binary(max_size=125))
def test_what_is_parsed_is_encoded_back_and_everything_else_is_a_value_error(payload: bytes) -> None:
    try:
        code, reason = parse_close(payload)
    except ValueError:
        return
    assert encode_close(code, reason) == payload


@pytest.mark.parametrize("code", list(CloseCode))
def test_every_registered_code_has_its_own_words(code: CloseCode) -> None:
    assert [other for other in CloseCode if meaning_of(other) == meaning_of(code)] == [code]


@pytest.mark.parametrize(
    ("code", "words"), [(3001, "library"), (4001, "application"), (2000, "unassigned"), (5000, "unassigned")]
)
def test_other_codes_are_told_by_their_range(code: int, words: str) -> None:
    assert words in meaning_of(code)
