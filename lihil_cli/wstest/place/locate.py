"""Which server, or which app, a target means: found the way a user would expect, and said in words."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lihil_cli.devfile import FOLDER, DevFile, find_dev_file
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.network.target import (
    Target,
    based_target,
    encode_path,
    local_target,
    resolve_target,
    running_target,
    whole_target,
)
from lihil_cli.wstest.request import add_query

_PROBE_S = 0.5
_SCHEMA = "schema.json"


class Place(Record):
    """What the options say about the server: `app` is `module:attribute`, `url` a base, `uds` a Unix socket."""

    app: str | None = None
    url: str | None = None
    port: int | None = None
    uds: str | None = None


class Located(Record):
    """Where a conversation goes. With `app` it is to be called in this process; "" stands for the project's own.

    `server` is the dev server where that is the one, `schema` the file in which it keeps the app's routes, `how` says
    how the place was found. `is_awaited` means that nothing is there yet. `text` is what was asked for and `query` its
    items, which the app's routes may have another path for; "" where that names the server, too.
    """

    target: Target
    how: str
    app: str | None = None
    root: Path = Path()
    server: DevFile | None = None
    schema: Path | None = None
    is_awaited: bool = False
    text: str = ""
    query: tuple[tuple[str, str], ...] = ()

    def readdressed(self, address: str) -> Target:
        """The target with another path and query than those that were asked for."""
        before = encode_path(add_query(self.text, self.query))
        return self.target.but(url=self.target.url.removesuffix(before) + encode_path(address))


def locate(
    text: str,
    place: Place,
    folder: Path,
    *,
    query: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] = os.environ,
    waits: bool = False,
) -> Located:
    """Settle where `text` leads: what it says itself, an option, the dev server, a setting, port 8000, the app itself.

    Raises CliError: USAGE for two answers to one question or a target that is none, CANNOT_CONNECT where nothing is
    there to talk to, unless the caller `waits` for a server.
    """
    asked, text = text, add_query(text, query)
    is_whole = whole_target(text) is not None
    found = _locate(text, place, folder, environ, is_whole=is_whole, waits=waits)
    return found if is_whole else found.but(text=asked, query=tuple(query))


def _locate(
    text: str, place: Place, folder: Path, environ: Mapping[str, str], *, is_whole: bool, waits: bool
) -> Located:
    named = [name for name in ("app", "url", "port", "uds") if getattr(place, name) is not None]
    if len(named) > 1:
        raise _usage(f"--{named[0]} and --{named[1]} both say where to connect", "give one of them")
    if place.app is not None:
        if is_whole:
            raise _usage(f"{text!r} names a server already", "leave --app away, or give a path alone")
        return _in_process(text, place.app, folder, "--app")
    server = find_dev_file(folder)
    if named or is_whole:
        target = resolve_target(text, None, base=place.url, port=place.port, uds=place.uds)
        return _known(target, "as named", server, folder)
    if server is not None and _answers(server.host, server.port, server.uds):
        how = f"dev server, pid {server.pid}, {server.app}"
        return _known(running_target(server, text), how, server, folder)
    if base := environ.get("LIHIL_URL"):
        return _known(based_target(base, text), "LIHIL_URL", server, folder)
    return _usual(text, folder, environ, waits=waits)


def find_schema(start: Path) -> Path | None:
    """The nearest `.lihil/schema.json` in `start` or a folder above it."""
    here = start.resolve()
    found = (folder / FOLDER / _SCHEMA for folder in (here, *here.parents))
    return next((path for path in found if path.is_file()), None)


def _usual(text: str, folder: Path, environ: Mapping[str, str], *, waits: bool) -> Located:
    """Where `lihil run` would listen, if something does; else the project's app in this process."""
    from lihil_cli.settings import resolve_settings

    settings = resolve_settings(start=folder, environ=environ)
    host, port = settings.host.value, settings.port.value
    target = local_target(host, port, text)
    if port and _answers(host, port, None):
        return Located(target, "something listens there")
    if settings.app.value is None and not _has_app(settings.root):
        if waits:
            return Located(target, "nothing listens there yet", is_awaited=True)
        message = f"no server listens on {target.address}, and {settings.root} holds no app to run in this process"
        raise CliError(
            f"{message}; start the server with `lihil run`, or name the app: --app main:app",
            code=ExitCode.CANNOT_CONNECT,
        )
    how = f"no server listens on {target.address}, so the app runs in this process"
    return _in_process(text, settings.app.value or "", settings.root, how)


def _has_app(root: Path) -> bool:
    from lihil_cli.loader import find_target

    with suppress(CliError):
        return bool(find_target(None, root))
    return False


def _in_process(text: str, app: str, folder: Path, how: str) -> Located:
    from lihil_cli.settings import find_project_file

    file = find_project_file(folder)
    return Located(
        Target(f"ws://localhost{encode_path(text)}"), how, app=app, root=file.parent if file else folder.resolve()
    )


def _known(target: Target, how: str, server: DevFile | None, folder: Path) -> Located:
    """With what the dev server keeps about its app, where the target is that server."""
    if server is None or not _is_same(target, server):
        return Located(target, how)
    return Located(target, how, server=server, schema=find_schema(folder))


def _is_same(target: Target, server: DevFile) -> bool:
    if target.uds is not None or server.uds is not None:
        return target.uds == server.uds
    return target.is_local and target.port == server.port


def _answers(host: str, port: int, uds: str | None) -> bool:
    """Whether something takes connections there. A file may outlive its server, and a process id its process."""
    kind = socket.AF_UNIX if uds is not None else socket.AF_INET6 if ":" in host else socket.AF_INET
    where: object = uds if uds is not None else ("::1" if host == "::" else host or "127.0.0.1", port)
    try:
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(where)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


def _usage(message: str, hint: str) -> CliError:
    return CliError(message, hint=hint, code=ExitCode.USAGE)
