"""What the running dev server says about a connection: why its handler died. Only ever asked where `dev.json` leads."""

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import DevFile
from lihil_cli.wstest.crash import Crash, crash_of, read_crash
from lihil_cli.wstest.network.answer import read_body, read_head
from lihil_cli.wstest.network.dial import dial
from lihil_cli.wstest.network.handshake import CannotConnectError, Handshake, HungUpError, Refusal, Response, Tls
from lihil_cli.wstest.network.target import running_target
from lihil_cli.wstest.protocol import HeadError

CONNECTION_HEADER = "x-lihil-conn"
_PATIENCE_S = 1.0
_ID = re.compile(r"[0-9A-Za-z._-]{1,128}")
# The token goes nowhere else, so a certificate that a developer made is good enough on this machine.
_HANDSHAKE = Handshake(tls=Tls(insecure=True), proxy="")


def connection_id(response: Response) -> str | None:
    """The dev server's name for a connection; None where there is none, or one that cannot stand in a path."""
    name = response.first(CONNECTION_HEADER)
    return name if name is not None and _ID.fullmatch(name) else None


async def explain(
    answer: Response | Refusal | None, failure: BaseException | None, root: Path, server: DevFile | None
) -> Crash | None:
    """Why an app failed: from its exception where it runs here, or else from the dev server.

    `answer` is its answer to the handshake, `root` the project's folder. None where nobody knows.
    """
    if failure is not None:
        return crash_of(failure, root)
    if server is None or answer is None:
        return None
    name = connection_id(Response(answer.status, answer.phrase, answer.headers))
    return None if name is None else await fetch_crash(server, name)


async def fetch_crash(server: DevFile, connection: str) -> Crash | None:
    """What the handler of that connection raised; None where the server does not say so within a second."""
    with suppress(TimeoutError, OSError, CannotConnectError, HungUpError, HeadError, ValueError):
        async with asyncio.timeout(_PATIENCE_S):
            return read_crash(json.loads(await _get(server, f"/_lihil/errors/{connection}")))
    return None


async def _get(server: DevFile, path: str) -> bytes:
    """The body of a 200. Raises ValueError for any other status."""
    target = running_target(server, path)
    wire = await dial(target, _HANDSHAKE)
    try:
        head = [
            f"GET {target.path} HTTP/1.1",
            f"Host: {target.address if target.uds is None else 'localhost'}",
            f"Authorization: Bearer {server.token}",
            "Accept: application/json",
            "Connection: close",
        ]
        wire.write("\r\n".join([*head, "", ""]).encode("ascii"))
        answer = await read_head(wire)
        if answer.status != 200:
            raise ValueError(f"HTTP {answer.status}")
        return await read_body(wire, answer)
    finally:
        wire.abort()
        await wire.wait_lost()
