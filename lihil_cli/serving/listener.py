"""The listening socket: bound once, before anything else, and handed to whoever serves."""

import errno
import ipaddress
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode

BACKLOG = 2048
_LISTENING = "0A"  # the state column of /proc/net/tcp, see include/net/tcp_states.h


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen, so that early clients wait in the queue; port 0 takes a free one.

    Raises CliError with exit code 3 when the host is unknown or the port cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = f"host {host!r} is unknown"
        raise CliError(reason, hint="--host 127.0.0.1, or 0.0.0.0 for all", code=ExitCode.CANNOT_CONNECT) from error
    # A name such as localhost has several addresses; what most clients try with success is the IPv4 one.
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    if sys.platform != "win32":  # there the option would let two servers share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise bind_refusal(error, host, port) from error
    listener.setblocking(False)
    return listener


def chosen_port(listener: socket.socket) -> int:
    """The port that the socket is bound to."""
    port: int = listener.getsockname()[1]
    return port


def dial_host(host: str) -> str:
    """The host that a client on this machine connects to: loopback, where the server listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def join_address(host: str, port: int) -> str:
    """`host:port`, with an IPv6 address in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost" or host.endswith(".localhost"):
        return True  # RFC 6761, section 6.3
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind_refusal(error: OSError, host: str, port: int) -> CliError:
    """A bind that failed, in words: what was wanted, who has it where that can be told, and what to do instead."""
    place = join_address(host, port)
    if error.errno == errno.EADDRINUSE:
        owner = _port_owner(port)
        taken = f"{place} is in use{f' by {owner}' if owner else ''}"
        hint = f"--port {port + 1 if port < 65535 else port - 1}, or --port 0 for any free one"
        return CliError(taken, hint=hint, code=ExitCode.CANNOT_CONNECT)
    if error.errno in {errno.EACCES, errno.EPERM}:
        hint = "ports below 1024 are for the administrator: --port 8000" if port < 1024 else "try another --port"
        return CliError(f"no permission to listen on {place}", hint=hint, code=ExitCode.CANNOT_CONNECT)
    if error.errno == errno.EADDRNOTAVAIL:
        hint = "--host 127.0.0.1, or 0.0.0.0 for all addresses of this machine"
        return CliError(f"{host} is no address of this machine", hint=hint, code=ExitCode.CANNOT_CONNECT)
    return CliError(f"cannot listen on {place}: {error.strerror or error}", code=ExitCode.CANNOT_CONNECT)


def _port_owner(port: int) -> str:
    """`process 4711 (python)` for the listener on `port`; "" where /proc does not tell (proc(5))."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return ""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # a process of another user, or one that has just ended
            if any(os.readlink(folder / "fd" / entry) in inodes for entry in os.listdir(folder / "fd")):
                return f"process {folder.name} ({(folder / 'comm').read_text(errors='replace').strip()})"
    return ""


def _listening_inodes(port: int) -> list[str]:
    rows: list[list[str]] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows += [line.split() for line in Path(table).read_text(encoding="ascii").splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
