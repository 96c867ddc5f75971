"""A server's side of one WebSocket, played by hand, and a loop on which waiting takes no time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import Context
from typing import Any, TypeVar

from lihil import Lihil, WebSocketRoute
from lihil.asgi import ASGIApp, Message, Scope

T = TypeVar("T")
DENIAL: Mapping[str, Any] = {"websocket.http.response": {}}
ENDS = {"websocket.close"}


class _Clock(selectors.SelectSelector):
    """Moves its time on when nothing else is left to do."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits, and nothing will ever happen")
        if not ready and timeout is not None:
            self.now += max(timeout, 0)
        return ready


class InstantLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer; it knows every timer that was ever set."""

    def __init__(self) -> None:
        self.clock = _Clock()
        self.timers: list[asyncio.TimerHandle] = []
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers.append(super().call_at(when, callback, *args, context=context))
        return self.timers[-1]

    def pending_timers(self) -> int:
        return sum(timer.when() > self.time() and not timer.cancelled() for timer in self.timers)


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, with a clock that jumps: `await asyncio.sleep(60)` lets a minute pass at once."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(main)


class Peer:
    """One connection to `app`. `sent` is all that the app sends; a message that no server takes is an error."""

    def __init__(
        self,
        app: ASGIApp,
        path: str = "/ws",
        *,
        query: str = "",
        headers: Iterable[tuple[bytes, bytes]] = (),
        extensions: Mapping[str, Any] = DENIAL,
        **scope: Any,
    ) -> None:
        self.app = app
        self.scope: Scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "query_string": query.encode(),
            "headers": list(headers),
            "client": ("192.0.2.7", 4711),
            "server": ("192.0.2.1", 80),
            "extensions": dict(extensions),
            "state": {},
            **scope,
        }
        self.sent: list[Message] = []
        self.received = 0
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._has_gone = False
        self._changed = asyncio.Event()
        self._inbox.put_nowait({"type": "websocket.connect"})

    def start(self) -> "asyncio.Task[None]":
        self.task = asyncio.ensure_future(self._call())
        return self.task

    async def finish(self) -> list[Message]:
        """Let the app end by itself; what it sent."""
        await (self.task if hasattr(self, "task") else self.start())
        return self.sent

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def opened(self) -> "Peer":
        """Start the app and wait until it has answered the handshake."""
        self.start()
        await self.until(lambda: bool(self.sent))
        return self

    def text(self, *texts: str) -> None:
        for text in texts:
            self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    def binary(self, data: bytes) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self, code: int = 1001, reason: str = "away") -> None:
        self._has_gone = True
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def receive(self) -> Message:
        message = await self._inbox.get()
        self.received += 1
        self._changed.set()
        return message

    async def send(self, message: Message) -> None:
        if self._has_gone:
            raise OSError("the client has gone")
        if self.sent and self.sent[-1]["type"] in ENDS:
            raise RuntimeError(f"{message['type']} after {self.sent[-1]['type']}")
        self.sent.append(message)
        if message["type"] == "websocket.close":  # as uvicorn does
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        self._changed.set()

    async def _call(self) -> None:
        await self.app(self.scope, self.receive, self.send)


def app_of(handler: Callable[..., Any], path: str = "ws", **options: Any) -> Lihil:
    route = WebSocketRoute(path)
    route.ws_handler(handler)
    return Lihil(route, **options)


def kinds(messages: Iterable[Message]) -> list[str]:
    """The last word of each message's type."""
    return [message["type"].rpartition(".")[2] for message in messages]


def texts(messages: Iterable[Message]) -> list[Any]:
    return [message["text"] for message in messages if message["type"] == "websocket.send"]
