"""Proxies to try things on: HTTP by CONNECT, and SOCKS 5 (RFC 1928), each for `Servers.raw`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, *, answer: bytes
) -> None:
    """Connect, answer, and carry bytes both ways until one side has ended."""
    far_reader, far_writer = await asyncio.open_connection(host, port)
    writer.write(answer)

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

    ways = [asyncio.ensure_future(carry(reader, far_writer)), asyncio.ensure_future(carry(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        far_writer.transport.abort()
        await asyncio.sleep(0)


def http_proxy(
    port: int, seen: list[str], *, status: str = "200 Connection established"
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """A proxy that leads everything to `port` of this machine, and notes the heads of the requests."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        answer = f"HTTP/1.1 {status}\r\n\r\n".encode()
        if not status.startswith("200"):
            writer.write(answer)
            await reader.read()
            return
        await join(reader, writer, "127.0.0.1", port, answer=answer)

    return handle


def socks_proxy(port: int, seen: list[str]) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]:
    """A SOCKS 5 proxy without a login; it notes the name or the address that was asked for."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x00")
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            [length] = await reader.readexactly(1)
            seen.append((await reader.readexactly(length)).decode())
        else:
            seen.append(".".join(map(str, await reader.readexactly(4))))
        await reader.readexactly(2)
        await join(reader, writer, "127.0.0.1", port, answer=b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    return handle
