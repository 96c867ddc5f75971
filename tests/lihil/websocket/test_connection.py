"""`WebSocket`: every method and property a handler may use, and every wrong order of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse

from lihil import HTTPException, Lihil, WebSocket, WebSocketDisconnect
from lihil.asgi import Message
from lihil.errors import WebSocketStateError
from tests.lihil.websocket.peer import Peer, app_of, kinds, run, texts

Use = Callable[[WebSocket], Awaitable[Any]]


def talk(handler: Use, *incoming: str | bytes, **options: Any) -> list[Message]:
    """Run a handler against a client that sends `incoming` and leaves; all that was sent to it."""

    async def endpoint(ws: WebSocket) -> None:
        await handler(ws)

    async def main() -> list[Message]:
        peer = Peer(app_of(endpoint), **options)
        for data in incoming:
            peer.text(data) if isinstance(data, str) else peer.binary(data)
        return await peer.finish()

    return run(main())


def test_accept_answers_with_a_subprotocol_and_headers() -> None:
    async def handler(ws: WebSocket) -> None:
        assert ws.subprotocols == ["chat.v2", "chat"]
        await ws.accept("chat", headers=[(b"x-one", b"1"), (b"x-one", b"2")])

    sent = talk(handler, subprotocols=["chat.v2", "chat"])
    accept = {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x-one", b"1"), (b"x-one", b"2")]}
    assert sent == [accept, {"type": "websocket.close", "code": 1000, "reason": ""}]


def test_a_server_need_not_tell_of_subprotocols() -> None:
    async def handler(ws: WebSocket) -> None:
        assert ws.subprotocols == []

    assert kinds(talk(handler)) == ["close"]


@pytest.mark.parametrize("headers", [[(b"x", b"a\r\nset-cookie: s=1")], [("x", "y")]])
def test_a_header_that_would_break_the_answer_is_a_500_and_never_sent(headers: Any) -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept(headers=headers)

    sent = talk(handler)
    assert [sent[0]["type"], sent[0]["status"]] == ["websocket.http.response.start", 500]


def test_text_bytes_and_json_are_received_from_either_kind_of_message() -> None:
    got: list[Any] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        got.extend([await ws.receive_text(), await ws.receive_text()])
        got.extend([await ws.receive_bytes(), await ws.receive_bytes()])
        got.extend([await ws.receive_json(), await ws.receive_json("binary"), await ws.receive_json(mode="text")])

    talk(handler, "a", "é".encode(), b"b", "é", "[1]", b"[2]", b"[3]")
    assert got == ["a", "é", b"b", "é".encode(), [1], [2], [3]]


def test_text_bytes_and_json_are_sent_in_the_kind_that_was_asked_for() -> None:
    class Point(msgspec.Struct):
        x: int

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text("")
        for data in (b"b", bytearray(b"c"), memoryview(b"d")):
            await ws.send_bytes(data)
        await ws.send_json({"é": Point(1)})
        await ws.send_json(None, mode="binary")
        await ws.send({"type": "websocket.send", "text": "raw"})
        await ws.send({"type": "websocket.close", "code": 4001, "reason": "raw"})

    sent = talk(handler)[1:]
    assert [message.get("text") for message in sent if "text" in message] == ["", '{"é":{"x":1}}', "raw"]
    assert [bytes(message["bytes"]) for message in sent if "bytes" in message] == [b"b", b"c", b"d", b"null"]
    assert sent[-1] == {"type": "websocket.close", "code": 4001, "reason": "raw"}


def test_raw_accept_and_raw_receive_work_as_in_starlette() -> None:
    got: list[Message] = []

    async def handler(ws: WebSocket) -> None:
        got.append(await ws.receive())
        await ws.send({"type": "websocket.accept", "subprotocol": "chat"})
        got.append(await ws.receive())

    assert talk(handler, "x")[0] == {"type": "websocket.accept", "subprotocol": "chat", "headers": []}
    assert got == [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}]


@pytest.mark.parametrize(
    ("name", "incoming", "expected"),
    [
        ("iter_text", ["a", b"b"], ["a", "b"]),
        ("iter_bytes", ["a", b"b"], [b"a", b"b"]),
        ("iter_json", ["1", b"[2]"], [1, [2]]),
    ],
)
def test_iteration_gives_every_message_and_ends_when_the_peer_goes(
    name: str, incoming: list[str | bytes], expected: list[Any]
) -> None:
    got: list[Any] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        got.extend([item async for item in getattr(ws, name)()])
        got.append("after")

    async def main() -> None:
        peer = await Peer(app_of(handler)).opened()
        for data in incoming:
            peer.text(data) if isinstance(data, str) else peer.binary(data)
        peer.leave()
        await peer.finish()

    run(main())
    assert got == [*expected, "after"]


def test_what_came_with_the_handshake_can_be_read_before_accept() -> None:
    seen: dict[str, Any] = {}

    async def handler(ws: WebSocket, room: int) -> None:
        seen.update(
            url=str(ws.url),
            header=ws.headers["X-Token"],
            query=ws.query_params.getlist("tag"),
            path=ws.path_params,
            cookie=ws.cookies["session"],
            state=ws.state.started_with,
            client=tuple(ws.client or ()),
            is_app=isinstance(ws.app, Lihil),
            scheme=ws["scheme"],
        )

    async def main() -> None:
        headers = [(b"host", b"example.com"), (b"x-token", b"t"), (b"cookie", b"session=s1")]
        app = app_of(handler, "rooms/{room:int}")
        scope: dict[str, Any] = {"path": "/rooms/7", "query": "tag=a&tag=b", "state": {"started_with": "it"}}
        await Peer(app, headers=headers, **scope).finish()

    run(main())
    assert seen == {
        "url": "ws://example.com/rooms/7?tag=a&tag=b",
        "header": "t",
        "query": ["a", "b"],
        "path": {"room": 7},
        "cookie": "s1",
        "state": "it",
        "client": ("192.0.2.7", 4711),
        "is_app": True,
        "scheme": "ws",
    }


async def opened(ws: WebSocket) -> None:
    await ws.accept()


async def closed(ws: WebSocket) -> None:
    await ws.accept()
    await ws.close()


async def refused(ws: WebSocket) -> None:
    await ws.close()


async def nothing(ws: WebSocket) -> None:
    return


DENIAL_BODY = {"type": "websocket.http.response.body"}


@pytest.mark.parametrize(
    ("before", "use", "words"),
    [
        (nothing, lambda ws: ws.send_text("x"), r"send_text\(\) comes after the handshake; call `await ws.accept\(\)`"),
        (nothing, lambda ws: ws.send_bytes(b"x"), r"send_bytes\(\) .*accept"),
        (nothing, lambda ws: ws.send_json(1), r"send_text\(\) .*accept"),
        (nothing, lambda ws: ws.send({"type": "websocket.send", "text": "x"}), r"send\(\) .*accept"),
        (nothing, lambda ws: ws.receive_text(), r"nothing can be received .* call `await ws.accept\(\)` first"),
        (nothing, lambda ws: ws.receive_bytes(), "nothing can be received"),
        (nothing, lambda ws: ws.receive_json(), "nothing can be received"),
        (nothing, lambda ws: ws.send(DENIAL_BODY), "comes after websocket.http.response.start"),
        (opened, lambda ws: ws.accept(), "accept answers the handshake, once; this WebSocket is open"),
        (opened, lambda ws: ws.send_denial_response(Response()), "send_denial_response answers .* is open"),
        (opened, lambda ws: ws.send({"type": "websocket.http.response.start", "status": 403}), "denial .* open"),
        (closed, lambda ws: ws.accept(), "accept answers the handshake, once; this WebSocket is closed"),
        (closed, lambda ws: ws.send_text("x"), r"send_text\(\) on a WebSocket that is closed"),
        (closed, lambda ws: ws.send_bytes(b"x"), r"send_bytes\(\) on a WebSocket that is closed"),
        (refused, lambda ws: ws.accept(), "this WebSocket is refused"),
        (refused, lambda ws: ws.send_text("x"), r"send_text\(\) on a WebSocket that is refused"),
        (refused, lambda ws: ws.send_denial_response(Response()), "this WebSocket is refused"),
    ],
)
def test_a_call_in_the_wrong_order_says_which_and_what_to_do(before: Use, use: Use, words: str) -> None:
    async def handler(ws: WebSocket) -> None:
        await before(ws)
        with pytest.raises(WebSocketStateError, match=words):
            await use(ws)

    assert kinds(talk(handler))[-1] == "close"


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda ws: ws.send_text(b"x"), TypeError, r"takes str, not bytes; use send_bytes\(\)"),
        (lambda ws: ws.send_text({"a": 1}), TypeError, r"takes str, not dict; .*send_json\(\)"),
        (lambda ws: ws.send_bytes("x"), TypeError, r"takes bytes, not str; use send_text\(\)"),
        (lambda ws: ws.send_json(1, mode="bytes"), ValueError, "mode is 'text' or 'binary', not 'bytes'"),
        (lambda ws: ws.receive_json(mode="bytes"), ValueError, "mode is 'text' or 'binary', not 'bytes'"),
        (lambda ws: ws.send_json(object()), NotImplementedError, "object cannot be written as JSON"),
        (lambda ws: ws.receive_json(), msgspec.DecodeError, "malformed"),
        (lambda ws: ws.close(1005), ValueError, "1005 is no close code"),
        (lambda ws: ws.close(4000, "x" * 124), ValueError, "at most 123 bytes"),
        (lambda ws: ws.send({"type": "http.disconnect"}), ValueError, "sends websocket.accept, .* not 'http.disc"),
    ],
)
def test_a_wrong_argument_is_named_and_leaves_the_connection_open(use: Use, error: type[Exception], words: str) -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(error, match=words):
            await use(ws)
        await ws.send_text("still open")

    assert texts(talk(handler, "no json")) == ["still open"]


@pytest.mark.parametrize(("before", "ends"), [(opened, ["accept", "close"]), (nothing, ["close"])])
def test_closing_twice_is_harmless_and_the_first_code_counts(before: Use, ends: list[str]) -> None:
    async def handler(ws: WebSocket) -> None:
        await before(ws)
        await ws.close(4001, "first")
        await ws.close(4002, "second")
        await ws.close(9, "never looked at")

    sent = talk(handler)
    assert kinds(sent) == ends
    assert sent[-1] == {"type": "websocket.close", "code": 4001, "reason": "first"}


def test_closing_after_the_peer_has_gone_is_harmless() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(WebSocketDisconnect):
            await ws.receive_text()
        await ws.close()

    async def main() -> list[Message]:
        peer = await Peer(app_of(handler)).opened()
        peer.leave()
        return await peer.finish()

    assert kinds(run(main())) == ["accept"]


def test_a_close_that_finds_the_peer_gone_ends_quietly() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive_text()
        await ws.close()

    async def main() -> list[Message]:
        peer = await Peer(app_of(handler)).opened()
        peer.text("now")
        peer.leave()
        return await peer.finish()

    assert kinds(run(main())) == ["accept"]


async def chunks() -> Any:
    yield b"one,"
    yield b"two"


def whole(sent: list[Message]) -> tuple[int, bytes]:
    assert {message["type"].rpartition(".")[0] for message in sent} == {"websocket.http.response"}
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (PlainTextResponse("no", 403), (403, b"no")),
        (JSONResponse({"a": 1}, 418), (418, b'{"a":1}')),
        (StreamingResponse(chunks(), 503), (503, b"one,two")),
    ],
    ids=["text", "json", "stream"],
)
def test_a_handshake_is_refused_with_any_response(response: Response, expected: tuple[int, bytes]) -> None:
    ran: list[str] = []
    response.background = BackgroundTask(ran.append, "afterwards")
    response.headers["x-why"] = "because"

    async def handler(ws: WebSocket) -> None:
        await ws.send_denial_response(response)
        with pytest.raises(WebSocketStateError, match="not after its end"):
            await ws.send({"type": "websocket.http.response.body", "body": b"more"})

    sent = talk(handler)
    assert whole(sent) == expected
    assert (b"x-why", b"because") in sent[0]["headers"]
    assert ran == ["afterwards"]


def test_a_handshake_is_refused_with_a_file(tmp_path: Any) -> None:
    page = tmp_path / "refused.html"
    page.write_bytes(b"<p>no</p>")

    async def handler(ws: WebSocket) -> None:
        await ws.send_denial_response(FileResponse(page, 403))

    async def main() -> list[Message]:  # a thread reads the file, so the clock is a real one
        return await Peer(app_of(handler)).finish()

    assert whole(asyncio.run(main())) == (403, b"<p>no</p>")


def test_a_raw_denial_response_may_be_sent_in_parts() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.send({"type": "websocket.http.response.start", "status": 503})
        await ws.send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await ws.send({"type": "websocket.http.response.body", "body": b"b"})

    assert whole(talk(handler)) == (503, b"ab")


def test_without_the_extension_a_denial_response_is_a_close_and_its_task_still_runs() -> None:
    ran: list[str] = []

    async def handler(ws: WebSocket) -> None:
        await ws.send_denial_response(PlainTextResponse("no", 403, background=BackgroundTask(ran.append, "it")))

    async def quiet(ws: WebSocket) -> None:
        await ws.send_denial_response(PlainTextResponse("no", 403))

    for use in (handler, quiet):
        assert talk(use, extensions={}) == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert ran == ["it"]


@pytest.mark.parametrize("use", [lambda ws: ws.send_denial_response(Response()), lambda ws: ws.close()])
def test_a_client_that_left_is_refused_in_silence(use: Use) -> None:
    async def handler(ws: WebSocket) -> None:
        await use(ws)

    async def main() -> list[Message]:
        peer = Peer(app_of(handler))
        peer.leave()
        return await peer.finish()

    assert run(main()) == []


def test_a_problem_for_a_client_that_left_is_dropped() -> None:
    async def handler(ws: WebSocket) -> None:
        raise HTTPException(403)

    async def main() -> list[Message]:
        peer = Peer(app_of(handler))
        peer.leave()
        return await peer.finish()

    assert run(main()) == []


def test_a_problem_is_json_with_its_length() -> None:
    async def handler(ws: WebSocket) -> None:
        raise HTTPException(404, "no such room", headers={"X-Room": "7"})

    sent = talk(handler)
    status, body = whole(sent)
    assert (status, json.loads(body)["detail"]) == (404, "no such room")
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(body)).encode()
    assert dict(sent[0]["headers"])[b"x-room"] == b"7"
