"""What a test reads when the app does not do what it waits for."""

import pytest

from lihil.errors import LihilError, WebSocketDisconnect
from lihil.testing import AppTimeout, HandshakeRefused, LifespanError, ReceiveTimeout


def test_a_refused_handshake_is_caught_where_tests_expect_a_disconnect() -> None:
    with pytest.raises(WebSocketDisconnect) as caught:
        raise HandshakeRefused(403)
    assert (caught.value.code, caught.value.reason) == (1006, "")


def test_a_refusal_carries_the_whole_response() -> None:
    refused = HandshakeRefused(422, [(b"Content-Type", b"application/problem+json")], b'{"title": "\xd0\x94"}')
    assert refused.status == 422
    assert refused.headers["CONTENT-TYPE"] == "application/problem+json"
    assert refused.body == b'{"title": "\xd0\x94"}'
    assert refused.text == '{"title": "Д"}'
    assert refused.json() == {"title": "Д"}


@pytest.mark.parametrize(
    ("refused", "text"),
    [
        (HandshakeRefused(404), "handshake refused: 404 Not Found"),
        (
            HandshakeRefused(401, (), b"no \x1b[31mtoken"),
            "handshake refused: 401 Unauthorized, body 'no \\x1b[31mtoken'",
        ),
        (HandshakeRefused(403, note="closed with 4401"), "handshake refused: 403 Forbidden (closed with 4401)"),
        (HandshakeRefused(599), "handshake refused: 599"),
    ],
)
def test_a_refusal_says_its_status_and_its_body(refused: HandshakeRefused, text: str) -> None:
    assert str(refused) == text


def test_a_long_body_is_cut_in_the_text_alone() -> None:
    refused = HandshakeRefused(500, (), b"x" * 5000)
    assert str(refused).endswith("... (5000 characters)")
    assert len(str(refused)) < 300
    assert len(refused.text) == 5000


@pytest.mark.parametrize(
    ("error", "caught_as"),
    [(ReceiveTimeout, AppTimeout), (AppTimeout, TimeoutError), (AppTimeout, LihilError), (LifespanError, LihilError)],
)
def test_each_error_is_caught_by_its_wider_kind(error: type[Exception], caught_as: type[Exception]) -> None:
    with pytest.raises(caught_as, match="why"):
        raise error("why")
