"""The WebSocket that a test holds: what it sends, what it receives, and that it never keeps a test waiting."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lihil.asgi import ERROR_HOOK, ASGIApp, Receive, Scope, Send
from lihil.errors import WebSocketDisconnect
from lihil.testing import AppTimeout, HandshakeRefused, ReceiveTimeout, TestClient, WebSocketSession

SHORT_S = 0.05  # for a call of which nothing comes
LIMIT_S = 0.3  # for a whole connection: its handshake has to come in time, its end does not


async def accept(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await asyncio.Event().wait()


async def sleeper(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await send({"type": "websocket.send", "text": "good \x1b night"})
    await receive()  # here it sleeps


def sends(*messages: dict[str, Any]) -> ASGIApp:
    """An app that accepts, sends `messages`, and reads until the client has gone."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        for message in messages:
            await send({"type": "websocket.send", **message})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return app


def raises(error: BaseException, *, after: str = "accept") -> ASGIApp:
    """An app that raises `error` at once, after its accept, or after it has read a message."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if after != "connect":
            await accept(receive, send)
        if after == "message":
            await receive()
        raise error

    return app


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("send", "receive", "value"),
    [
        (WebSocketSession.send_text, WebSocketSession.receive_text, "привет"),
        (WebSocketSession.send_bytes, WebSocketSession.receive_bytes, b"\x00\xff"),
        (WebSocketSession.send_json, WebSocketSession.receive_json, {"a": [1, None, "д"]}),
        (
            lambda ws, value: ws.send_json(value, mode="binary"),
            lambda ws: ws.receive_json(mode="binary"),
            [1.5, True],
        ),
    ],
)
def test_what_is_sent_comes_back_from_an_echo(
    send: Callable[[WebSocketSession, Any], None], receive: Callable[[WebSocketSession], Any], value: object
) -> None:
    with TestClient(echo).websocket_connect("/") as ws:
        send(ws, value)
        assert receive(ws) == value


def test_json_is_compact_and_takes_structs() -> None:
    with TestClient(echo).websocket_connect("/") as ws:
        ws.send_json({"at": Point(1), "by": ["д"]})
        assert ws.receive_text() == '{"at":{"x":1},"by":["д"]}'


@pytest.mark.parametrize(
    ("message", "receive", "error", "text"),
    [
        ({"text": "a"}, WebSocketSession.receive_bytes, TypeError, "expected a binary message, but the app sent 'a'"),
        ({"bytes": b"a"}, WebSocketSession.receive_text, TypeError, "expected a text message, but the app sent b'a'"),
        ({"text": "{a}"}, WebSocketSession.receive_json, ValueError, "the app sent '{a}', which is not JSON: "),
        ({"text": "{}"}, lambda ws: ws.receive_json(mode="texts"), ValueError, "mode is 'text' or 'binary'"),
        ({"text": "{}"}, lambda ws: ws.send({"type": "websocket.send"}), ValueError, "a client sends"),
        ({"text": "{}"}, lambda ws: ws.close(99), ValueError, "from 1000 to 4999"),
    ],
)
def test_a_mistake_of_the_test_is_named(
    message: dict[str, Any], receive: Callable[[WebSocketSession], Any], error: type[Exception], text: str
) -> None:
    with TestClient(sends(message)).websocket_connect("/") as ws, pytest.raises(error) as caught:
        receive(ws)
    assert text in str(caught.value)


def test_iteration_gives_text_and_bytes_until_the_normal_close() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.send", "text": "a"})
        await send({"type": "websocket.send", "bytes": b"b"})
        await send({"type": "websocket.close", "code": 1001})

    with TestClient(app).websocket_connect("/") as ws:
        assert list(ws) == ["a", b"b"]


def test_iteration_raises_on_any_other_close() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "code": 4000, "reason": "bad"})

    with TestClient(app).websocket_connect("/") as ws, pytest.raises(WebSocketDisconnect) as caught:
        list(ws)
    assert (caught.value.code, caught.value.reason) == (4000, "bad")


def test_once_the_close_was_received_everything_raises_it_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await send({"type": "websocket.close", "code": 4000})

    with TestClient(app).websocket_connect("/") as ws:
        ws.send_text("dropped, and no error: the close has not been received yet")
        assert ws.receive() == {"type": "websocket.close", "code": 4000, "reason": ""}
        for act in (ws.receive, ws.receive_text, lambda: ws.send_text("late")):
            with pytest.raises(WebSocketDisconnect) as caught:
                act()
            assert caught.value.code == 4000
        ws.close()


@pytest.mark.parametrize("code", [1000, 1005, 1006, 4321])
def test_the_app_is_told_the_code_that_the_client_closes_with(code: int) -> None:
    told: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        told.append(await receive())

    with TestClient(app).websocket_connect("/") as ws:
        ws.close(code, "bye")
        ws.close()
        with pytest.raises(WebSocketDisconnect) as caught:
            ws.receive_text()
        assert caught.value.code == code
    assert told == [{"type": "websocket.disconnect", "code": code, "reason": "bye"}]


def test_a_raw_disconnect_closes_as_well() -> None:
    with TestClient(echo).websocket_connect("/") as ws:
        ws.send({"type": "websocket.disconnect", "code": 4001})
        with pytest.raises(WebSocketDisconnect) as caught:
            ws.send_text("late")
    assert caught.value.code == 4001


def test_leaving_the_block_closes_with_1000_and_waits_for_the_app() -> None:
    ended: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        message = await receive()
        await asyncio.sleep(0.01)  # the clean-up of a real app
        ended.append(message)

    with TestClient(app).websocket_connect("/"):
        pass
    assert ended == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]


def test_an_app_that_does_not_heed_the_close_is_cancelled() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    with TestClient(app, timeout_s=LIMIT_S).websocket_connect("/"):
        pass
    assert ended == ["cancelled"]


def test_an_app_that_spins_on_the_disconnect_is_cancelled() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        while True:
            await receive()

    with TestClient(app, timeout_s=LIMIT_S).websocket_connect("/") as ws:
        ws.send_text("a")


def test_an_app_that_survives_its_cancellation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lihil.testing.loop.GRACE_S", 0.1)
    release = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)  # stubborn
            except asyncio.CancelledError:
                continue

    with (
        pytest.raises(AppTimeout, match=r"the app to end after it was cancelled(.|\n)*# stubborn"),
        TestClient(app, timeout_s=LIMIT_S).websocket_connect("/"),
    ):
        pass
    release.set()


def test_a_failing_assert_in_the_handler_is_the_cause_of_the_disconnect() -> None:
    error = AssertionError("assert 1 == 2")
    with TestClient(raises(error)).websocket_connect("/") as ws:
        for _ in range(2):
            with pytest.raises(WebSocketDisconnect) as caught:
                ws.receive_text()
            assert caught.value.code == 1011
            assert caught.value.__cause__ is error


def test_an_exception_that_no_one_saw_is_raised_on_leaving() -> None:
    with (
        pytest.raises(LookupError, match="unseen"),
        TestClient(raises(LookupError("unseen"), after="message")).websocket_connect("/") as ws,
    ):
        ws.send_text("go")


def test_outcomes_of_pytest_pass_from_the_handler_to_the_test() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="from inside"),
        TestClient(raises(pytest.fail.Exception("from inside"))).websocket_connect("/"),
    ):
        pass


def test_the_exception_of_the_block_is_kept_and_the_other_noted_on_it() -> None:
    def fail(ws: WebSocketSession) -> None:
        ws.send_text("go")
        raise ZeroDivisionError

    client = TestClient(raises(LookupError("unseen"), after="message"))
    with pytest.raises(ZeroDivisionError) as caught, client.websocket_connect("/") as ws:
        fail(ws)
    assert caught.value.__notes__ == ["the app had raised as well: LookupError('unseen')"]


def test_server_exceptions_that_are_not_to_be_raised_only_end_the_connection() -> None:
    client = TestClient(raises(LookupError("unseen"), after="message"), raise_server_exceptions=False)
    with client.websocket_connect("/") as ws:
        ws.send_text("go")
    with client.websocket_connect("/") as ws:
        ws.send_text("go")
        with pytest.raises(WebSocketDisconnect):
            ws.receive()


@pytest.mark.parametrize(
    "error",
    [
        WebSocketDisconnect(1000),
        ExceptionGroup("both", [WebSocketDisconnect(1006), ConnectionError("inner")]),
    ],
)
def test_an_app_may_raise_that_the_client_has_gone(error: Exception) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await receive()
        if isinstance(error, ExceptionGroup):
            try:
                await send({"type": "websocket.send", "text": "to no one"})
            except OSError as exc:
                raise ExceptionGroup("both", [WebSocketDisconnect(1006), exc]) from None
        raise error

    with TestClient(app).websocket_connect("/"):
        pass


def test_an_exception_before_the_answer_is_a_500_with_its_cause() -> None:
    error = LookupError("inner detail")
    with pytest.raises(HandshakeRefused) as caught:
        TestClient(raises(error, after="connect")).websocket_connect("/").__enter__()
    assert caught.value.status == 500
    assert caught.value.text == "Internal Server Error"
    assert caught.value.__cause__ is error
    assert "the app raised LookupError('inner detail')" in str(caught.value)


def test_a_close_before_the_accept_shows_the_code_that_no_client_will_see() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4401, "reason": "no token"})

    with pytest.raises(
        HandshakeRefused, match=r"403 Forbidden .the app closed with 4401 'no token' before it accepted"
    ):
        TestClient(app).websocket_connect("/").__enter__()


@pytest.mark.parametrize("answers", ["denial", "close"])
def test_an_exception_that_a_framework_reports_is_the_cause(answers: str) -> None:
    error = AssertionError("in the handler")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        report = scope["extensions"][ERROR_HOOK]
        if answers == "close":
            await accept(receive, send)
            report(error)
            await send({"type": "websocket.close", "code": 1011})
        else:
            report(error)
            await send({"type": "websocket.http.response.start", "status": 500, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"{}"})

    with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/") as ws:
        ws.receive_text()
    assert caught.value.__cause__ is error
    if answers == "close":
        with pytest.raises(AssertionError, match="in the handler"), TestClient(app).websocket_connect("/"):
            pass


def test_a_receive_that_gets_nothing_tells_the_whole_story() -> None:
    with TestClient(sleeper).websocket_connect("/rooms/7?q=1") as ws:
        ws.receive_text()
        with pytest.raises(ReceiveTimeout) as caught:
            ws.receive_text(timeout_s=SHORT_S)
        lines = [line.strip() for line in str(caught.value).splitlines()]
        assert lines[:2] == ["waited 0.05 s for a text message from the app", "connection: WebSocket /rooms/7, open"]
        assert lines[2].startswith(f"app: still running, at {__file__}:")
        assert lines[2].endswith("in sleeper: await receive()  # here it sleeps")
        assert lines[3:] == [
            "last messages:",
            "the app got websocket.connect",
            "the app sent websocket.accept",
            "the app sent websocket.send 'good \\x1b night'",
        ]


def test_after_a_timeout_the_connection_goes_on() -> None:
    with TestClient(echo).websocket_connect("/", timeout_s=LIMIT_S) as ws:
        with pytest.raises(ReceiveTimeout):
            ws.receive_bytes()
        ws.send_text("still there")
        assert ws.receive_text(timeout_s=5) == "still there"


def test_tasks_that_the_app_started_are_part_of_the_story() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def helper() -> None:
            await asyncio.Event().wait()  # the helper

        await accept(receive, send)
        held = asyncio.create_task(helper())
        try:
            await receive()
        finally:
            held.cancel()

    with TestClient(app).websocket_connect("/") as ws, pytest.raises(ReceiveTimeout) as caught:
        ws.receive(timeout_s=SHORT_S)
    assert "another task of the app: at " in str(caught.value)
    assert "# the helper" in str(caught.value)


def test_a_handshake_that_is_never_answered_times_out() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["code"] == 1006

    with pytest.raises(AppTimeout, match=r"the app to accept or refuse the WebSocket\n.*not accepted yet"):
        TestClient(app, timeout_s=LIMIT_S).websocket_connect("/").__enter__()


def test_sending_to_an_app_that_does_not_read_times_out() -> None:
    def send_for_ever(ws: WebSocketSession) -> None:
        while True:
            ws.send_text("x")

    with (
        TestClient(deaf, timeout_s=LIMIT_S).websocket_connect("/") as ws,
        pytest.raises(AppTimeout, match="the app to take a message; it has not read those before"),
    ):
        send_for_ever(ws)


def test_sending_goes_on_when_the_app_ends_instead_of_reading() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await asyncio.sleep(0.05)

    with TestClient(app).websocket_connect("/") as ws:
        for _ in range(2000):
            ws.send_text("x")
        with pytest.raises(WebSocketDisconnect):
            ws.receive()


def test_a_handler_that_blocks_the_loop_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(receive, send)
        await receive()
        release.wait()  # blocks

    with TestClient(app, timeout_s=LIMIT_S).websocket_connect("/") as ws:
        ws.send_text("go")
        monkeypatch.setattr("lihil.testing.loop.GRACE_S", 0.1)
        with pytest.raises(ReceiveTimeout) as caught:
            ws.receive()
        monkeypatch.undo()
        release.set()
    assert "the app's event loop does not answer" in str(caught.value)
    assert "# blocks" in str(caught.value)


@pytest.mark.parametrize(("offered", "chosen"), [(None, None), (["a"], None), (["a", "b.v2"], "b.v2")])
def test_the_subprotocol_that_the_app_chose_is_told(offered: list[str] | None, chosen: str | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "subprotocol": chosen})

    with TestClient(app).websocket_connect("/", offered) as ws:
        assert ws.accepted_subprotocol == chosen


def test_a_subprotocol_that_was_not_offered_fails_the_connection_as_in_a_browser() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "subprotocol": "mqtt"})

    with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/", ["chat"]):
        pass
    assert caught.value.code == 1006
    assert "'mqtt'; offered were ['chat']" in caught.value.reason


def test_the_headers_of_the_accept_are_there_both_ways() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept", "headers": [(b"X-Room", b"7")]})

    with TestClient(app).websocket_connect("/") as ws:
        assert ws.response_headers["x-room"] == "7"
        assert list(ws.extra_headers) == [(b"X-Room", b"7")]


def test_a_websocket_is_entered_once() -> None:
    session = TestClient(echo).websocket_connect("/")
    with pytest.raises(RuntimeError, match="not connected; use `with"):
        session.send_text("early")
    with session:
        pass
    with pytest.raises(RuntimeError, match="has been used"):
        session.__enter__()
    with pytest.raises(RuntimeError, match="not connected"):
        session.receive()
