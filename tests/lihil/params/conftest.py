"""One parameter, read as a handler's parameter would be."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest

from lihil.binding.plan import FIRST_PARAMETER, make_plan
from lihil.binding.signature import Target
from lihil.di.registry import Providers
from lihil.params.sources import Sources
from lihil.params.spec import MISSING

Read: TypeAlias = Callable[..., Any]


def read_parameter(
    annotation: Any,
    query: str | bytes = b"",
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    path: Mapping[str, str] | None = None,
    body: bytes = b"",
    default: object = MISSING,
) -> Any:
    """What a handler gets as its parameter `x`. Raises SetupError and ParametersError."""

    async def handler(x: Any) -> Any:
        return x

    handler.__annotations__["x"] = annotation
    if default is not MISSING:
        handler.__defaults__ = (default,)
    target = Target(path_names=frozenset(path or ()), given={}, first_outer=FIRST_PARAMETER, takes_body=True)
    scope = {
        "query_string": query.encode() if isinstance(query, str) else query,
        "headers": headers,
        "lihil.path": path or {},
    }
    return asyncio.run(_run(handler, target, Sources(scope, body=body)))


async def _run(handler: Callable[..., Any], target: Target, sources: Sources) -> Any:
    return await make_plan(handler, target, Providers([]), {})(None, sources)


@pytest.fixture(scope="session")
def read() -> Read:
    return read_parameter
