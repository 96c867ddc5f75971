"""An open WebSocket over a wire: messages in and out, and the ways to end it, well or badly."""

import asyncio
import os
from collections import deque
from collections.abc import Callable

from lihil_cli.wstest.closing import Closed
from lihil_cli.wstest.network.handshake import ConnectionEndedError, Response
from lihil_cli.wstest.network.trace import Frame, FrameTracer
from lihil_cli.wstest.network.wire import Wire
from lihil_cli.wstest.protocol import EVENT_BYTES, Close, Failure, Ping, Pong, State, StateError
from lihil_cli.wstest.protocol import Connection as Protocol

LOST = 1006
_MAX_WAITING_BYTES = 2**20
"""Of messages that nobody has taken yet; beyond it, nothing more is read, and TCP makes the server wait."""


class WireConnection:
    """The `Connection` to a server."""

    def __init__(
        self,
        wire: Wire,
        protocol: Protocol,
        response: Response,
        *,
        subprotocol: str | None = None,
        is_compressed: bool = False,
        close_timeout_s: float = 1.0,
        ping_interval_s: float | None = None,
    ) -> None:
        self.request = b""
        self.response = response
        self.subprotocol = subprotocol
        self.is_compressed = is_compressed
        self.on_frame: Callable[[Frame], None] | None = None
        self.failure: BaseException | None = None
        self.arrived_at = 0.0
        self.heard_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._wire = wire
        self._protocol = protocol
        self._close_timeout_s = close_timeout_s
        self._ping_interval_s = ping_interval_s
        self._ins, self._outs = FrameTracer(is_outgoing=False), FrameTracer(is_outgoing=True)
        self._messages: deque[tuple[str | bytes, float]] = deque()
        self._waiting_bytes = 0
        self._pings: list[tuple[bytes, asyncio.Future[float | None], float]] = []
        self._has_begun = False
        self._has_asked_to_close = False
        self._ending: Closed | None = None
        self._is_over = False
        self._news: asyncio.Future[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    # What callers do; `Connection` says it

    async def receive(self) -> str | bytes:
        # What comes behind a message, an end included, is not looked at before the next call: until then the message
        # can be answered.
        self._begin()
        while not self._messages:
            if self._protocol.has_buffered:
                await asyncio.sleep(0)  # a read can hold 100,000 messages, and Ctrl-C wants its turn
                self._take(b"")
            elif self._is_over:
                raise ConnectionEndedError(self._ending or Closed(LOST, by="nobody"))
            else:
                self._news = self._loop.create_future()
                await self._news
        message, self.arrived_at = self._messages.popleft()
        self._waiting_bytes -= len(message) + EVENT_BYTES
        self._read_on()
        return message

    async def send(self, payload: str | bytes) -> None:
        self._begin()
        if self._protocol.state is State.OPEN:
            send = self._protocol.send_text if isinstance(payload, str) else self._protocol.send_bytes
            self._write(send(payload))  # type: ignore[arg-type]
        await self._wire.drain()

    async def send_fragments(self, payload: str | bytes, size: int) -> None:
        self._begin()
        if self._protocol.state is State.OPEN:
            for frame in self._protocol.send_fragments(payload, size):
                self._write(frame)
                await self._wire.drain()

    async def send_raw(self, data: bytes) -> None:
        self._begin()
        self._write(data)
        await self._wire.drain()

    async def ping(self, payload: bytes = b"") -> float | None:
        self._begin()
        payload = payload or os.urandom(4)
        if self._is_over or self._protocol.state is not State.OPEN:
            return None
        answer: asyncio.Future[float | None] = self._loop.create_future()
        self._write(self._protocol.ping(payload))
        self._pings.append((payload, answer, self._loop.time()))
        return await answer

    async def pong(self, data: bytes = b"") -> None:
        self._begin()
        if self._protocol.state is State.OPEN:
            self._write(self._protocol.pong(data))
        await self._wire.drain()

    async def close(self, code: int, reason: str = "") -> None:
        self._begin()
        if self._protocol.state is State.OPEN:
            self._write(self._protocol.close(code, reason))
            self._has_asked_to_close = True
            self._timers.append(self._loop.call_later(self._close_timeout_s, self._wire.abort))
        await self._wire.drain()

    async def drop(self) -> None:
        self._wire.abort()
        await self._wire.wait_lost()

    def stall(self, seconds: float) -> None:
        self._begin()
        self._wire.pause("stall")
        self._timers.append(self._loop.call_later(seconds, self._wire.resume, "stall"))

    # What comes in

    def _begin(self) -> None:
        """Nothing is read before somebody wants something, so that `on_frame` can be set in time."""
        if self._has_begun:
            return
        self._has_begun = True
        self._wire.hand_over(self._take, self._finish)
        self._keep_alive()

    def _take(self, data: bytes) -> None:
        if self._protocol.state is not State.CLOSED:
            self._trace(self._ins, data)
        room = _MAX_WAITING_BYTES - self._waiting_bytes
        events = self._protocol.receive(data, max(room, 1))
        self._write(self._protocol.take_output())
        now = self._loop.time()
        if self._ins.is_inside:
            self.heard_at = now
        for event in events:
            if isinstance(event, str | bytes):
                self._messages.append((event, now))
                self._waiting_bytes += len(event) + EVENT_BYTES
            elif not isinstance(event, Ping):
                self._note(event, now)
        if self._messages:
            self._wake()
        self._read_on()

    def _read_on(self) -> None:
        """Read more from the wire when there is room for it, or nothing until there is."""
        if self._protocol.has_buffered or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._wire.pause("full")
        else:
            self._wire.resume("full")

    def _note(self, event: Pong | Close | Failure, now: float) -> None:
        match event:
            case Pong(payload):
                self._settle_pings(payload, now)
            case Close(code, reason):
                self._end_soon(self._closing(code, reason))
            case _:
                self._end_soon(Closed(event.code, event.reason, "client"))

    def _settle_pings(self, payload: bytes, now: float) -> None:
        """A pong answers its ping and those before it (section 5.5.3); one that belongs to none means nothing."""
        answered = next((at for at, (sent, _, _) in enumerate(self._pings) if sent == payload), -1)
        for _, answer, sent_at in self._pings[: answered + 1]:
            if not answer.done():
                answer.set_result(now - sent_at)
        del self._pings[: answered + 1]

    # The end

    def _closing(self, code: int, reason: str) -> Closed:
        """An answer to our close need not repeat the reason (section 5.5.1), which is ours then."""
        ours = self._protocol.close_sent
        if not self._has_asked_to_close or ours is None:
            return Closed(code, reason, "server")
        return Closed(code, reason or (ours.reason if code == ours.code else ""), "client")

    def _end_soon(self, ending: Closed) -> None:
        """Both close frames are there, or a rule is broken: it is the server that ends TCP (section 7.1.1), in time."""
        self._ending = ending
        self._wire.finish_writing()
        self._timers.append(self._loop.call_later(self._close_timeout_s, self._wire.abort))

    def _finish(self) -> None:
        self._is_over = True
        for timer in self._timers:
            timer.cancel()
        for _, answer, _ in self._pings:
            if not answer.done():
                answer.set_result(None)
        self._pings.clear()
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # What goes out

    def _write(self, data: bytes) -> None:
        if data:
            self._trace(self._outs, data)
            self._wire.write(data)

    def _trace(self, tracer: FrameTracer, data: bytes) -> None:
        tell = self.on_frame
        for frame in tracer.feed(data, wanted=tell is not None):
            if tell is not None:
                tell(frame)

    def _keep_alive(self) -> None:
        """A ping now and then, so that nothing in between takes the connection for a dead one.

        Nobody waits for the pong: a server that stands at a breakpoint is not dead either.
        """
        if not self._ping_interval_s or self._is_over:
            return
        try:
            self._write(self._protocol.ping())
        except StateError:
            return
        self._timers.append(self._loop.call_later(self._ping_interval_s, self._keep_alive))
