"""uvicorn's protocols behind a door that can be opened and closed, and a farewell that takes no longer than needed.

uvicorn's own server looks every 0.1 s whether it is to end, and sleeps when it is: too long for somebody who has just
saved a file.
"""

import asyncio
import socket
import time
from asyncio import TimerHandle
from collections.abc import Callable, Sized
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from uvicorn import Config
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from lihil.rfc6455.events import Close
from lihil.server.arrivals import Arrivals
from lihil.server.ws_protocol import WebSocketProtocol
from lihil_cli.devserver.sockets import WatchedWebSocket

BACKLOG = 2048
_CANCEL_S = 0.2  # for handlers that are cancelled, and for clients to hear of it


class _Crowd(set[Any]):
    """A set that says when somebody has come or gone; uvicorn's protocols and tasks only ever add and discard."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__()
        self._on_change = on_change

    def add(self, member: object) -> None:
        super().add(member)
        self._on_change()

    def discard(self, member: object) -> None:
        super().discard(member)
        self._on_change()


class Service:
    """One app being served. To be made in the event loop that serves it.

    `look` is called often while it serves, above all before and after each request, and must be cheap.
    """

    def __init__(self, config: Config, listener: socket.socket, look: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._door: asyncio.Server | None = None
        self._news = asyncio.Event()
        self._arrivals = Arrivals()
        self._look = look
        self._connections, self._tasks = _Crowd(self._notice), _Crowd(self._notice)
        self.state = ServerState()
        self.state.connections, self.state.tasks = self._connections, self._tasks
        self._lifespan: LifespanOn | None = None
        self._clock: TimerHandle | None = None

    @property
    def is_started(self) -> bool:
        """Whether the app's lifespan is running."""
        return self._lifespan is not None

    async def start(self) -> bool:
        """Start the app's lifespan; False when it failed, which the app itself has been told the reason of."""
        lifespan = self._config.lifespan_class(self._config)
        await lifespan.startup()
        if lifespan.should_exit:
            return False
        self._lifespan = lifespan
        return True

    async def open(self) -> None:
        """Accept connections from now on, first of all those that wait already."""
        self._tell_time()
        door = self._listener.dup()
        self._door = await self._loop.create_server(self._protocol, sock=door, ssl=self._config.ssl, backlog=BACKLOG)

    async def close(self) -> None:
        """Accept none from now on; when this returns, every connection that was accepted has its protocol."""
        if self._door is None:
            return
        self._door.close()
        self._door = None
        for _ in range(3):  # what the loop took from the kernel in its last round is handed out in the next
            await asyncio.sleep(0)

    def _notice(self) -> None:
        self._look()
        self._news.set()

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self._config.http_protocol_class
        state = self._lifespan.state if self._lifespan is not None else {}
        if self._config.ssl is not None:
            make = self._arrivals.ahead_of(make)
        protocol: asyncio.Protocol = make(config=self._config, server_state=self.state, app_state=state)
        return protocol

    async def say_goodbye(self, close: Close, *, grace_s: float) -> None:
        """Tell every WebSocket why it is closed, answer what was asked, and be done soon after the grace.

        A connection that has not asked anything yet may still do so for a moment, see HTTPProtocol.patience_s; if it
        asks for a WebSocket, it is told as well. What is not over after `grace_s` is cancelled, then cut off.
        """
        told: set[Any] = set()

        def tell() -> None:
            for connection in self._connections - told:
                told.add(connection)
                connection.shutdown_timeout_s = grace_s
                if isinstance(connection, WebSocketProtocol):
                    connection.shutdown_close = close
                connection.shutdown()

        everybody, began = (self._connections, self._tasks), self._loop.time()
        await self._leave(self._arrivals, tell=tell, until=began + min(self._arrivals.patience_s, grace_s))
        if await self._leave(*everybody, tell=tell, until=began + grace_s):
            return
        for connection in list(self._connections):
            if isinstance(connection, WatchedWebSocket):
                connection.refuse_unanswered()
        for task in list(self._tasks):
            task.cancel()
        if not await self._leave(*everybody, tell=tell, until=self._loop.time() + _CANCEL_S):
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)

    async def _leave(self, *crowds: Sized, tell: Callable[[], None], until: float) -> bool:
        """Return when nobody is left in the crowds or the time has come, and whether it was the first.

        Newcomers are told meanwhile.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while any(crowds):
                    tell()
                    self._news.clear()
                    await self._news.wait()
        return not any(crowds)

    async def stop(self) -> None:
        """Shut the app's lifespan down."""
        if self._clock is not None:
            self._clock.cancel()
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is not None:
            await lifespan.shutdown()

    def _tell_time(self) -> None:
        """The Date field of every response (RFC 9110, section 6.6.1), once a second."""
        self._look()
        date = [(b"date", formatdate(time.time(), usegmt=True).encode())] if self._config.date_header else []
        self.state.default_headers = date + self._config.encoded_headers
        self._clock = self._loop.call_later(1, self._tell_time)
