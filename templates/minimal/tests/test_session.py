"""What a client of the session's WebSocket sees."""

import pytest
from lihil.vendors import HandshakeRefused, TestClient

from lihil_starter.main import app


@pytest.fixture
def client() -> TestClient:
    return TestClient(app)


def test_a_client_is_greeted(client: TestClient) -> None:
    with client.websocket_connect("/web_socket/session123?max_users=5") as websocket:
        assert websocket.receive_text() == "Hello, world!"


def test_a_number_that_is_none_is_refused_with_its_reason(client: TestClient) -> None:
    with (
        pytest.raises(HandshakeRefused) as refused,
        client.websocket_connect("/web_socket/session123?max_users=abc"),
    ):
        pass
    assert refused.value.status == 422
    (issue,) = refused.value.json()["errors"]
    assert (issue["location"], issue["param"]) == ("query", "max_users")
    assert "int" in issue["message"]


def test_a_missing_number_is_refused_with_its_name(client: TestClient) -> None:
    with (
        pytest.raises(HandshakeRefused) as refused,
        client.websocket_connect("/web_socket/session123"),
    ):
        pass
    assert refused.value.status == 422
    (issue,) = refused.value.json()["errors"]
    assert (issue["location"], issue["param"]) == ("query", "max_users")
