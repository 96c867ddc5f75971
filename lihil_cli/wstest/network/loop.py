"""The event loop of one conversation."""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """An event loop that does not wait, when it ends, for a name that is still being looked up.

    The usual one hands that to a thread pool, and the pool's end would hold up Ctrl-C and --timeout.
    """

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: str | None,
        port: str | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the event loop's own name for it
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        answer: asyncio.Future[list[tuple[Any, ...]]] = self.create_future()

        def settle(found: list[tuple[Any, ...]], error: OSError | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            found: list[tuple[Any, ...]] = []
            failure: OSError | None = None
            try:
                found = list(socket.getaddrinfo(host, port, family, type, proto, flags))
            except OSError as error:
                failure = error
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self.call_soon_threadsafe(settle, found, failure)

        threading.Thread(target=look_up, name="resolver", daemon=True).start()
        return await answer
