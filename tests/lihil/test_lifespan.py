"""The lifespan in each form a user may write it in, and what is said when a start or a stop fails."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lihil import AsyncResource, Lihil, SetupError, WebSocket, WebSocketRoute
from lihil.asgi import ERROR_HOOK, Message
from lihil.lifespan import enter_lifespan
from tests.lihil.lifespan_peer import LifespanPeer, fails_to_start, last_word
from tests.lihil.websocket.peer import app_of, run


async def generator(app: object) -> AsyncIterator[dict[str, object]]:
    yield {"app": app}


async def generator_without_app() -> AsyncIterator[dict[str, object]]:
    yield {"app": None}


async def generator_with_any_arguments(*args: object) -> AsyncIterator[dict[str, object]]:
    yield {"app": args[0]}


async def generator_with_keywords_only(**options: object) -> AsyncIterator[dict[str, object]]:
    yield {"app": None}


class Manager:
    def __init__(self, app: object) -> None:
        self.app = app

    async def __aenter__(self) -> dict[str, object]:
        return {"app": self.app}

    async def __aexit__(self, *_: object) -> None: ...


class Untold:
    """A callable whose parameters cannot be read."""

    __signature__ = "none"

    def __call__(self, app: object) -> Manager:
        return Manager(app)


@pytest.mark.parametrize(
    ("lifespan", "gets_app"),
    [
        (generator, True),
        (generator_without_app, False),
        (generator_with_any_arguments, True),
        (generator_with_keywords_only, False),
        (asynccontextmanager(generator), True),
        (asynccontextmanager(generator_without_app), False),
        (Manager, True),
        (Untold(), True),
    ],
)
def test_every_form_of_a_lifespan_is_entered_and_given_the_app_when_it_takes_one(lifespan: Any, gets_app: bool) -> None:
    app = Lihil()

    async def main() -> Any:
        async with enter_lifespan(lifespan, app) as state:
            return state

    assert asyncio.run(main()) == {"app": app if gets_app else None}


def test_no_lifespan_is_an_empty_one() -> None:
    async def main() -> object:
        async with enter_lifespan(None, Lihil()) as state:
            return state

    assert asyncio.run(main()) is None


async def coroutine(app: object) -> None: ...


def plain(app: object) -> str:
    return "no context"


def sync_generator(app: object) -> Any:
    yield


@pytest.mark.parametrize(
    ("lifespan", "words"),
    [
        (coroutine, r"test_lifespan.py:\d+: coroutine: the lifespan gave coroutine, which is no async context manager"),
        (plain, "plain: the lifespan gave str"),
        (sync_generator, "sync_generator: the lifespan gave generator"),
        (Manager(None), "Manager object .* which cannot be called\n.*async def lifespan"),
    ],
)
def test_anything_else_is_a_set_up_error_that_shows_how_to_write_it(lifespan: Any, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        enter_lifespan(lifespan, Lihil())


async def echo(ws: WebSocket) -> None:
    await ws.accept()


async def body(ws: WebSocket, data: dict[str, int]) -> None: ...


async def unannotated(ws: WebSocket, data) -> None: ...  # type: ignore[no-untyped-def]


def no_middleware(app: Any) -> Any: ...


# Failing to start.


def test_a_lifespan_that_fails_is_reported_with_its_traceback_and_shown_to_the_hook() -> None:
    seen: list[Exception] = []
    app_is_new = True

    async def lifespan() -> AsyncIterator[None]:
        if app_is_new:
            raise OSError("no database")
        yield

    text = fails_to_start(Lihil(lifespan=lifespan), extensions={ERROR_HOOK: seen.append})
    assert text.startswith("Traceback")
    assert text.endswith("OSError: no database\n")
    assert [type(exc) for exc in seen] == [OSError]


def test_every_set_up_error_comes_out_at_once_and_all_is_cleaned_up() -> None:
    lines: list[str] = []

    class Pool: ...

    class Unknown:
        def __init__(self, other: "Unknown") -> None: ...

    class Needy:
        def __init__(self, unknown: Unknown) -> None: ...

    async def pool() -> AsyncResource[Pool]:
        try:
            yield Pool()
        except SetupError:
            lines.append("pool told")
            raise
        finally:
            lines.append("pool closed")

    async def lifespan() -> AsyncIterator[None]:
        yield
        lines.append("stopped")

    route = WebSocketRoute("a", middlewares=[no_middleware])
    route.ws_handler(body)
    (route / "b").ws_handler(unannotated)
    same = WebSocketRoute("a")
    same.ws_handler(echo)
    clashing = WebSocketRoute("{x}")
    (clashing / "{x}").ws_handler(echo)
    app = Lihil(route, same, clashing, lifespan=lifespan, middlewares=[no_middleware, int])  # type: ignore[list-item]
    app.graph.singleton(pool)
    app.graph.singleton(Needy)
    text = fails_to_start(app)
    for words in (
        "set-up problems",
        "Needy",
        "body(data)",
        "a WebSocket handshake has no body",
        "unannotated(data)",
        "WebSocket /a is taken by body",
        "{x} stands twice",
        "the middleware no_middleware gave NoneType",
        "the middleware int failed",
    ):
        assert words in text
    assert "Traceback" not in text
    assert lines == ["pool told", "pool closed", "stopped"]


def test_a_start_that_failed_may_be_tried_again() -> None:
    attempts: list[int] = []

    async def lifespan() -> AsyncIterator[None]:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        yield

    app = app_of(echo, lifespan=lifespan)
    fails_to_start(app)

    async def main() -> list[str]:
        server = LifespanPeer(app)
        return [last_word(await server.start()), last_word(await server.stop())]

    assert run(main()) == ["startup.complete", "shutdown.complete"]


@pytest.mark.parametrize(
    ("state", "scope", "words"),
    [
        ("a string", {}, "the lifespan yields str; a state is a mapping"),
        ([("a", 1)], {}, "the lifespan yields list"),
    ],
)
def test_a_state_that_is_none_is_a_set_up_error(state: Any, scope: dict[str, Any], words: str) -> None:
    async def lifespan() -> AsyncIterator[Any]:
        yield state

    assert words in fails_to_start(Lihil(lifespan=lifespan), **scope)


def test_a_server_without_a_place_for_the_state_is_named_as_the_reason() -> None:
    async def lifespan() -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}

    async def main() -> Message:
        server = LifespanPeer(Lihil(lifespan=lifespan))
        del server.scope["state"]
        return await server.start()

    answer = run(main())
    assert last_word(answer) == "startup.failed"
    assert "this server has no place for it" in answer["message"]


def test_a_clean_up_that_fails_after_a_failed_start_is_logged_beside_it(caplog: pytest.LogCaptureFixture) -> None:
    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        try:
            yield Pool()
        finally:
            raise KeyError("pool")

    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("lifespan")

    app = app_of(body, lifespan=lifespan)
    app.graph.singleton(pool)
    assert "body(data)" in fails_to_start(app)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "KeyError: 'pool'" in caplog.text
    assert "OSError: lifespan" in caplog.text


# Failing to stop.


def test_a_singleton_that_fails_to_close_is_reported_and_the_rest_is_closed() -> None:
    lines: list[str] = []

    class One: ...

    class Two: ...

    async def one() -> AsyncResource[One]:
        try:
            yield One()
        finally:
            lines.append("one closed")

    async def two() -> AsyncResource[Two]:
        yield Two()
        raise OSError("two")

    async def lifespan() -> AsyncIterator[None]:
        yield
        lines.append("stopped")

    app = Lihil(lifespan=lifespan)
    app.graph.singleton(one)
    app.graph.singleton(two)

    async def main() -> Message:
        server = LifespanPeer(app)
        await server.start()
        return await server.stop()

    answer = run(main())
    assert last_word(answer) == "shutdown.failed"
    assert answer["message"].endswith("OSError: two\n")
    assert lines == ["one closed", "stopped"]


def test_a_lifespan_that_fails_to_stop_is_reported() -> None:
    async def lifespan() -> AsyncIterator[None]:
        yield
        raise OSError("disk full")

    async def main() -> Message:
        server = LifespanPeer(Lihil(lifespan=lifespan))
        await server.start()
        return await server.stop()

    answer = run(main())
    assert (last_word(answer), answer["message"].endswith("OSError: disk full\n")) == ("shutdown.failed", True)


def test_a_server_that_is_cancelled_still_closes_everything() -> None:
    lines: list[str] = []

    class Pool: ...

    async def pool() -> AsyncResource[Pool]:
        yield Pool()
        lines.append("pool closed")

    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            lines.append("stopped")

    app = Lihil(lifespan=lifespan)
    app.graph.singleton(pool)

    async def main() -> bool:
        server = LifespanPeer(app)
        await server.start()
        server.task.cancel()
        await asyncio.wait([server.task])
        return server.task.cancelled()

    assert run(main())
    assert lines == ["pool closed", "stopped"]
