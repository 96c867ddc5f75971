"""What scripts talk to: servers on the network, or an app in this process. Callers need not care which."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from lihil_cli.devfile import DevFile
from lihil_cli.record import Record
from lihil_cli.wstest.crash import crash_lines, crash_of
from lihil_cli.wstest.devserver import connection_id, fetch_crash
from lihil_cli.wstest.network.connecting import open_connection
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.target import Target, resolve_target
from lihil_cli.wstest.opening import schema_of_app
from lihil_cli.wstest.place.schema import Schema
from lihil_cli.wstest.script.run import Connection

_HERE = "ws://localhost"


class Server(Protocol):
    """One server, or the app itself."""

    async def connect(self, address: str, handshake: Handshake) -> Connection:
        """From a script's address, a path with its query or a URL, to a connection.

        Raises CannotConnectError, RefusedError, and CliError for an address that is none.
        """

    def explain(self, error: BaseException) -> list[str]:
        """What a handler raised in this process, in lines for people, not escaped yet."""

    async def tell_crash(self, connection: Connection) -> list[str]:
        """Why the server ended that connection, where it can be asked; likewise."""


Enter: TypeAlias = Callable[[], AbstractAsyncContextManager[Server]]
"""Enters a server once for all scripts; an app runs its lifespan."""


class Sockets(Record):
    """Servers that are reached over the network; `resolve` finds the one for an address.

    `dev` is the dev server, where that is the one; `tell` is told of every redirect.
    """

    resolve: Callable[[str], Target]
    dev: DevFile | None = None
    tell: Callable[[str], None] = lambda line: None

    async def connect(self, address: str, handshake: Handshake) -> Connection:
        return await open_connection(self.resolve(address), handshake, self.tell)

    def explain(self, error: BaseException) -> list[str]:
        return []

    async def tell_crash(self, connection: Connection) -> list[str]:
        name = connection_id(connection.response)
        if self.dev is None or name is None:
            return []
        crash = await fetch_crash(self.dev, name)
        return [] if crash is None else [line.removeprefix("  ") for line in crash_lines(crash)]


class InProcess(Record):
    """An app in this process. Of an address that names a server only the path counts."""

    target: Target
    root: Path

    async def connect(self, address: str, handshake: Handshake) -> Connection:
        path = resolve_target(address, None, base=None if "://" in address else _HERE, port=None).path
        return await open_connection(self.target.but(url=f"{_HERE}{path}"), handshake, lambda line: None)

    def explain(self, error: BaseException) -> list[str]:
        return [line.removeprefix("  ") for line in crash_lines(crash_of(error, self.root))]

    async def tell_crash(self, connection: Connection) -> list[str]:
        return []


def over_sockets(
    resolve: Callable[[str], Target], dev: DevFile | None = None, tell: Callable[[str], None] = lambda line: None
) -> Enter:
    """The servers that `resolve` finds; `dev` can say why a handler broke, and `tell` is told of every redirect."""

    @asynccontextmanager
    async def enter() -> AsyncIterator[Server]:
        yield Sockets(resolve, dev, tell)

    return enter


def in_process(app: str | None, root: Path, check: Callable[[Schema], None] | None = None) -> Enter:
    """The app `module:attribute` of the project in `root`, or the one at a usual place there.

    `check` is given what a lihil app says of its routes.

    Entering it raises CliError for an app that cannot be found, imported or started.
    """

    @asynccontextmanager
    async def enter() -> AsyncIterator[Server]:
        from lihil_cli.wstest.network.inprocess import open_app  # the framework and starlette come with it

        async with open_app(app, root) as host:
            schema = None if check is None else schema_of_app(host.app, host.label)
            if check is not None and schema is not None:
                check(schema)
            yield InProcess(Target(f"{_HERE}/", app=host), root)

    return enter
