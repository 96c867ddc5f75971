"""The shell around the verdict: opens the connections of a script, carries messages both ways, and keeps time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

from lihil_cli.wstest.alarm import Alarm
from lihil_cli.wstest.network.handshake import CannotConnectError, ConnectionEndedError, RefusedError, Response
from lihil_cli.wstest.refusal import refusal_lines
from lihil_cli.wstest.script.occurrences import (
    Action,
    Arrived,
    Ending,
    Event,
    Open,
    Opened,
    Refused,
    Shut,
    Tick,
    Transmit,
    Unreachable,
    WentOut,
)
from lihil_cli.wstest.script.steps import Script
from lihil_cli.wstest.script.verdict import Verdict
from lihil_cli.wstest.tasks import Tasks

_INTERNAL_ERROR = 1011  # RFC 6455, section 7.4.1
CLOSE_WAIT_S = 1.0
"""How long connections that are still open at the end of a script may take to close."""


class Connection(Protocol):
    """An open WebSocket, over a socket or in process; `failure` is what the app raised, where that is known."""

    failure: BaseException | None
    response: Response

    async def receive(self) -> str | bytes: ...

    async def send(self, payload: str | bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    async def drop(self) -> None: ...


Opener: TypeAlias = Callable[[Open], Awaitable[Connection]]
"""Connects a client. Raises CannotConnectError, RefusedError."""


class Run:
    """One script at work. `verdict` has the ending and the transcript; `failures` are what handlers raised.

    `broken` are the connections that a server ended for an error of its own, before the script had ended.
    """

    def __init__(self, script: Script, environ: Mapping[str, str], opener: Opener) -> None:
        self.verdict = Verdict(script, environ)
        self.failures: list[BaseException] = []
        self.broken: list[Connection] = []
        self._opener = opener
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._connections: dict[str, Connection] = {}
        self._opened: list[Connection] = []
        self._readers = Tasks(self._ended)
        self._tasks = Tasks(self._ended)
        self._moved = asyncio.Event()
        self._alarm = Alarm(self._tasks.callback(self._tick))

    async def hold(self) -> Ending:
        """Run the script to its end, and leave no connection behind."""
        try:
            self._carry_out(self.verdict.start(self._loop.time()))
            ending = await self._ended
            await self._part()
            return ending
        finally:
            await self._tear_down()

    # Events in

    def _feed(self, event: Event) -> None:
        self._carry_out(self.verdict.handle(event, self._loop.time()))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            self._tasks.start(self._perform(action))
        self._moved.set()
        if self.verdict.ending is not None and not self._ended.done():
            self._ended.set_result(self.verdict.ending)
        self._alarm.set(self.verdict.wake_at)

    def _tick(self) -> None:
        self._feed(Tick())

    async def _read(self, client: str, connection: Connection) -> None:
        while True:
            try:
                message = await connection.receive()
            except ConnectionEndedError as end:
                self._note_failure(connection.failure)
                if end.event.code == _INTERNAL_ERROR and self.verdict.ending is None:
                    self.broken.append(connection)
                self._feed(Arrived(client, end.event))
                return
            self._feed(Arrived(client, message))
            while self.verdict.ending is None and self.verdict.is_full(client):
                self._moved.clear()
                await self._moved.wait()

    def _note_failure(self, failure: BaseException | None) -> None:
        """Keep what a handler raised; not what our own parting causes."""
        if failure is not None and self.verdict.ending is None:
            self.failures.append(failure)

    # Actions out

    async def _perform(self, action: Action) -> None:
        if isinstance(action, Open):
            await self._open(action)
            return
        connection = self._connections[action.client]
        if isinstance(action, Transmit):
            await connection.send(action.payload)
            self._feed(WentOut(action.client))
        else:
            self._tasks.start(self._close(connection, action))
            self._feed(WentOut(action.client))

    async def _close(self, connection: Connection, action: Shut) -> None:
        await connection.close(action.code, action.reason)

    async def _open(self, action: Open) -> None:
        try:
            connection = await self._opener(action)
        except CannotConnectError as error:
            hint = f"; {error.hint}" if error.hint else ""
            self._feed(Unreachable(action.client, f"{error}{hint}"))
        except RefusedError as error:
            self._note_failure(error.failure)
            self._feed(_refused(action.client, error))
        else:
            self._connections[action.client] = connection
            self._opened.append(connection)
            self._feed(Opened(action.client))
            self._readers.start(self._read(action.client, connection))

    # The end

    async def _part(self) -> None:
        """Close what is still open, and give the server a moment to answer."""
        for client, connection in self._connections.items():
            self._tasks.start(self._close(connection, Shut(client, 1000, "")))
        await self._readers.wait(CLOSE_WAIT_S)

    async def _tear_down(self) -> None:
        self._alarm.stop()
        await asyncio.gather(self._tasks.cancel(), self._readers.cancel())
        await asyncio.gather(*(connection.drop() for connection in self._opened))


def _refused(client: str, error: RefusedError) -> Refused:
    refusal = error.refusal
    if refusal is None:
        return Refused(client, 0, "", (str(error),))
    return Refused(client, refusal.status, refusal.body.decode("utf-8", "replace"), tuple(refusal_lines(refusal)))
