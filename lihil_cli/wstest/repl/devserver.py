"""What the dev server of this project tells its clients: in files below `.lihil/`, and about failed handlers."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lihil_cli.devfile import FOLDER, find_dev_file
from lihil_cli.wstest.repl.failure import Failure, parse_failure
from lihil_cli.wstest.repl.vocabulary import Vocabulary, parse_schema
from lihil_cli.wstest.target import Target

CONNECTION_HEADER = "x-lihil-conn"

_MAX_FILE_BYTES = 16 * 2**20
_MAX_LINES = 12
_ANSWER_S = 0.5
_RETRY_S = 0.05
_MAX_ANSWER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class DevState:
    """The generation that is served, None without a server, and in words why newer code cannot be."""

    generation: int | None
    error: tuple[str, ...] = ()


def read_dev_state(start: Path) -> DevState:
    """The state of the server that runs for the project around `start`."""
    record = find_dev_file(start)
    if record is None:
        return DevState(None)
    return DevState(record.generation, _error_lines(_read(start, "reload_error.json")))


def read_vocabulary(start: Path) -> Vocabulary:
    """The routes of the project around `start`, as the dev server saw them last."""
    return parse_schema(_read(start, "schema.json"))


def _read(start: Path, name: str) -> bytes:
    """The nearest file of that name in a `.lihil`, b"" for none."""
    here = start.resolve()
    for folder in (here, *here.parents):
        with suppress(OSError), (folder / FOLDER / name).open("rb") as stream:
            return stream.read(_MAX_FILE_BYTES)
    return b""


def _error_lines(content: bytes) -> tuple[str, ...]:
    try:
        error = json.loads(content)
        lines = str(error["text"]).splitlines()[:_MAX_LINES]
        return (str(error["summary"]), *lines)
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


async def fetch_failure(target: Target, connection: str, token: str) -> Failure | None:
    """Why the handler of that connection failed; None when the server does not say so in time."""
    with suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_ANSWER_S):
            while (body := await _get(target, f"/_lihil/errors/{connection}", token)) is None:  # noqa: ASYNC110
                await asyncio.sleep(_RETRY_S)  # the close arrives before the server has noted its reason
            return parse_failure(body)
    return None


async def _get(target: Target, path: str, token: str) -> bytes | None:
    """The body of a 200, None for any other answer."""
    parts = urlsplit(target.url)
    if target.uds is not None:
        reader, writer = await asyncio.open_unix_connection(target.uds, limit=_MAX_ANSWER_BYTES)
    else:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=_MAX_ANSWER_BYTES)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(_MAX_ANSWER_BYTES)
    finally:
        writer.close()
    return body if head.split(b" ", 2)[1] == b"200" else None
