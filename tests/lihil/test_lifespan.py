"""The lifespan in each form a user may write it in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lihil import Lihil, SetupError
from lihil.lifespan import enter_lifespan


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
