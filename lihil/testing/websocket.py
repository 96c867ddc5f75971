"""What `client.websocket_connect` gives: a WebSocket's client end, for code that does not await."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from starlette.datastructures import Headers

from lihil.asgi import WS_CLOSE, WS_DISCONNECT, WS_RECEIVE, Message, RawHeaders
from lihil.errors import WebSocketDisconnect
from lihil.testing.call import Wait
from lihil.testing.errors import ABNORMAL_CLOSURE, AppTimeout, HandshakeRefused, ReceiveTimeout, shortened
from lihil.testing.host import ABORT_GRACE_S, Host
from lihil.testing.loop import LoopThread
from lihil.testing.scope import RequestHead, subprotocols_in, websocket_scope
from lihil.testing.wire import Answer, Wire

__tracebackhide__ = True  # pytest shows the line of the test instead

_NORMAL_CLOSES = {1000, 1001}
# What the app may be told of an end: 1005 is a Close frame without a code, 1006 a connection that was lost.
_CLIENT_CLOSE_CODES = range(1000, 5000)


class WebSocketSession:
    """A WebSocket under test: `with client.websocket_connect("/ws") as ws`.

    Entering it shakes hands, and raises HandshakeRefused when the app refuses. `receive_*` raise WebSocketDisconnect
    when the connection has ended, with the app's exception as `__cause__`, and ReceiveTimeout when nothing comes.
    Leaving it closes with 1000, waits for the app to end, and raises what the app raised unless that was shown before.
    """

    accepted_subprotocol: str | None = None
    extra_headers: RawHeaders = ()

    def __init__(
        self,
        head: RequestHead,
        host: Host,
        *,
        timeout_s: float,
        on_answer: Callable[[int, RawHeaders], None],
    ) -> None:
        self._head = head
        self._host = host
        self._timeout_s = timeout_s
        self._on_answer = on_answer
        self._wire: Wire | None = None
        self._loop: LoopThread | None = None

    @property
    def response_headers(self) -> Headers:
        """The headers that the app accepted with."""
        return Headers(raw=[(name.lower(), value) for name, value in self.extra_headers])

    def send_text(self, data: str, *, timeout_s: float | None = None) -> None:
        """Send a text message. Raises WebSocketDisconnect once the end of the connection was received."""
        self.send({"type": WS_RECEIVE, "text": data}, timeout_s=timeout_s)

    def send_bytes(self, data: bytes, *, timeout_s: float | None = None) -> None:
        """Send a binary message."""
        self.send({"type": WS_RECEIVE, "bytes": bytes(data)}, timeout_s=timeout_s)

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text", *, timeout_s: float | None = None) -> None:
        """Send anything msgspec encodes, as JSON in a message of the kind `mode`."""
        encoded = msgspec.json.encode(data)
        if _checked(mode) == "text":
            return self.send_text(encoded.decode(), timeout_s=timeout_s)
        return self.send_bytes(encoded, timeout_s=timeout_s)

    def receive_text(self, *, timeout_s: float | None = None) -> str:
        """The next message, which has to be text; TypeError when it is binary."""
        text: str = self._receive_kind("text", timeout_s)
        return text

    def receive_bytes(self, *, timeout_s: float | None = None) -> bytes:
        """The next message, which has to be binary; TypeError when it is text."""
        data: bytes = self._receive_kind("bytes", timeout_s)
        return data

    def receive_json(self, mode: Literal["text", "binary"] = "text", *, timeout_s: float | None = None) -> Any:
        """The value of the next message, of the kind `mode`; ValueError when it is not JSON."""
        data = self._receive_kind("text" if _checked(mode) == "text" else "bytes", timeout_s)
        try:
            return json.loads(data)
        except ValueError as exc:
            raise ValueError(f"the app sent {shortened(data)}, which is not JSON: {exc}") from None

    def __iter__(self) -> Iterator[str | bytes]:
        """Every message until the app closes with 1000 or 1001; any other end raises WebSocketDisconnect."""
        while True:
            try:
                message = self._receive_data("a message, by iteration", None)
            except WebSocketDisconnect as ended:
                if ended.code in _NORMAL_CLOSES:
                    return
                raise
            yield message["text"] if "text" in message else message["bytes"]

    def send(self, message: Message, *, timeout_s: float | None = None) -> None:
        """Hand the app an ASGI message: `websocket.receive` or `websocket.disconnect`; ValueError for any other."""
        if message["type"] == WS_DISCONNECT:
            return self.close(message.get("code", 1000), message.get("reason") or "")
        if message["type"] != WS_RECEIVE:
            raise ValueError(f"a client sends {WS_RECEIVE!r} or {WS_DISCONNECT!r}, not {message['type']!r}")
        wire, loop = self._entered()
        wait = self._wait("the app to take a message; it has not read those before", timeout_s)
        return loop.run(wire.put(message, wait), wait)

    def receive(self, *, timeout_s: float | None = None) -> Message:
        """The app's next ASGI message: `websocket.send` or `websocket.close`."""
        return self._take("a message", timeout_s)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection: the app gets `websocket.disconnect`. Closing twice is harmless.

        With 1005 the app is told of a close without a code, with 1006 of a lost connection.
        Raises ValueError for a code outside 1000..4999.
        """
        if code not in _CLIENT_CLOSE_CODES:
            raise ValueError(f"a close code is a number from 1000 to 4999, not {code!r}")
        wire, loop = self._entered()
        loop.run(wire.hang_up(code, reason), self._wait("the connection to close", None))

    def __enter__(self) -> Self:
        if self._wire is not None:
            raise RuntimeError("this WebSocket has been used; call client.websocket_connect(...) for a new one")
        self._wire = Wire(self._host.app, websocket_scope(self._head, self._host))
        self._loop = self._host.borrow(self.abort)
        try:
            self._shake_hands(self._wire, self._loop)
        except BaseException:
            self.abort()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            self._leave_after(exc)
            return
        self._leave(self._timeout_s)
        failure = self._unobserved_failure()
        if failure is not None:
            raise failure

    def abort(self) -> None:
        """Leave without a word about how the app took it."""
        with suppress(AppTimeout):
            self._leave(min(self._timeout_s, ABORT_GRACE_S))

    def _shake_hands(self, wire: Wire, loop: LoopThread) -> None:
        wait = self._wait("the app to accept or refuse the WebSocket", None)
        answer = loop.run(wire.connect(wait), wait)
        self._on_answer(answer.status, answer.headers)
        if answer.status != 101:
            self._leave(self._timeout_s)
            raise HandshakeRefused(answer.status, answer.headers, answer.body, note=answer.note) from wire.failure()
        self._check_subprotocol(answer)
        self.accepted_subprotocol = answer.subprotocol
        self.extra_headers = answer.headers

    def _check_subprotocol(self, answer: Answer) -> None:
        """A client fails a connection whose subprotocol it did not offer (RFC 6455, section 4.1)."""
        offered = subprotocols_in(self._head.headers)
        if answer.subprotocol is not None and answer.subprotocol not in offered:
            raise WebSocketDisconnect(
                ABNORMAL_CLOSURE,
                f"the app accepted the subprotocol {answer.subprotocol!r}; offered were {offered}, "
                "so a browser fails the connection",
            )

    def _leave_after(self, exc: BaseException) -> None:
        """The block's own exception stays the one that is seen; the app's is noted on it."""
        self.abort()
        failure = self._unobserved_failure()
        if failure is not None:
            exc.add_note(f"the app had raised as well: {failure!r}")

    def _leave(self, grace_s: float) -> None:
        if self._loop is None:  # left already, or the client was closed first
            return
        wire, loop = self._entered()
        self._loop = None
        self._host.give_back(self.abort, loop, wire.leave(grace_s), grace_s)

    def _unobserved_failure(self) -> BaseException | None:
        if self._wire is None or not self._host.raise_server_exceptions:
            return None
        return self._wire.unobserved_failure()

    def _receive_kind(self, kind: Literal["text", "bytes"], timeout_s: float | None) -> Any:
        wanted = "a text message" if kind == "text" else "a binary message"
        message = self._receive_data(wanted, timeout_s)
        if kind not in message:
            other = shortened(message["bytes" if kind == "text" else "text"])
            raise TypeError(f"expected {wanted}, but the app sent {other}")
        return message[kind]

    def _receive_data(self, what: str, timeout_s: float | None) -> Message:
        message = self._take(what, timeout_s)
        if message["type"] == WS_CLOSE:
            raise self._entered()[0].disconnect()
        return message

    def _take(self, what: str, timeout_s: float | None) -> Message:
        wire, loop = self._entered()
        wait = self._wait(f"{what} from the app", timeout_s, ReceiveTimeout)
        return loop.run(wire.take(wait), wait)

    def _wait(self, what: str, timeout_s: float | None, error: type[AppTimeout] = AppTimeout) -> Wait:
        return Wait(what, self._timeout_s if timeout_s is None else timeout_s, error)

    def _entered(self) -> tuple[Wire, LoopThread]:
        if self._wire is None or self._loop is None:
            raise RuntimeError("this WebSocket is not connected; use `with client.websocket_connect(...) as ws:`")
        return self._wire, self._loop


def _checked(mode: str) -> str:
    if mode not in {"text", "binary"}:
        raise ValueError(f"mode is 'text' or 'binary', not {mode!r}")
    return mode
