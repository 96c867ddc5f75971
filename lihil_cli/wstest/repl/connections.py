"""The connections of a terminal, each under its name: opens them, hands on what goes out, and says why one ended."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lihil_cli.devfile import find_dev_file
from lihil_cli.errors import CliError
from lihil_cli.wstest.network.connecting import Refusal, Response
from lihil_cli.wstest.network.target import Target, encode_path, resolve_target, whole_target
from lihil_cli.wstest.placeholders import fill_headers
from lihil_cli.wstest.repl.attempt import Attempt
from lihil_cli.wstest.repl.events import (
    Connect,
    Drop,
    Event,
    Failed,
    FetchTrace,
    Send,
    SendClose,
    SendPing,
    SendPong,
    SendRaw,
    Stall,
    Traced,
    TraceFrames,
)
from lihil_cli.wstest.repl.visit import Visit
from lihil_cli.wstest.tasks import Tasks

if TYPE_CHECKING:
    from lihil_cli.wstest.crash import Crash  # loaded where an app has failed

PING_INTERVAL_S = 20.0

_CLOSE_WAIT_S = 0.8  # so that Ctrl-C ends it within a second, also where the server does not answer the close


class Connections:
    """Acts on the connections, and feeds what comes of it. `first` is the name of the one that the visit is for."""

    def __init__(self, visit: Visit, first: str, feed: Callable[[Event], None], tasks: Tasks) -> None:
        self._visit = visit
        self._feed = feed
        self._tasks = tasks
        self._attempts: dict[str, Attempt] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._targets: dict[str, Target] = {first: visit.target}
        self._is_tracing = visit.frames

    def connect(self, action: Connect) -> None:
        """Open a connection, or open it again."""
        peer = action.peer
        try:
            headers = fill_headers(action.headers, self._visit.folder)
            target = self._targets[peer] = self._find_target(action)
        except CliError as error:
            failed = Failed(peer, tuple(filter(None, (error.message, error.hint))), error.code)
            asyncio.get_running_loop().call_soon(self._feed, failed)
            return
        handshake = self._visit.handshake.but(headers=headers, ping_interval_s=None, close_timeout_s=_CLOSE_WAIT_S)
        attempt = self._attempts[peer] = Attempt(
            *(peer, target, handshake, self._feed, self._explain), is_verbose=self._visit.is_verbose
        )
        attempt.trace(on=self._is_tracing)
        interval_s = self._visit.handshake.ping_interval_s
        record = self._visit.server()
        # The generation is read before the handshake: one that changes during it is then seen as a change.
        work = attempt.run(record, PING_INTERVAL_S if interval_s is None else interval_s)
        self._running[peer] = self._tasks.start(work)

    def send(self, action: Send | SendRaw | SendPong | SendClose) -> None:
        """Write to one of them, after what was written before."""
        self._attempts[action.peer].put(action)

    def ping(self, action: SendPing) -> None:
        """Measure the way there and back."""
        self._tasks.start(self._attempts[action.peer].ping())

    def stall(self, action: Stall) -> None:
        """Read nothing for a while."""
        self._attempts[action.peer].stall(action.seconds)

    def drop(self, action: Drop) -> None:
        """End one without a word, or the attempt to open it."""
        attempt = self._attempts.get(action.peer)
        if attempt is None:
            return  # there was no address to try
        if attempt.connection is not None:
            self._tasks.start(attempt.connection.drop())
        else:
            self._running[action.peer].cancel()

    def trace_frames(self, action: TraceFrames) -> None:
        """Tell of every frame, on all of them and on those to come, or no longer."""
        self._is_tracing = action.on
        for attempt in self._attempts.values():
            attempt.trace(on=action.on)

    async def find_failure(self, action: FetchTrace) -> Traced:
        """Why the server's handler failed."""
        connection = self._attempts[action.peer].connection
        crash = None if connection is None else await self._explain(connection.response, connection.failure)
        if crash is None:
            return Traced(action.peer)
        from lihil_cli.wstest.crash import crash_lines

        short, full = crash_lines(crash), crash_lines(crash, is_whole=True)
        return Traced(action.peer, crash.handler, _unindented(short), _unindented(full))

    async def _explain(self, answer: Response | Refusal | None, failure: BaseException | None) -> "Crash | None":
        from lihil_cli.wstest.devserver import explain

        return await explain(answer, failure, self._visit.root, self._visit.server())

    def _find_target(self, action: Connect) -> Target:
        like = self._targets[action.like or action.peer if action.peer in self._targets else action.like]
        server = find_dev_file(self._visit.folder) if like.running or self._visit.is_awaited else None
        parts = urlsplit(like.url)
        text = action.target
        if text.startswith("?"):
            text = parts.path + text
        if not text:
            if server is None:
                return like
            text = parts.path + (f"?{parts.query}" if parts.query else "")
        if server is None and whole_target(text) is None:
            return like.but(url=parts._replace(path="", query="").geturl() + encode_path(text))
        return resolve_target(text, server, base=None, port=None)


def _unindented(lines: list[str]) -> tuple[str, ...]:
    """The lines without their indent; an exception without words ends in a colon that says nothing."""
    return tuple(line.removeprefix("  ").rstrip().removesuffix(":") for line in lines)
