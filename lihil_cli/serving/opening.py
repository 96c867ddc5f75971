"""Where a server listens: one of host and port, a Unix socket, or a socket that is already there."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.serving.inherited import adopt_listener
from lihil_cli.serving.listener import open_listener
from lihil_cli.serving.unix_socket import unix_listener
from lihil_cli.settings import Rank, Settings


class Address(Record):
    """Where an open listener can be reached: `path` is a Unix socket's, and None where `host` and `port` count."""

    host: str
    port: int
    path: Path | None = None


@contextmanager
def open_address(settings: Settings) -> Iterator[tuple[socket.socket, Address]]:
    """The listening socket that the settings ask for, and its address; what was made for it is removed at the end.

    Raises CliError with exit code 3 when it cannot be had, with 2 when two are asked for at once.
    """
    way = choose_way(settings)
    if way == "uds" and settings.uds.value is not None:
        with unix_listener(settings.uds.value, int(settings.uds_mode.value, 8)) as listener:
            yield listener, Address("", 0, settings.uds.value)
    elif way == "fd" and settings.fd.value is not None:
        with adopt_listener(settings.fd.value) as listener:
            yield listener, read_address(listener)
    else:
        with open_listener(settings.host.value, settings.port.value) as listener:
            yield listener, Address(settings.host.value, listener.getsockname()[1])


def choose_way(settings: Settings) -> str:
    """`host`, `uds` or `fd`: what was set nearest to the command line.

    Raises CliError when two of them were set in one place.
    """
    host = settings.host if settings.host.rank <= settings.port.rank else settings.port
    nearest = {"host": host, "uds": settings.uds, "fd": settings.fd}
    rank = min(setting.rank for setting in nearest.values())
    ways = [way for way, setting in nearest.items() if setting.rank is rank]
    if rank is Rank.DEFAULT or ways == ["host"]:
        return "host"
    if len(ways) > 1:
        words = " and ".join(f"{way} ({nearest[way].source})" for way in ways)
        raise CliError(f"{words} exclude each other", hint="leave one of them out", code=ExitCode.USAGE)
    return ways[0]


def read_address(listener: socket.socket) -> Address:
    """Where a socket that somebody else has bound can be reached; a Unix socket may have no path, unix(7)."""
    name = listener.getsockname()
    if isinstance(name, tuple):
        return Address(str(name[0]), int(name[1]))
    return Address("", 0, Path(name.decode() if isinstance(name, bytes) else name))
