import asyncio
import json
import os

import pytest

from lihil_cli.devfile import DevFile
from lihil_cli.wstest.crash import Crash, Frame
from lihil_cli.wstest.devserver import connection_id, fetch_crash
from lihil_cli.wstest.network.handshake import Response
from tests.lihil_cli.wstest.conftest import Servers
from tests.lihil_cli.wstest.test_crash import RECORD


def answering(servers: Servers, answer: bytes, seen: list[str]) -> DevFile:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        await writer.drain()

    return DevFile(os.getpid(), "127.0.0.1", servers.raw(handle), False, None, "main:app", 1, "s3cret")


def test_the_dev_server_is_asked_with_its_token_why_a_handler_died(servers: Servers) -> None:
    seen: list[str] = []
    body = json.dumps({**RECORD, "frames": RECORD["frames"][-1:]}).encode()
    record = answering(servers, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body), seen)
    frame = Frame("chat.py", 31, "ws_handler", "    assert x == 5")
    assert asyncio.run(fetch_crash(record, "c1")) == Crash("ws_handler", "AssertionError: no", (frame,))
    [request] = seen
    assert request.startswith("GET /_lihil/errors/c1 HTTP/1.1\r\n")
    assert "Authorization: Bearer s3cret\r\n" in request


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nno json",
        b"HTTP/1.1 200 OK\r\n\r\n[]",
    ],
)
def test_a_server_that_does_not_say_is_no_trouble(servers: Servers, answer: bytes) -> None:
    assert asyncio.run(fetch_crash(answering(servers, answer, []), "c1")) is None


@pytest.mark.parametrize(
    ("value", "name"), [("abc-1_2.3", "abc-1_2.3"), ("../dev", None), ("a b", None), ("x" * 200, None)]
)
def test_only_a_plain_name_is_asked_for(value: str, name: str | None) -> None:
    assert connection_id(Response(101, "", [("x-lihil-conn", value)])) == name
    assert connection_id(Response(101, "", [])) is None
