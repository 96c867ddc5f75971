"""Entering and leaving a client: the app's startup and shutdown, and how their failures are told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette

from lihil.asgi import ASGIApp, Message, Receive, Scope, Send
from lihil.testing import AppTimeout, LifespanError, TestClient

LIMIT_S = 0.3  # for what does not come
STARTED: Message = {"type": "lifespan.startup.complete"}
STOPPED: Message = {"type": "lifespan.shutdown.complete"}


def lived(answers: Mapping[str, object] | None = None, *, events: list[str] | None = None) -> ASGIApp:
    """An app whose lifespan answers a phase with a message, raises what is an exception, or sleeps for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": str(scope["state"]).encode()})
            scope["state"]["mine"] = True
            return
        for phase, answer in ({"startup": STARTED, "shutdown": STOPPED} | dict(answers or {})).items():
            assert (await receive())["type"] == f"lifespan.{phase}"
            if events is not None:
                events.append(phase)
            scope["state"][phase] = True
            if isinstance(answer, Exception):
                raise answer
            if answer == "sleep":
                await asyncio.Event().wait()  # asleep
            assert isinstance(answer, dict)
            await send(answer)
            if answer["type"].endswith("failed"):
                return

    return app


def failed(phase: str, message: str) -> Message:
    return {"type": f"lifespan.{phase}.failed", "message": message}


def test_the_lifespan_surrounds_the_block_and_its_state_reaches_each_request_as_a_copy() -> None:
    events: list[str] = []
    client = TestClient(lived(events=events))
    for _ in range(2):  # a client may be entered again
        with client:
            assert events.pop() == "startup"
            assert [client.get("/").text, client.get("/").text] == ["{'startup': True}"] * 2
        assert events.pop() == "shutdown"


def test_without_a_block_there_is_no_lifespan() -> None:
    events: list[str] = []
    assert TestClient(lived(events=events)).get("/").text == "{}"
    assert events == []


def test_lifespan_and_requests_share_one_loop() -> None:
    loops: set[int] = set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        loops.add(id(asyncio.get_running_loop()))
        await lived()(scope, receive, send)

    with TestClient(app) as client:
        client.get("/")
    assert len(loops) == 1


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_the_message_of_a_failed_phase_is_raised(phase: str) -> None:
    app = lived({phase: failed(phase, "no database")})
    with pytest.raises(LifespanError, match=f"the app's {phase} failed: no database"), TestClient(app):
        pass


def test_a_failure_without_a_message_says_so() -> None:
    with (
        pytest.raises(LifespanError, match="it gave no message"),
        TestClient(lived({"startup": failed("startup", "")})),
    ):
        pass


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_the_exception_of_a_failed_phase_is_raised(phase: str) -> None:
    app = lived({phase: LookupError("no database")})
    with pytest.raises(LookupError, match="no database"), TestClient(app):
        pass


def test_the_exception_behind_a_message_is_raised_rather_than_the_message() -> None:
    async def refuse() -> None:
        raise LookupError("no database")

    @asynccontextmanager
    async def broken(app: Starlette) -> AsyncIterator[None]:
        await refuse()
        yield

    with pytest.raises(LookupError, match="no database"), TestClient(Starlette(lifespan=broken)):
        pass


def test_an_exception_between_the_phases_is_raised_at_the_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        raise LookupError("worker died")

    with pytest.raises(LookupError, match="worker died"), TestClient(app):
        pass


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_a_phase_that_does_not_end_times_out_with_the_line_it_is_at(phase: str) -> None:
    app = lived({phase: "sleep"})
    with (
        pytest.raises(AppTimeout, match=rf"the app's {phase} \(lifespan\)(.|\n)*# asleep"),
        TestClient(app, timeout_s=LIMIT_S),
    ):
        pass


def test_a_lifespan_that_stays_after_its_shutdown_is_cancelled() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for answer in (STARTED, STOPPED):
            await receive()
            await send(answer)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    with TestClient(app, timeout_s=LIMIT_S):
        pass
    assert ended == ["cancelled"]


def test_the_exception_of_the_block_is_kept_and_that_of_the_shutdown_noted_on_it() -> None:
    with pytest.raises(ZeroDivisionError) as caught, TestClient(lived({"shutdown": LookupError("late")})):
        raise ZeroDivisionError
    assert caught.value.__notes__ == ["the app's shutdown failed as well: LookupError('late')"]


async def asserts(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def answers_in_http(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await asserts(scope, receive, send)


@pytest.mark.parametrize("app", [asserts, answers_in_http, returns])
def test_an_app_that_knows_no_lifespan_is_served_without(app: ASGIApp) -> None:
    with TestClient(app) as client:
        assert client.get("/").status_code == 204


def test_a_second_answer_to_a_phase_is_refused_in_the_app() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTED)
        await send(STARTED)

    told = r"a lifespan in its startup takes one lifespan\.startup\.complete or"
    with pytest.raises(RuntimeError, match=told), TestClient(app):
        pass


def test_a_client_is_not_entered_twice_at_once() -> None:
    with TestClient(returns) as client, pytest.raises(RuntimeError, match="entered already"):
        client.__enter__()


def test_what_is_still_open_is_aborted_before_the_shutdown() -> None:
    events: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lived(events=events)(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        events.append((await receive())["type"])

    with TestClient(app) as client:
        session = client.websocket_connect("/")
        session.__enter__()
    assert events == ["startup", "websocket.disconnect", "shutdown"]
    session.__exit__(None, None, None)  # late, and harmless


def test_no_thread_outlives_a_client() -> None:
    before = set(threading.enumerate())
    for app in (returns, lived({"startup": LookupError("no")}), lived({"shutdown": LookupError("no")})):
        try:
            with TestClient(app) as client:
                client.get("/")
        except LookupError:
            continue
    assert set(threading.enumerate()) <= before
