"""A WebSocket connection in memory: the server's side as uvicorn plays it, and the client's end of the wire."""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum

from lihil.asgi import (
    WS_ACCEPT,
    WS_CLOSE,
    WS_CONNECT,
    WS_DENIAL_BODY,
    WS_DENIAL_START,
    WS_DISCONNECT,
    WS_SEND,
    ASGIApp,
    Message,
    RawHeaders,
    Scope,
)
from lihil.errors import WebSocketDisconnect
from lihil.testing.call import AppCall, ClientGoneError, Wait
from lihil.testing.errors import ABNORMAL_CLOSURE
from lihil.testing.scope import headers_of

__tracebackhide__ = True  # pytest shows the line of the test instead

# Messages that may wait in one direction before the sender has to: a real connection has its socket buffers.
BUFFERED_MAX = 1024

# RFC 6455, section 7.4, and the IANA registry: the codes that may stand in a Close frame.
_CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
_REASON_MAX_BYTES = 123
_INTERNAL_ERROR = 1011


class State(Enum):
    """Where a connection stands; the value says so to people."""

    CONNECTING = "not accepted yet"
    DENYING = "a denial response begun and not finished"
    REFUSED = "refused by the app"
    OPEN = "open"
    CLOSED = "closed by the app"
    GONE = "closed by the client"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to the opening handshake; 101 opens the connection."""

    status: int
    headers: RawHeaders = ()
    body: bytes = b""
    subprotocol: str | None = None
    note: str = ""


class Wire:
    """One connection. `receive` and `send` are the app's; the rest is the client's. All of it runs on one loop."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self.call: AppCall = AppCall(app, scope, title=f"WebSocket {scope['path']}", state=State.CONNECTING.value)
        self.has_seen_end: bool = False
        self._state = State.CONNECTING
        self._inbox: deque[Message] = deque([{"type": WS_CONNECT}])
        self._outbox: deque[Message] = deque()
        self._answer: Answer | None = None
        self._denial = Answer(0)
        self._ending: tuple[int, str] | None = None

    # The app's side.

    async def receive(self) -> Message:
        """The next message to the app; after a disconnect that same one again, where a server would wait for ever."""
        await self.call.when(lambda: bool(self._inbox))
        message = self._inbox[0]
        self.call.note("the app got", message)
        if message["type"] == WS_DISCONNECT:
            await asyncio.sleep(0)  # or an app that never heeds it would starve the loop
            return message
        self.call.changed()
        return self._inbox.popleft()

    async def send(self, message: Message) -> None:
        """Take a message from the app.

        Raises RuntimeError where it is not allowed, and ClientGoneError when the client has left.
        """
        if self._state is State.GONE:
            raise ClientGoneError("the client has closed the connection")
        step = _STEPS.get((self._state, message["type"]))
        if step is None:
            allowed = " or ".join(repr(kind) for state, kind in _STEPS if state is self._state) or "nothing more"
            raise RuntimeError(
                f"the app sent the ASGI message {message['type']!r} on a connection that is {self._state.value}; "
                f"allowed there: {allowed}"
            )
        self.call.note("the app sent", message)
        step(self, message)
        self.call.changed()
        await self.call.when(lambda: len(self._outbox) <= BUFFERED_MAX or self._state is not State.OPEN)

    def _accept(self, message: Message) -> None:
        self._answer = Answer(101, headers_of(message), subprotocol=message.get("subprotocol"))
        self._move(State.OPEN)

    def _refuse(self, message: Message) -> None:
        code, reason = message.get("code", 1000), message.get("reason") or ""
        said = f"{code} {reason!r}" if reason else str(code)
        note = f"the app closed with {said} before it accepted; on a real server no client sees more than the 403"
        self._answer = Answer(403, _plain_headers(b""), note=note)
        self._end(State.REFUSED, ABNORMAL_CLOSURE, "")

    def _begin_denial(self, message: Message) -> None:
        status = message["status"]
        if not 100 <= status < 600:
            raise RuntimeError(f"{status!r} is no HTTP status; a denial response takes one from 100 to 599")
        self._denial = Answer(status, headers_of(message))
        self._move(State.DENYING)

    def _extend_denial(self, message: Message) -> None:
        begun = self._denial
        body = begun.body + message.get("body", b"")
        self._denial = Answer(begun.status, begun.headers, body)
        if message.get("more_body", False):
            return
        given = {name.lower() for name, _ in begun.headers}
        defaults = [(name, value) for name, value in _plain_headers(body) if name not in given]
        self._answer = Answer(begun.status, [*begun.headers, *defaults], body)
        self._end(State.REFUSED, ABNORMAL_CLOSURE, "")

    def _deliver(self, message: Message) -> None:
        # uvicorn prefers bytes when an app gives both, and writes no frame when it gives neither.
        if message.get("bytes") is not None:
            self._outbox.append({"type": WS_SEND, "bytes": bytes(message["bytes"])})
        elif message.get("text") is not None:
            self._outbox.append({"type": WS_SEND, "text": message["text"]})

    def _close(self, message: Message) -> None:
        code, reason = message.get("code", 1000), message.get("reason") or ""
        if code not in _CLOSE_CODES:
            raise RuntimeError(f"{code!r} may not stand in a Close frame; use 1000, or your own from 4000 to 4999")
        if len(reason.encode()) > _REASON_MAX_BYTES:
            raise RuntimeError(f"a close reason takes 123 bytes at most (RFC 6455, section 5.5), not {reason!r}")
        self._outbox.append({"type": WS_CLOSE, "code": code, "reason": reason})
        self._end(State.CLOSED, code, reason)

    # The client's side.

    async def connect(self, wait: Wait) -> Answer:
        """Call the app and give its answer; WebSocketDisconnect(1006) when it breaks off inside a denial response."""
        self.call.start(self.receive, self.send)
        await self.call.until(lambda: self._answer is not None or not self.call.is_running, wait)
        if self._answer is not None:
            return self._answer
        if self._state is State.DENYING:
            reason = "the app began a denial response and never finished it"
            raise WebSocketDisconnect(ABNORMAL_CLOSURE, reason) from self.failure()
        failure = self.call.failure
        note = f"the app raised {failure!r}" if failure else "the app returned"
        body = b"Internal Server Error"
        return Answer(500, _plain_headers(body), body, note=f"{note} without an answer to the handshake")

    async def put(self, message: Message, wait: Wait) -> None:
        """Send to the app; dropped, as on a server, when the app has ended. WebSocketDisconnect once that was seen."""
        if self.has_seen_end or self._state is State.GONE:
            raise self.disconnect()
        await self.call.until(lambda: len(self._inbox) < BUFFERED_MAX or not self._is_listening(), wait)
        if self._is_listening():
            self._inbox.append(message)
            self.call.changed()

    async def take(self, wait: Wait) -> Message:
        """The app's next `websocket.send` or `websocket.close`; WebSocketDisconnect when none will ever come."""
        await self.call.until(lambda: bool(self._outbox) or not self._is_listening(), wait)
        if not self._outbox:
            raise self.disconnect()
        message = self._outbox.popleft()
        self.has_seen_end = self.has_seen_end or message["type"] == WS_CLOSE
        self.call.changed()
        return message

    async def hang_up(self, code: int, reason: str) -> None:
        """Close from the client's side; no more than that when the connection is over already."""
        if self._is_listening():
            self._end(State.GONE, code, reason)
        elif self._state in {State.CONNECTING, State.DENYING}:
            self._end(State.GONE, ABNORMAL_CLOSURE, "")
        self.call.changed()

    async def leave(self, grace_s: float) -> None:
        """Close with 1000 unless that is done, and let the app end; AppTimeout when even a cancel does not help."""
        await self.hang_up(1000, "")
        await self.call.stop(grace_s)

    def disconnect(self) -> WebSocketDisconnect:
        """How the connection ended, with the app's exception as its cause.

        A server just drops the connection when the app raises (1006); a test is told 1011, the code that RFC 6455,
        section 7.4.1, has for it, so that a crash and a return without a close are two things.
        """
        self.has_seen_end = True
        failure = self.call.observe(has_left=self._has_ended())
        code, reason = self._ending or (_INTERNAL_ERROR if failure else ABNORMAL_CLOSURE, "")
        ended = WebSocketDisconnect(code, reason)
        ended.__cause__ = failure
        return ended

    def failure(self) -> BaseException | None:
        """What the app raised, to be shown to the test now."""
        return self.call.observe(has_left=self._has_ended())

    def unobserved_failure(self) -> BaseException | None:
        """What the app raised and no one was told."""
        return self.call.unobserved(has_left=self._has_ended())

    def _has_ended(self) -> bool:
        return self._ending is not None

    def _is_listening(self) -> bool:
        return self._state is State.OPEN and self.call.is_running

    def _end(self, state: State, code: int, reason: str) -> None:
        self._ending = (code, reason)
        self._inbox.append({"type": WS_DISCONNECT, "code": code, "reason": reason})
        self._move(state, f" with {code}")

    def _move(self, state: State, detail: str = "") -> None:
        self._state = state
        self.call.state = state.value + detail


def _plain_headers(body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers that uvicorn gives a refusal which has none of its own."""
    return [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]


_STEPS = {
    (State.CONNECTING, WS_ACCEPT): Wire._accept,
    (State.CONNECTING, WS_CLOSE): Wire._refuse,
    (State.CONNECTING, WS_DENIAL_START): Wire._begin_denial,
    (State.DENYING, WS_DENIAL_BODY): Wire._extend_denial,
    (State.OPEN, WS_SEND): Wire._deliver,
    (State.OPEN, WS_CLOSE): Wire._close,
}
