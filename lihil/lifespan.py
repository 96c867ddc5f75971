"""What runs while an app lives: the user's lifespan, in any of its forms, as one async context manager."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final, TypeAlias

from lihil.di.node import problem_at
from lihil.errors import SetupError, SetupProblem

State: TypeAlias = Mapping[str, Any] | None
Lifespan: TypeAlias = Callable[..., AbstractAsyncContextManager[Any] | AsyncGenerator[Any, None] | AsyncIterator[Any]]

_FIX: Final = "write `async def lifespan(app): ...; yield; ...`"
_POSITIONAL: Final = {
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
}


def enter_lifespan(lifespan: Lifespan | None, app: object) -> AbstractAsyncContextManager[State]:
    """The lifespan of `app` as a context manager that gives the state it yields.

    `lifespan` is an async generator function, or a function that returns an async context manager; it is called with
    the app, or with nothing when it takes no parameter. Raises SetupError for anything else.
    """
    if lifespan is None:
        return nullcontext()
    if not callable(lifespan):
        raise SetupError([SetupProblem(f"the lifespan is {lifespan!r}, which cannot be called", _FIX)])
    made: object = lifespan(app) if _takes_app(lifespan) else lifespan()
    if inspect.isasyncgen(made):
        context: AbstractAsyncContextManager[Any] = asynccontextmanager(lambda: made)()
        return context
    if isinstance(made, AbstractAsyncContextManager):
        return made
    if inspect.iscoroutine(made):
        made.close()
    what = f"the lifespan gave {type(made).__name__}, which is no async context manager"
    raise SetupError([problem_at(lifespan, what, _FIX)])


def _takes_app(lifespan: Lifespan) -> bool:
    try:
        parameters = inspect.signature(lifespan).parameters.values()
    except (TypeError, ValueError):  # a callable that does not tell
        return True
    return any(parameter.kind in _POSITIONAL for parameter in parameters)
