"""The life of one connection: what the client is told at each end of it, what the handler and its resources see."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket as StarletteWebSocket

from lihil import (
    HTTPException,
    Lihil,
    WebSocket,
    WebSocketDisconnect,
    WebSocketRoute,
    use,
)
from lihil.asgi import ERROR_HOOK, Message
from lihil.errors import ParameterIssue, ParametersError, SetupError, WebSocketStateError
from tests.lihil.websocket.peer import Peer, app_of, kinds, run, texts

SECRET = "password=hunter2"


def denial(sent: list[Message]) -> dict[str, Any]:
    """The problem in a denial response, checked to be one whole answer."""
    assert kinds(sent) == ["start", "body"]
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    problem = json.loads(sent[1]["body"])
    assert problem["status"] == sent[0]["status"]
    return {key: value for key, value in problem.items() if key != "type_"}


def outcome(handler: Callable[..., Any], **options: Any) -> list[Message]:
    return run(Peer(app_of(handler), **options).finish())


# What a handler raises, before and after it has accepted.

RAISED: list[tuple[Exception, int, str, int, str]] = [
    (HTTPException(403, "not yours"), 403, "Forbidden", 4403, "Forbidden"),
    (HTTPException("gone for good", status=410), 410, "Gone", 4410, "Gone"),
    (HTTPException(422), 422, "Unprocessable", 4422, "Unprocessable"),
    (HTTPException(499, problem_title="Bored"), 499, "Bored", 4499, "Bored"),
    (HTTPException(503, problem_title="é" * 200), 503, "é" * 200, 4503, "é" * 61),
    (StarletteHTTPException(401, "who?"), 401, "Unauthorized", 4401, "Unauthorized"),
    (StarletteHTTPException(307, headers={"location": "/new"}), 307, "Temporary Redirect", 4307, "Temporary Redirect"),
    (
        ParametersError([ParameterIssue("InvalidDataType", "query", "x", "expected int")]),
        422,
        "Invalid parameters",
        4422,
        "Invalid parameters",
    ),
    (ValueError(SECRET), 500, "Internal Server Error", 1011, "Internal Server Error"),
    (StarletteHTTPException(200, "not an error"), 500, "Internal Server Error", 1011, "Internal Server Error"),
    (StarletteHTTPException(1200, "no status"), 500, "Internal Server Error", 1011, "Internal Server Error"),
    (WebSocketDisconnect(1000), 500, "Internal Server Error", 1011, "Internal Server Error"),
    (WebSocketStateError("too late"), 500, "Internal Server Error", 1011, "Internal Server Error"),
    (ExceptionGroup("several", [HTTPException(409)]), 409, "Conflict", 4409, "Conflict"),
    (ExceptionGroup("two", [HTTPException(409), ValueError(SECRET)]), 500, "Internal", 1011, "Internal Server Error"),
]


@pytest.mark.parametrize(("raised", "status", "title", "_code", "_reason"), RAISED, ids=lambda value: repr(value)[:40])
def test_before_accept_an_exception_is_a_denial_response(
    raised: Exception, status: int, title: str, _code: int, _reason: str
) -> None:
    async def handler(ws: WebSocket) -> None:
        raise raised

    sent = outcome(handler)
    problem = denial(sent)
    assert (problem["status"], problem["title"][: len(title)]) == (status, title)
    assert problem["instance"] == "/ws"
    assert SECRET not in repr(sent)


@pytest.mark.parametrize(("raised", "_status", "_title", "code", "reason"), RAISED, ids=lambda value: repr(value)[:40])
def test_after_accept_an_exception_is_a_close_code(
    raised: Exception, _status: int, _title: str, code: int, reason: str
) -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        raise raised

    sent = outcome(handler)
    assert kinds(sent) == ["accept", "close"]
    assert sent[1]["code"] == code
    assert sent[1]["reason"].startswith(reason)
    assert SECRET not in repr(sent)


@pytest.mark.parametrize("raised", [case[0] for case in RAISED], ids=lambda value: repr(value)[:40])
def test_after_a_close_an_exception_sends_nothing_more(raised: Exception) -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000)
        raise raised

    assert kinds(outcome(handler)) == ["accept", "close"]


def test_a_server_without_denial_responses_gets_1008_and_a_short_reason() -> None:
    async def handler(ws: WebSocket, max_users: int, color: str) -> None:
        raise AssertionError("never called")

    sent = outcome(handler, extensions={}, query="max_users=abc&pad=" + "x" * 500)
    assert kinds(sent) == ["close"]
    assert sent[0]["code"] == 1008
    assert sent[0]["reason"].startswith("query max_users: expected int, got 'abc'; query color: missing")
    assert len(sent[0]["reason"].encode()) <= 123


def test_a_header_of_an_exception_cannot_break_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(ws: WebSocket, to: str) -> None:
        raise HTTPException(403, headers={to: "x", "x-to": to})

    sent = outcome(handler, query="to=a%0d%0aset-cookie:%20s=1")
    assert denial(sent)["status"] == 500
    assert b"set-cookie" not in repr(sent[0]["headers"]).encode()
    assert "line break" in caplog.text


def test_starlettes_websocket_exception_closes_with_its_code() -> None:
    async def accepted(ws: WebSocket) -> None:
        await ws.accept()
        raise WebSocketException(4001, "as asked")

    async def early(ws: WebSocket) -> None:
        raise WebSocketException(1008)

    async def unfit(ws: WebSocket) -> None:
        await ws.accept()
        raise WebSocketException(1006)

    assert outcome(accepted)[1] == {"type": "websocket.close", "code": 4001, "reason": "as asked"}
    assert outcome(early) == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert outcome(unfit)[1]["code"] == 1011


def test_the_log_names_handler_route_and_connection_and_holds_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(ws: WebSocket, room: str) -> None:
        await ws.accept()
        raise ValueError(SECRET)

    run(Peer(app_of(broken, "rooms/{room}"), "/rooms/7").finish())
    run(Peer(app_of(broken, "rooms/{room}"), "/rooms/7", client=("\x1b[2J", 1)).finish())
    run(Peer(app_of(broken, "rooms/{room}"), "/rooms/7", client=None).finish())
    assert [record.getMessage() for record in caplog.records] == [
        "broken failed on /rooms/{room} ('192.0.2.7':4711)",
        "broken failed on /rooms/{room} ('\\x1b[2J':1)",
        "broken failed on /rooms/{room}",
    ]
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)
    assert SECRET in caplog.text


def test_what_a_client_does_wrong_is_not_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(ws: WebSocket, n: int) -> None:
        raise HTTPException(403)

    outcome(handler)
    outcome(handler, query="n=1")
    assert caplog.records == []


def test_the_error_hook_is_given_what_nobody_caught() -> None:
    seen: list[BaseException] = []
    group = ExceptionGroup("both", [ValueError("a"), KeyError("b")])

    async def handler(ws: WebSocket) -> None:
        raise group

    outcome(handler, extensions={ERROR_HOOK: seen.append})
    assert seen == [group]


# How a handler returns.


def test_a_handler_that_returns_is_closed_with_1000() -> None:
    async def handler(ws: WebSocket) -> str:
        await ws.accept()
        return "ignored"

    assert outcome(handler)[1:] == [{"type": "websocket.close", "code": 1000, "reason": ""}]


def test_a_handler_that_never_accepted_is_named_in_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def forgetful(ws: WebSocket) -> None:
        return

    assert kinds(outcome(forgetful)) == ["close"]
    assert [record.getMessage() for record in caplog.records] == [
        "forgetful returned without accepting /ws ('192.0.2.7':4711); call `await ws.accept()`"
    ]


def test_a_handler_that_closed_by_itself_is_left_at_that() -> None:
    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000, "done")

    assert outcome(handler)[1:] == [{"type": "websocket.close", "code": 4000, "reason": "done"}]


def test_work_after_the_apps_own_close_is_not_cancelled() -> None:
    done: list[str] = []

    async def handler(ws: WebSocket) -> None:
        await ws.accept()
        await asyncio.sleep(5)  # the watch has begun to read
        await ws.close()
        await asyncio.sleep(60)
        done.append("saved")

    assert kinds(outcome(handler)) == ["accept", "close"]
    assert done == ["saved"]


# Parameters, dependencies, overrides.


def test_every_bad_parameter_is_named_before_anything_is_built() -> None:
    built: list[str] = []

    async def resource() -> AsyncIterator[str]:
        built.append("it")
        yield "it"

    async def handler(ws: WebSocket, room: int, n: int, made: Annotated[str, use(resource)], color: str = "x") -> None:
        raise AssertionError("never called")

    problem = denial(run(Peer(app_of(handler, "rooms/{room}"), "/rooms/x", query="n=y").finish()))
    assert (problem["status"], problem["type"]) == (422, "invalid-parameters")
    assert [(error["location"], error["param"]) for error in problem["errors"]] == [("path", "room"), ("query", "n")]
    assert built == []


def test_a_dependency_refuses_as_the_handler_would() -> None:
    async def user(token: str) -> str:
        raise HTTPException(401, "who are you?")

    async def handler(ws: WebSocket, name: Annotated[str, use(user)]) -> None:
        raise AssertionError("never called")

    problem = denial(outcome(handler, query="token=x"))
    assert (problem["status"], problem["detail"]) == (401, "who are you?")


def test_starlettes_websocket_in_an_annotation_is_given_ours() -> None:
    async def handler(ws: StarletteWebSocket) -> None:
        await ws.accept()
        await ws.send_text(type(ws).__module__)

    assert texts(outcome(handler)) == ["lihil.websocket.connection"]


@pytest.mark.parametrize(("kind", "fix"), [(Request, "it has url, headers"), (HTTPConnection, "take `ws: WebSocket`")])
def test_a_request_on_a_websocket_is_a_set_up_error_with_the_way_out(kind: type, fix: str) -> None:
    async def handler(connection: Any) -> None:
        raise AssertionError("never called")

    handler.__annotations__["connection"] = kind
    with pytest.raises(SetupError, match=fix):
        outcome(handler)


def test_an_override_takes_effect_on_the_next_connection_and_goes_away() -> None:
    def name() -> str:
        return "real"

    async def handler(ws: WebSocket, who: Annotated[str, use(name)]) -> None:
        await ws.accept()
        await ws.send_text(who)

    async def main() -> list[Any]:
        app = app_of(handler)
        first = texts(await Peer(app).finish())
        with app.graph.override(name, value="fake"):
            second = texts(await Peer(app).finish())
        return [*first, *second, *texts(await Peer(app).finish())]

    assert run(main()) == ["real", "fake", "real"]


def test_an_override_that_cannot_be_built_fails_the_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def name() -> str:
        return "real"

    class Unknown:
        def __init__(self, other: "Unknown") -> None: ...

    def needy(unknown: Unknown) -> str:
        raise AssertionError("never called")

    async def handler(ws: WebSocket, who: Annotated[str, use(name)]) -> None:
        await ws.accept()

    async def main() -> list[Message]:
        app = app_of(handler)
        await Peer(app).finish()
        with app.graph.override(name, needy):
            return await Peer(app).finish()

    assert denial(run(main()))["status"] == 500
    assert "set-up" in caplog.text or "provides" in caplog.text


def test_an_app_describes_a_handler_without_starting() -> None:
    route = WebSocketRoute("rooms/{room}")

    @route.ws_handler
    async def handler(ws: WebSocket, room: str, n: int = 1) -> None:
        raise AssertionError("never called")

    [endpoint] = Lihil(route).endpoints()
    assert [spec.key for spec in endpoint.signature().specs] == ["room", "n"]
    assert (endpoint.kind, endpoint.method, endpoint.pattern.path) == ("websocket", "", "/rooms/{room}")
