"""A connection's messages and states, as its handler sees them."""

import pytest
from starlette.websockets import WebSocketState

from lihil import WebSocket, WebSocketDisconnect
from lihil.websocket.link import Phase
from tests.lihil.websocket.peer import Peer, app_of, run

States = tuple[WebSocketState, WebSocketState, Phase]


def states(ws: WebSocket) -> States:
    return ws.client_state, ws.application_state, ws.phase


def test_states_are_starlettes_from_connecting_to_disconnected() -> None:
    seen: list[States] = []

    async def handler(ws: WebSocket) -> None:
        seen.append(states(ws))
        assert await ws.receive() == {"type": "websocket.connect"}
        seen.append(states(ws))
        await ws.accept()
        seen.append(states(ws))
        await ws.close()
        seen.append(states(ws))
        await ws.receive()
        seen.append(states(ws))

    run(Peer(app_of(handler)).finish())
    connecting, connected, gone = WebSocketState.CONNECTING, WebSocketState.CONNECTED, WebSocketState.DISCONNECTED
    assert seen == [
        (connecting, connecting, Phase.CONNECTING),
        (connected, connecting, Phase.CONNECTING),
        (connected, connected, Phase.OPEN),
        (connected, gone, Phase.CLOSED),
        (gone, gone, Phase.CLOSED),
    ]


def test_a_refused_handshake_is_disconnected_on_our_side() -> None:
    seen: list[States] = []

    async def handler(ws: WebSocket) -> None:
        await ws.close()
        seen.append(states(ws))

    run(Peer(app_of(handler)).finish())
    assert seen == [(WebSocketState.CONNECTED, WebSocketState.DISCONNECTED, Phase.REFUSED)]


@pytest.mark.parametrize("left", [{"code": 4001, "reason": "bye"}, {"code": 1006, "reason": ""}])
def test_receive_gives_the_disconnect_once_and_raises_it_from_then_on(left: dict[str, object]) -> None:
    raised: list[WebSocketDisconnect] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        assert await ws.receive() == {"type": "websocket.disconnect", **left}
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                await ws.receive()
            raised.append(caught.value)

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        peer.leave(**left)  # type: ignore[arg-type]
        await peer.finish()

    run(main())
    assert [(exc.code, exc.reason) for exc in raised] == [(left["code"], left["reason"])] * 2
    assert raised[0] is not raised[1]


def test_send_to_a_peer_that_has_gone_raises_and_so_does_all_that_follows() -> None:
    seen: list[tuple[int, Phase]] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        for call in (ws.send_text("a"), ws.send_bytes(b"b"), ws.send_json(1), ws.receive_text()):
            with pytest.raises(WebSocketDisconnect) as caught:
                await call
            seen.append((caught.value.code, ws.phase))
        await ws.close()

    async def main() -> list[str]:
        peer = await Peer(app_of(handler)).opened()
        peer.text("now")
        peer.leave()
        return [message["type"] for message in await peer.finish()]

    assert run(main()) == ["websocket.accept"]
    assert seen == [(1006, Phase.CLOSED)] * 4


def test_a_client_that_leaves_before_the_handshake_is_answered_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def accepts(ws: WebSocket) -> None:
        await ws.accept()

    async def closes(ws: WebSocket) -> None:
        await ws.close()

    async def asks_first(ws: WebSocket) -> None:
        await ws.receive()
        await ws.receive()
        await ws.accept()

    async def main() -> None:
        peer = Peer(app_of(asks_first))
        peer.leave()
        assert await peer.finish() == []
        for handler in (accepts, closes):
            peer = Peer(app_of(handler))
            await peer.receive()  # the server sees the client go before the app has asked for anything
            peer.leave()
            assert await peer.finish() == []

    run(main())
    assert caplog.records == []
