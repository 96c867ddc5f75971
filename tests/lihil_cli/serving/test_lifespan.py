import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from lihil import Lihil, WebSocket, WebSocketRoute
from lihil_cli.serving.lifespan import WatchedApp

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]

ROOT = Path(__file__).parent


def live(app: App, *events: str, root: Path = ROOT) -> tuple[WatchedApp, list[Message]]:
    """Take `app` through the lifespan protocol with these events; the watched app, and what the server heard."""
    watched = WatchedApp(app, root)
    heard: list[Message] = []
    waiting = [{"type": f"lifespan.{event}"} for event in events]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        heard.append(message)

    async def run() -> None:
        await watched({"type": "lifespan", "state": {}}, receive, send)

    asyncio.run(run())
    return watched, heard


def answering(*answers: Message) -> App:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        for answer in answers:
            await receive()
            await send(answer)

    return app


async def breaking(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    raise OSError("no database")


async def breaking_late(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise OSError("cannot say goodbye")


async def telling_and_breaking(scope: Message, receive: Any, send: Any) -> None:
    try:
        await breaking(scope, receive, send)
    except OSError:
        await send({"type": "lifespan.startup.failed", "message": "Traceback (most recent call last): ..."})
        raise


def test_a_lifespan_that_goes_well_passes_through() -> None:
    complete = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    watched, heard = live(answering(*complete), "startup", "shutdown")
    assert watched.failure == ""
    assert heard == complete


@pytest.mark.parametrize(
    ("app", "events", "lines"),
    [
        (breaking, ["startup"], ["the app's start-up failed", "OSError: no database"]),
        (breaking_late, ["startup", "shutdown"], ["the app's shutdown failed", "OSError: cannot say goodbye"]),
        (telling_and_breaking, ["startup"], ["the app's start-up failed", "OSError: no database"]),
    ],
)
def test_an_exception_is_kept_with_the_users_line_and_told_to_the_server_once(
    app: App, events: list[str], lines: list[str]
) -> None:
    watched, heard = live(app, *events)
    headline, place, source, words = watched.failure.splitlines()
    assert (headline, words.strip()) == (lines[0], lines[1])
    assert place.strip().startswith("test_lifespan.py:")
    assert source.strip().startswith("raise OSError(")
    failures = [message for message in heard if message["type"].endswith(".failed")]
    assert len(failures) == 1
    assert "message" not in failures[0]


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        ({"type": "lifespan.startup.failed", "message": "no database"}, "the app's start-up failed\nno database"),
        ({"type": "lifespan.startup.failed"}, "the app's start-up failed"),
    ],
)
def test_a_failure_that_is_only_told_is_kept_as_told(message: Message, failure: str) -> None:
    watched, heard = live(answering(message), "startup")
    assert watched.failure == failure
    assert heard == [{"type": "lifespan.startup.failed"}]


async def refusing(scope: Message, receive: Any, send: Any) -> None:
    raise ValueError(f"what is {scope['type']}?")


async def mistaking(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200})
    raise ValueError("unexpected")


@pytest.mark.parametrize("app", [refusing, mistaking])
def test_an_app_that_knows_no_lifespan_has_not_failed(app: App) -> None:
    with pytest.raises(ValueError, match=r"what is|unexpected"):
        live(app, "startup")


def test_a_lihil_apps_mistakes_are_listed_without_a_traceback() -> None:
    rooms = WebSocketRoute("rooms/{name}")

    @rooms.ws_handler
    async def talk(ws: WebSocket, name: str, thing: object) -> None:
        await ws.accept()

    watched, heard = live(Lihil(rooms), "startup")
    assert heard == [{"type": "lifespan.startup.failed"}]
    assert watched.failure.startswith("the app's start-up failed\n")
    assert "(thing): nothing provides thing: object" in watched.failure
    assert "fix: " in watched.failure
    assert "Traceback" not in watched.failure


def test_what_is_no_lifespan_goes_straight_to_the_app() -> None:
    seen: list[object] = []

    async def app(*arguments: object) -> None:
        seen.extend(arguments)

    asyncio.run(consume(WatchedApp(app, ROOT)({"type": "http"}, 1, 2)))  # type: ignore[arg-type]
    assert seen == [{"type": "http"}, 1, 2]


async def consume(answer: Awaitable[None]) -> None:
    await answer
