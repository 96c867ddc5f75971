"""`WebSocket`: what a handler gets."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Generic, Literal, NoReturn, Self

import msgspec
from starlette.responses import Response

from lihil.asgi import (
    HTTP_RESPONSE_BODY,
    HTTP_RESPONSE_START,
    WS_ACCEPT,
    WS_CLOSE,
    WS_DENIAL,
    WS_DENIAL_BODY,
    WS_DENIAL_START,
    WS_SEND,
    Message,
)
from lihil.errors import WebSocketDisconnect, WebSocketStateError
from lihil.params.codec import encode_json
from lihil.problems import Problem
from lihil.websocket.limits import check_close, checked_headers
from lihil.websocket.link import OPEN, Link, Phase
from lihil.websocket.messages import INVALID, Codec, Codecs, Payload

if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar

T = TypeVar("T")
In = TypeVar("In", default=Any)
Out = TypeVar("Out", default=Any)

NORMAL_CLOSURE = 1000
POLICY_VIOLATION = 1008
_BYTES = (bytes, bytearray, memoryview)


class WebSocket(Link, Generic[In, Out]):
    """One WebSocket, from the opening handshake to the close.

    `ws: WebSocket[In, Out]` is typed: `async for message in ws` gives an In each time, `await ws.send(...)` takes an
    Out, and a message that is no In is answered with problem details and passed over. A plain WebSocket iterates
    messages as they come, `str | bytes`, and its `send` takes ASGI messages.

    The properties `url`, `headers`, `query_params`, `path_params`, `cookies`, `state`, `client` and `app` are
    starlette's and are worked out when they are first read. `receive` and the calls built on it raise
    WebSocketDisconnect when the peer has gone, and so does `send`. Closing twice is harmless.
    """

    codecs: Codecs | None = None  # the route's; None where it is not typed
    codec: Codec | None = None  # what was agreed on with this client

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols the client offers, in its order of preference (RFC 6455, section 1.9)."""
        return list(self.scope.get("subprotocols") or ())

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Answer the opening handshake with 101; `headers` are pairs of bytes.

        Where messages are typed, a client may choose between "json" and "msgpack" by subprotocol: without `subprotocol`
        the first of these that it offers is taken.

        Raises WebSocketStateError when it was answered before, ValueError for a header that would break the answer.
        """
        self._check_unanswered("accept")
        fields = checked_headers(headers or ())
        await self._await_connect()
        if self.codecs is not None:
            subprotocol, self.codec = self.codecs.agree(subprotocol, self.subprotocols)
        self._phase = Phase.OPEN
        await self._transmit({"type": WS_ACCEPT, "subprotocol": subprotocol, "headers": fields})

    def send(self, message: Out) -> Coroutine[Any, Any, None]:
        """Send an Out; on a plain WebSocket an ASGI message. Raises as the call of the same meaning does.

        An Out raises as send_text does, and TypeError or NotImplementedError for a value that has no form.
        """
        if self.codecs is None:
            return self._send_asgi(message)  # type: ignore[arg-type]
        if self.codec is None:
            self._refuse_send("send")
        return self.send_payload(self.codec.encode(message))

    async def _send_asgi(self, message: Message) -> None:
        kind = message["type"]
        if kind == WS_ACCEPT:
            await self.accept(message.get("subprotocol"), message.get("headers"))
        elif kind == WS_CLOSE:
            await self.close(message.get("code", NORMAL_CLOSURE), message.get("reason"))
        elif kind == WS_SEND:
            if self._phase is not OPEN:
                self._refuse_send("send")
            await self._transmit(message)
        elif kind in _DENIAL_PARTS:
            await self._send_denial({**message, "type": _DENIAL_PARTS[kind]})
        else:
            raise ValueError(f"a WebSocket sends {WS_ACCEPT}, {WS_SEND} and {WS_CLOSE}, not {kind!r}")

    def receive_bytes(self) -> Coroutine[Any, Any, bytes]:
        """The next message as bytes; one sent as text is encoded. Raises WebSocketDisconnect."""
        return self._received(self._bytes_of)

    def receive_json(self, mode: Literal["text", "binary"] = "text") -> Coroutine[Any, Any, Any]:
        """The next message read as JSON, text or binary alike: `mode` is there for code written for starlette.

        Raises WebSocketDisconnect, and msgspec.DecodeError (a ValueError) for what is no JSON.
        """
        _check_mode(mode)
        return self._received(self._json_of)

    async def receive_message(self) -> In:
        """The next message as an In; on a plain WebSocket as it comes, `str` or `bytes`. Raises WebSocketDisconnect.

        A message that is no In is answered with problem details, and passed over.
        """
        try:
            return await anext(self)
        except StopAsyncIteration:
            raise self.gone() from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> In:
        """As receive_message; the end of the connection ends the loop."""
        try:
            while True:
                payload: Any = await self.payload()
                codec = self.codec
                if codec is None:
                    return payload  # type: ignore[no-any-return]
                try:
                    return codec.decode(payload)  # type: ignore[no-any-return]
                except INVALID as exc:
                    refusal = codec.refusal(exc)
                if self._phase is OPEN:
                    await self.send_payload(refusal)
        except WebSocketDisconnect:
            raise StopAsyncIteration from None

    def iter_text(self) -> AsyncIterator[str]:
        """Every message as text, until the peer goes."""
        return _until_gone(self.receive_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Every message as bytes, until the peer goes."""
        return _until_gone(self.receive_bytes)

    def iter_json(self) -> AsyncIterator[Any]:
        """Every message read as JSON, until the peer goes."""
        return _until_gone(self.receive_json)

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises WebSocketStateError before accept and after close, WebSocketDisconnect."""
        if self._phase is not OPEN:
            self._refuse_send("send_text")
        if not isinstance(data, str):
            raise TypeError(f"send_text() takes str, not {type(data).__name__}; use send_bytes() or send_json()")
        try:
            if self.direct is None:
                await self._send({"type": WS_SEND, "text": data})
            elif not self.direct.send_now(data):
                await self.direct.drained()
        except OSError:
            raise self._lost() from None

    async def send_bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message. Raises WebSocketStateError before accept and after close, WebSocketDisconnect."""
        if self._phase is not OPEN:
            self._refuse_send("send_bytes")
        if not isinstance(data, _BYTES):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}; use send_text() or send_json()")
        try:
            if self.direct is None:
                await self._send({"type": WS_SEND, "bytes": bytes(data)})
            elif not self.direct.send_now(bytes(data)):
                await self.direct.drained()
        except OSError:
            raise self._lost() from None

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send a value as JSON. Raises as send_text does, and NotImplementedError for what JSON has no form for."""
        _check_mode(mode)
        encoded = encode_json(data)
        await (self.send_text(encoded.decode()) if mode == "text" else self.send_bytes(encoded))

    async def send_payload(self, payload: Payload) -> None:
        """Send what a codec wrote, as text or binary. Raises as send_text does."""
        if self._phase is not OPEN:
            self._refuse_send("send")
        try:
            if self.direct is None:
                await self._send({"type": WS_SEND, "text" if isinstance(payload, str) else "bytes": payload})
            elif not self.direct.send_now(payload):
                await self.direct.drained()
        except OSError:
            raise self._lost() from None

    async def close(self, code: int = NORMAL_CLOSURE, reason: str | None = None) -> None:
        """Close with a code and a reason of at most 123 bytes (RFC 6455, section 5.5.1).

        Before accept it refuses the handshake with 403. Closing twice, or after the peer has gone, does nothing.
        Raises ValueError for a code that must not be sent (section 7.4) and for a longer reason.
        """
        if self._phase is Phase.CLOSED or self._phase is Phase.REFUSED:
            return
        check_close(code, reason or "")
        try:
            if self._phase is Phase.CONNECTING:
                self._phase = Phase.REFUSED
                await self._await_connect()
            else:
                self._phase = Phase.CLOSED
            await self._transmit({"type": WS_CLOSE, "code": code, "reason": reason or ""})
        except WebSocketDisconnect:
            return

    async def send_denial_response(self, response: Response) -> None:
        """Refuse the handshake with a whole HTTP response, streamed or not; its background task is run.

        A server without the extension for it (ASGI "websocket.http.response") answers 403 instead.
        Raises WebSocketStateError once the handshake is answered.
        """
        self._check_unanswered("send_denial_response")
        if self._can_deny:
            with suppress(WebSocketDisconnect):
                await response(self.scope, self._receive, self._send_asgi)
            return
        await self.close(POLICY_VIOLATION)
        if response.background is not None:
            await response.background()

    async def refuse(self, problem: Problem) -> None:
        """Refuse the handshake with problem details; without the extension close 1008 with a short reason."""
        self._check_unanswered("refuse")
        if not self._can_deny:
            await self.close(POLICY_VIOLATION, problem.short_reason())
            return
        body = problem.body()
        headers = problem.raw_headers(body)
        with suppress(WebSocketDisconnect):
            await self._send_denial({"type": WS_DENIAL_START, "status": problem.status, "headers": headers})
            await self._send_denial({"type": WS_DENIAL_BODY, "body": body, "more_body": False})

    @property
    def _can_deny(self) -> bool:
        return WS_DENIAL in (self.scope.get("extensions") or {})

    async def _send_denial(self, message: Message) -> None:
        """One part of a denial response; it ends with a body that announces no more."""
        if message["type"] == WS_DENIAL_START:
            self._check_unanswered("a denial response")
            message["headers"] = checked_headers(message.get("headers") or ())
            await self._await_connect()
            self._phase, self._is_denying = Phase.REFUSED, True
        elif not self._is_denying:
            raise WebSocketStateError(f"{WS_DENIAL_BODY} comes after {WS_DENIAL_START}, and not after its end")
        else:
            self._is_denying = bool(message.get("more_body", False))
        await self._transmit(message)

    def _bytes_of(self, message: Message) -> bytes:
        data = self._payload_of(message)
        return data.encode() if isinstance(data, str) else data

    def _json_of(self, message: Message) -> Any:
        return msgspec.json.decode(self._payload_of(message))

    def _check_unanswered(self, call: str) -> None:
        if self._disconnect is not None:
            raise self.gone()
        if self._phase is not Phase.CONNECTING:
            raise WebSocketStateError(f"{call} answers the handshake, once; this WebSocket is {self._phase.value}")

    def _refuse_send(self, call: str) -> NoReturn:
        if self._disconnect is not None:
            raise self.gone()
        if self._phase is Phase.CONNECTING:
            raise WebSocketStateError(f"{call}() comes after the handshake; call `await ws.accept()` first")
        raise WebSocketStateError(f"{call}() on a WebSocket that is {self._phase.value}")


_DENIAL_PARTS = {
    WS_DENIAL_START: WS_DENIAL_START,
    WS_DENIAL_BODY: WS_DENIAL_BODY,
    HTTP_RESPONSE_START: WS_DENIAL_START,
    HTTP_RESPONSE_BODY: WS_DENIAL_BODY,
}


async def _until_gone(receive: Callable[[], Awaitable[T]]) -> AsyncIterator[T]:
    try:
        while True:
            yield await receive()
    except WebSocketDisconnect:
        return


def _check_mode(mode: str) -> None:
    if mode not in {"text", "binary"}:
        raise ValueError(f"mode is 'text' or 'binary', not {mode!r}")
