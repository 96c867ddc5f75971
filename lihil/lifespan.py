"""What runs while an app lives: the user's lifespan, in any of its forms, as one async context manager."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeAlias

from lihil.di.node import problem_at
from lihil.errors import SetupError

State: TypeAlias = Mapping[str, Any] | None
Lifespan: TypeAlias = Callable[..., AbstractAsyncContextManager[Any] | AsyncGenerator[Any, None] | AsyncIterator[Any]]


def enter_lifespan(lifespan: Lifespan | None, app: object) -> AbstractAsyncContextManager[State]:
    """The lifespan of `app` as a context manager that gives the state it yields.

    `lifespan` is an async generator function, or a function that returns an async context manager; it is called with
    the app, or with nothing when it takes no parameter. Raises SetupError for anything else.
    """
    if lifespan is None:
        return nullcontext()
    made = lifespan(app) if _takes_app(lifespan) else lifespan()
    if inspect.isasyncgen(made):
        context: AbstractAsyncContextManager[Any] = asynccontextmanager(lambda: made)()
        return context
    if isinstance(made, AbstractAsyncContextManager):
        return made
    what = f"it gave {made!r}, which is no async context manager"
    fix = "write `async def lifespan(app): ...; yield; ...`"
    raise SetupError([problem_at(lifespan, what, fix)])


def _takes_app(lifespan: Lifespan) -> bool:
    try:
        return bool(inspect.signature(lifespan).parameters)
    except (TypeError, ValueError):
        return True
