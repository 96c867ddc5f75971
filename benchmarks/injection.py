"""What injection costs per connection: the compiled plan against the same written by hand.

`python benchmarks/injection.py` measures one async-generator resource that takes a value of its connection, and a
handler that takes the resource: as lihil compiles it, with contextlib.AsyncExitStack, and as one `async for`. The
three take turns, round by round, so that a busy machine slows all alike; the best round of each counts. The target is
at most 3 microseconds per connection, and at most 0.7 of what AsyncExitStack takes.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from lihil import AsyncResource, use
from lihil.binding.plan import CONNECTION, FIRST_PARAMETER, make_plan
from lihil.binding.signature import Target
from lihil.di.registry import Providers

ROUNDS = 400
CONNECTIONS_PER_ROUND = 200


class Connection:
    """Stands for a WebSocket."""

    name = "alice"


class Session:
    """What the resource makes."""

    def __init__(self, name: str) -> None:
        self.name = name


async def open_session(connection: Connection) -> AsyncResource[Session]:
    session = Session(connection.name)
    try:
        yield session
    finally:
        session.name = ""


async def handler(session: Annotated[Session, use(open_session)]) -> str:
    return session.name


def compiled() -> Callable[[Connection], Awaitable[str]]:
    """The plan that lihil runs for a connection, with everything but the reading of text parameters."""
    target = Target(path_names=frozenset(), given={Connection: CONNECTION}, first_outer=FIRST_PARAMETER)
    run = make_plan(handler, target, Providers([]), {}).run

    async def serve(connection: Connection) -> str:
        result: str = await run([connection, None])
        return result

    return serve


managed_session = asynccontextmanager(open_session)


async def with_exit_stack(connection: Connection) -> str:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(managed_session(connection))
        return await handler(session)


async def by_hand(connection: Connection) -> str:
    sessions = open_session(connection)
    try:
        result = ""
        async for session in sessions:
            result = await handler(session)
        return result
    finally:
        await sessions.aclose()


async def seconds_of_round(serve: Callable[[Connection], Awaitable[str]]) -> float:
    connection = Connection()
    start = time.perf_counter()
    for _ in range(CONNECTIONS_PER_ROUND):
        await serve(connection)
    return time.perf_counter() - start


async def main() -> None:
    contenders = {"compiled plan": compiled(), "AsyncExitStack": with_exit_stack, "async for by hand": by_hand}
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, serve in contenders.items():
            best[name] = min(best[name], await seconds_of_round(serve))
    stack = best["AsyncExitStack"]
    print(f"{'one resource per connection':<28}{'us':>8}{'ratio':>8}")
    for name, seconds in best.items():
        print(f"{name:<28}{seconds / CONNECTIONS_PER_ROUND * 1e6:>8.2f}{seconds / stack:>8.2f}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}")


if __name__ == "__main__":
    asyncio.run(main())
