"""From a place to a target that can be connected to: the app started where it runs here, the address checked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.network.handshake import CannotConnectError
from lihil_cli.wstest.network.target import Target
from lihil_cli.wstest.place.locate import Located

if TYPE_CHECKING:
    # Loaded where there is a schema to read: it would be much of what it takes to connect.
    from lihil_cli.wstest.place.schema import Schema

_MAX_SCHEMA_BYTES = 16 * 2**20


@asynccontextmanager
async def open_place(
    place: Located,
    headers: tuple[tuple[str, str], ...],
    *,
    is_forced: bool,
    is_verbose: bool,
    tell: Callable[[str], None],
) -> AsyncIterator[Target]:
    """The target, with its app running where it is to be called in this process.

    Raises CliError (USAGE) for a route's name that lacks something, and, unless `is_forced`, when the app's schema says
    that it would not take the address.
    """
    if place.app is None:
        schema = None if place.schema is None else kept_schema(place.schema)
        target = _addressed(place, schema)
        if is_verbose:
            tell(f"-> {target.shown} ({place.how})")
        _check(schema, target, headers, is_forced=is_forced)
        yield target
        return

    from lihil_cli.wstest.network.inprocess import open_app

    async with open_app(place.app or None, place.root) as app:
        schema = schema_of_app(app.app, app.label)
        target = _addressed(place, schema)
        if place.how != "--app" or is_verbose:
            tell(f"-> {target.path} ({place.how})")
        _check(schema, target, headers, is_forced=is_forced)
        yield target.but(app=app)


def load_schema(place: Located) -> "Schema":
    """What the app at a place says about itself. Raises CliError where nothing is known about it."""
    schema = None if place.schema is None else kept_schema(place.schema)
    if schema is None and place.app is not None:
        from lihil_cli.wstest.network.inprocess import load_target

        app, label = load_target(place.app or None, place.root)
        schema = schema_of_app(app, label)
    if schema is None:
        raise CliError(
            f"nothing is known about the routes of {place.target.address}",
            hint="run it with `lihil run --reload` in this project, or name the app: --app main:app",
            code=ExitCode.USAGE,
        )
    return schema


def schema_of_app(app: Any, label: str) -> "Schema | None":
    """What a loaded app says about itself; None for one that is no lihil.Lihil."""
    if not hasattr(app, "endpoints"):
        return None
    import msgspec

    from lihil.schema.model import describe_app
    from lihil_cli.wstest.place.schema import parse_schema

    return parse_schema(msgspec.to_builtins(describe_app(app, title=label)))


def unreachable(error: CannotConnectError, target: Target) -> CliError:
    """A failed connection in one line, which says what might help."""
    is_absent = target.is_local and target.app is None and str(error).startswith("cannot connect")
    hint = error.hint or ("start the server with `lihil run`" if is_absent else "")
    message = f"{error}; {hint}" if hint else str(error)
    return CliError(escape_terminal(message, keep_newlines=target.app is not None), code=ExitCode.CANNOT_CONNECT)


def kept_schema(file: Path) -> "Schema | None":
    """The dev server's own; a file that is not there, or is none, says nothing."""
    from lihil_cli.wstest.place.schema import read_schema

    with suppress(OSError), file.open("rb") as stream:
        return read_schema(stream.read(_MAX_SCHEMA_BYTES))
    return None


def _addressed(place: Located, schema: "Schema | None") -> Target:
    """The target, with the path of the route where one was asked for by its name. Raises CliError (USAGE)."""
    if schema is None or not place.text:
        return place.target
    from lihil_cli.wstest.place.address import address_of

    try:
        return place.readdressed(address_of(schema, place.text, place.query))
    except ValueError as error:
        raise CliError(str(error), code=ExitCode.USAGE) from None


def _check(schema: "Schema | None", target: Target, headers: tuple[tuple[str, str], ...], *, is_forced: bool) -> None:
    if schema is None or is_forced:
        return
    from lihil_cli.wstest.place.schema import complaints

    found = complaints(schema, target.path, headers)
    if found:
        raise CliError(f"{'; '.join(found)} (--force sends it anyway)", code=ExitCode.USAGE)
