"""A response sent piece by piece, as a handler yields them."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

from lihil.asgi import HTTP_RESPONSE_BODY, HTTP_RESPONSE_START
from lihil.http.exchange import Exchange
from lihil.http.responses import Reply
from lihil.http.threads import iterate_in_threads

T = TypeVar("T")


async def send_stream(exchange: Exchange, reply: Reply, items: object) -> None:
    """Send each item as it comes; the head goes out with the first one, so what fails before it has its own status.

    The iterator is closed exactly once, however this ends. Raises ClientDisconnect when the client leaves, TypeError
    for what is no iterator, and what the iterator raises.
    """
    await exchange.while_connected(_send(exchange, reply, _as_async(items)))


async def _send(exchange: Exchange, reply: Reply, items: AsyncGenerator[Any, None]) -> None:
    async with aclosing(items):
        if exchange.method != "HEAD":  # its answer has no content, so nothing needs to be made
            async for item in items:
                piece = reply.format.encode(item)
                await _begin(exchange, reply)
                await exchange.send({"type": HTTP_RESPONSE_BODY, "body": piece, "more_body": True})
        await _begin(exchange, reply)
        await exchange.send({"type": HTTP_RESPONSE_BODY, "body": b"", "more_body": False})


async def _begin(exchange: Exchange, reply: Reply) -> None:
    if not exchange.has_started:
        await exchange.send(
            {"type": HTTP_RESPONSE_START, "status": reply.status, "headers": list(reply.format.headers)}
        )


def _as_async(items: object) -> AsyncGenerator[Any, None]:
    if isinstance(items, AsyncGenerator):
        return items
    if isinstance(items, AsyncIterator):
        return _follow(items)
    if isinstance(items, Iterator):
        return iterate_in_threads(items)
    raise TypeError(f"the response is a stream, and {type(items).__name__} is no iterator")


async def _follow(items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    async for item in items:
        yield item
