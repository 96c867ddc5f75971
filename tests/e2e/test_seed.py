"""The README's example runs as it is printed, and what it says of WebSockets beside HTTP holds."""

import re
from pathlib import Path
from typing import Annotated, Any

import pytest

from lihil import AsyncResource, HTTPException, Ignore, Lihil, Param, SetupError, Struct, WebSocket, WebSocketRoute, use
from lihil.vendors import HandshakeRefused, TestClient, WebSocketDisconnect

README = Path(__file__).resolve().parents[2] / "README.md"


def snippet() -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if "ws_factory" in block]
    return str(block)


@pytest.fixture
def seed() -> dict[str, Any]:
    """The names that the example leaves behind; its own assertions have held."""
    names: dict[str, Any] = {"__name__": "seed"}
    exec(snippet(), names)
    return names


def client_of(handler: Any, path: str = "ws") -> TestClient:
    route = WebSocketRoute(path)
    route.ws_handler(handler)
    return TestClient(Lihil(route))


def test_the_example_runs_as_printed_and_its_app_goes_on_serving(seed: dict[str, Any]) -> None:
    with TestClient(seed["lhl"]) as client:
        for _ in range(3):
            with client.websocket_connect("/web_socket/session123?max_users=5") as ws:
                assert ws.receive_text() == "Hello, world!"
                assert ws.receive() == {"type": "websocket.close", "code": 1000, "reason": ""}


def test_a_wrong_query_of_the_example_is_refused_by_name(seed: dict[str, Any]) -> None:
    with pytest.raises(HandshakeRefused) as refused, TestClient(seed["lhl"]).websocket_connect("/web_socket/s"):
        pass
    assert refused.value.status == 422
    assert [error["param"] for error in refused.value.json()["errors"]] == ["max_users"]


def test_the_examples_assertion_fails_as_1011_and_is_shown_to_the_test(seed: dict[str, Any]) -> None:
    client = TestClient(seed["lhl"])
    with pytest.raises(AssertionError), client.websocket_connect("/web_socket/other?max_users=5") as ws:
        assert ws.receive() == {"type": "websocket.close", "code": 1011, "reason": "Internal Server Error"}


def test_the_example_takes_a_handler_that_closes_by_itself(seed: dict[str, Any]) -> None:
    async def closes(ws: Annotated[WebSocket, use(seed["ws_factory"], reuse=False)]) -> None:
        await ws.close(4000, "done")

    with client_of(closes).websocket_connect("/ws") as ws:
        assert ws.receive() == {"type": "websocket.close", "code": 4000, "reason": "done"}


# Handlers must be async.


def test_a_sync_handler_is_refused_by_name_when_it_is_registered() -> None:
    def sync_handler(ws: WebSocket) -> None: ...

    with pytest.raises(SetupError, match=r"test_seed.py:\d+: sync_handler: .*must be async"):
        client_of(sync_handler)


# There is no body.


class Payload(Struct):
    text: str


def test_a_body_parameter_is_a_set_up_error_that_names_it() -> None:
    async def by_type(ws: WebSocket, payload: Payload) -> None: ...

    async def by_mark(ws: WebSocket, data: Annotated[str, Param("body")]) -> None: ...

    for handler, name in ((by_type, "payload"), (by_mark, "data")):
        with pytest.raises(SetupError, match=rf"{name}\)?: a WebSocket handshake has no body"), client_of(handler):
            pass


# State belongs to a connection.


def test_two_connections_share_neither_state_nor_resources() -> None:
    class Counter:
        def __init__(self) -> None:
            self.value = 0

    async def counter() -> AsyncResource[Counter]:
        yield Counter()

    async def counting(ws: WebSocket, mine: Annotated[Counter, use(counter, reuse=True)]) -> None:
        await ws.accept()
        async for text in ws.iter_text():
            mine.value += 1
            ws.state.last = [*getattr(ws.state, "last", ()), text]
            await ws.send_json([mine.value, ws.state.last])

    client = client_of(counting)
    with client, client.websocket_connect("/ws") as one, client.websocket_connect("/ws") as two:
        for number, text in enumerate("abc", 1):
            one.send_text(text)
            assert one.receive_json() == [number, list("abc"[:number])]
        two.send_text("z")
        assert two.receive_json() == [1, ["z"]]


# First comes a handshake, which is HTTP.


def test_the_handshake_is_read_before_accept_and_may_be_refused_with_a_status() -> None:
    async def guarded(ws: WebSocket, token: Annotated[str, Param("cookie")]) -> None:
        if ws.headers["x-client"] != "app" or ws.query_params["v"] != "2" or token != "open sesame":
            raise HTTPException(401, "who are you?", headers={"WWW-Authenticate": "Bearer"})
        await ws.accept()
        await ws.send_text("come in")

    client = client_of(guarded)
    headers = {"x-client": "app"}
    with client.websocket_connect("/ws?v=2", headers=headers, cookies={"token": '"open sesame"'}) as ws:
        assert ws.receive_text() == "come in"
    with (
        pytest.raises(HandshakeRefused) as refused,
        client.websocket_connect("/ws?v=1", headers=headers, cookies={"token": "x"}),
    ):
        pass
    assert (refused.value.status, refused.value.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.value.json()["detail"] == "who are you?"


# Afterwards there are no status codes and no headers.


def test_after_accept_a_status_becomes_a_close_code() -> None:
    async def accepted(ws: Ignore[WebSocket]) -> Ignore[AsyncResource[WebSocket]]:
        await ws.accept()
        yield ws

    async def too_late(ws: Annotated[WebSocket, use(accepted)]) -> None:
        raise HTTPException(404, "no such room", headers={"X-Never": "sent"})

    with client_of(too_late).websocket_connect("/ws") as ws:
        with pytest.raises(WebSocketDisconnect) as closed:
            ws.receive_text()
        assert (closed.value.code, closed.value.reason) == (4404, "Not Found")
        assert "x-never" not in ws.response_headers
