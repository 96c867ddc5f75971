"""Close codes, close reasons and header fields: what may be sent, and what may not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil.websocket.limits import MAX_REASON_BYTES, check_close, checked_headers, fitting_reason

SENDABLE = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4403, 4999]
FORBIDDEN = [-1, 0, 200, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_536]


@pytest.mark.parametrize("code", SENDABLE)
def test_a_code_of_the_protocol_or_of_the_app_may_be_sent(code: int) -> None:
    check_close(code, "é" * 61)


@pytest.mark.parametrize("code", FORBIDDEN)
def test_a_reserved_code_is_refused_with_those_that_may_be_sent(code: int) -> None:
    with pytest.raises(ValueError, match=rf"{code} is no close code.*3000-4999"):
        check_close(code, "")


def test_a_reason_is_measured_in_bytes_not_in_characters() -> None:
    check_close(1000, "x" * 123)
    with pytest.raises(ValueError, match=r"at most 123 bytes .* not 124"):
        check_close(1000, "é" * 62)


@given(st.text())
def test_a_fitting_reason_is_the_beginning_of_the_text_and_can_always_be_sent(text: str) -> None:
    reason = fitting_reason(text)
    check_close(1000, reason)
    assert text.encode(errors="replace").decode().startswith(reason)
    assert len(reason.encode()) > MAX_REASON_BYTES - 4 or reason.encode() == text.encode(errors="replace")


@pytest.mark.parametrize("bad", [b"a\r\nset-cookie: x=1", b"a\nb", b"a\rb", b"a\0"])
def test_a_header_cannot_begin_a_new_line(bad: bytes) -> None:
    with pytest.raises(ValueError, match="line break or a NUL"):
        checked_headers([(b"x", bad)])
    with pytest.raises(ValueError, match="line break or a NUL"):
        checked_headers([(bad, b"x")])


@pytest.mark.parametrize("pair", [("x", b"y"), (b"x", "y")])
def test_a_header_of_text_is_refused_by_its_name(pair: Any) -> None:
    with pytest.raises(TypeError, match="pair of bytes"):
        checked_headers([pair])


def test_good_headers_are_kept_in_order() -> None:
    fields = [(b"x", b"1"), (b"x", b"2"), (b"y", b"\xe9")]
    assert checked_headers(iter(fields)) == fields
