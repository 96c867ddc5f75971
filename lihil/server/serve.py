"""uvicorn as lihil runs it: the protocol classes of this room, and an end that says why and keeps its bounds."""

import asyncio
import logging
import random
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn import Config

from lihil.asgi import ASGIApp
from lihil.rfc6455.close import CloseCode
from lihil.rfc6455.events import Close
from lihil.server.arrivals import Arrivals
from lihil.server.drain import Drain, drain_within, hurry, plan_batches
from lihil.server.http_protocol import HTTPProtocol
from lihil.server.ws_protocol import WebSocketProtocol

logger: logging.Logger = logging.getLogger("uvicorn.error")

STOP: Final[Close] = WebSocketProtocol.shutdown_close
RELOAD: Final = Close(CloseCode.SERVICE_RESTART, "reload")

DEFAULT_DRAIN_S: Final = 8.0
"""Below the ten seconds after which a container's host kills what it has asked to end."""

_LOOK_S = 0.02  # how often a draining server looks whether anything is left
_TICK_S = 1.0  # how often uvicorn renews its date header and looks at its limits


def make_config(app: ASGIApp, **settings: Any) -> Config:
    """uvicorn's settings for `app`, with our protocols, no `server` header and no faith in a proxy's; yours win."""
    ours = {
        "interface": "asgi3",
        "http": HTTPProtocol,
        "ws": WebSocketProtocol,
        "server_header": False,
        "proxy_headers": False,
        "workers": 1,
    }
    return Config(app, **{**ours, **settings})


class Server(uvicorn.Server):
    """uvicorn's server, with an end that is bounded whatever clients and handlers do.

    `closing` is what open WebSockets are told when it stops, and `drain` how long everything may take.
    """

    closing: Close = STOP

    def __init__(self, config: Config, drain: Drain | None = None) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        super().__init__(config)
        self.drain: Drain = drain or drain_within(config.timeout_graceful_shutdown or DEFAULT_DRAIN_S)
        self._began = 0.0  # when the end did, in the loop's time
        self._known: set[object] = set()  # the WebSockets that are told, or will be
        self._untold: list[WebSocketProtocol] = []
        self._arrivals = Arrivals()

    @property
    def should_exit(self) -> bool:
        """Whether the end has begun, or is to begin; uvicorn's own way of saying so is to set it."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed, and so the end is over
                self._loop.call_soon_threadsafe(self._woken.set)

    def stop(self, closing: Close | None = None, *, hurried: bool = False) -> None:
        """Begin the end, or hurry one that is under way. For any thread, and for signal handlers."""
        if not self.should_exit:
            self.closing = closing or self.closing
        if hurried:
            self.drain = hurry(self.drain)
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM stops, SIGINT hurries: behind it is a person who waits."""
        self._captured_signals.append(sig)
        self.stop(hurried=sig == signal.SIGINT)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app's lifespan and accept connections."""
        if self.config.ssl is not None:
            make: Any = self._arrivals.ahead_of(self.config.http_protocol_class)
            self.config.http_protocol_class = make
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Until it is to stop. uvicorn's own looks ten times a second, and so is late and never idle."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._woken.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, tell who is connected, wait, cancel, abandon, and end the lifespan: see `drain`."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        self._notice()
        telling = loop.create_task(self._tell_in_batches())
        await self._wait(lambda: self.drain.cancel_s)
        telling.cancel()
        self._tell(len(self._untold))
        self._cancel_tasks()
        await self._wait(lambda: self.drain.abandon_s)
        if not self.force_exit:
            await self._end_lifespan(self._began + self.drain.end_s - loop.time())

    def _notice(self) -> None:
        """Line up the WebSockets that are not known yet, and let the HTTP connections end when they have answered."""
        for connection in list(self.server_state.connections):
            if connection in self._known:
                continue
            self._known.add(connection)
            if isinstance(connection, WebSocketProtocol):
                self._untold.append(connection)
            else:
                connection.shutdown()

    async def _tell_in_batches(self) -> None:
        loop = asyncio.get_running_loop()
        for at_s, count in plan_batches(len(self._untold), self.drain.spread_s, random.random):  # noqa: S311
            await asyncio.sleep(self._began + at_s - loop.time())
            self._tell(count)

    def _tell(self, count: int) -> None:
        """Tell the next `count` WebSockets, and give each a part of the time to read what came before that."""
        batch, self._untold = self._untold[:count], self._untold[count:]
        for websocket in batch:
            websocket.shutdown_close = self.closing
            websocket.shutdown_timeout_s = max(self.drain.cancel_s / 4, WebSocketProtocol.shutdown_timeout_s)
            websocket.shutdown()

    async def _wait(self, bound_s: Callable[[], float]) -> None:
        """Return when nothing is left, or so long after the beginning; the bound may shrink meanwhile."""
        state, loop = self.server_state, asyncio.get_running_loop()
        while not self.force_exit and (state.connections or state.tasks or self._expects_arrivals):
            left_s = self._began + bound_s() - loop.time()
            if left_s <= 0:
                return
            await asyncio.sleep(min(_LOOK_S, left_s))
            scheduled = len(self._untold)
            self._notice()
            late = self._untold[scheduled:]  # upgraded since the beginning
            self._untold = late + self._untold[:scheduled]
            self._tell(len(late))

    @property
    def _expects_arrivals(self) -> bool:
        waited_s = asyncio.get_running_loop().time() - self._began
        return len(self._arrivals) > 0 and waited_s < self._arrivals.patience_s

    def _cancel_tasks(self) -> None:
        tasks = list(self.server_state.tasks)
        if tasks and self.drain.spread_s:  # in a hurry it is the ordinary end of every handler that waits
            logger.warning("%d handler(s) had not ended after %g s: cancelled", len(tasks), self.drain.cancel_s)
        for task in tasks:
            task.cancel(msg="the server is stopping")

    async def _end_lifespan(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self.lifespan.shutdown(), max(timeout_s, 0))
        except TimeoutError:
            logger.error("the app's shutdown did not end in time: left")
