"""`lihil ws-test FILE.wst ...`, from its options to its exit code."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lihil_cli.console import escape_terminal
from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.wstest.network.handshake import Handshake
from lihil_cli.wstest.network.target import Target, whole_target
from lihil_cli.wstest.opening import load_schema
from lihil_cli.wstest.place.locate import Place, locate
from lihil_cli.wstest.place.schema import Schema
from lihil_cli.wstest.script.files import SUFFIX, Loaded, environ_for, load_files
from lihil_cli.wstest.script.route_check import check_addresses
from lihil_cli.wstest.script.servers import Enter, in_process, over_sockets
from lihil_cli.wstest.script.suite import Options, Reports, run_scripts

__all__ = ["Reports", "play"]


def play(
    names: Sequence[str],
    place: Place,
    folder: Path,
    handshake: Handshake,
    reports: Reports,
    *,
    timeout_s: float | None,
    is_forced: bool = False,
) -> int:
    """Run the scripts against the server or the app that `place` says, or that is found from `folder` on.

    Raises CliError: USAGE for what is no script, or, unless `is_forced`, for an address that the app would not take;
    CANNOT_CONNECT where there is nothing to talk to; TIMEOUT when time has run out.
    """
    other = next((name for name in names if not name.endswith(SUFFIX)), None)
    if other is not None:
        raise CliError(f"{other!r} stands among scripts", hint=f"give {SUFFIX} files alone", code=ExitCode.USAGE)
    options = Options(handshake=handshake, environ=environ_for(names, folder), timeout_s=timeout_s, reports=reports)
    scripts = load_files(names, options.environ)

    def check(schema: Schema) -> None:
        if not is_forced:
            check_addresses(scripts, schema, options.environ)

    server = _server_for(scripts, place, folder, check, tell=_tell_nothing if reports.is_quiet else _tell)
    left: list[str] = []
    code: int = ExitCode.INTERRUPTED
    try:
        code = run_scripts(scripts, server, options, sys.stdout, left)
    except Terminated:
        code = ExitCode.TERMINATED
    except CliError as error:
        code = error.code
        if not reports.is_quiet:
            raise
    finally:
        if left:
            from lihil_cli.wstest.leftovers import leave_behind

            leave_behind(left, code, is_quiet=reports.is_quiet)
    return code


def _tell(line: str) -> None:
    print(escape_terminal(line, keep_newlines=False), file=sys.stderr)  # noqa: T201 - results alone are standard output


def _tell_nothing(line: str) -> None:
    """Nobody wants to know."""


def _server_for(
    scripts: Sequence[Loaded],
    place: Place,
    folder: Path,
    check: Callable[[Schema], None],
    *,
    tell: Callable[[str], None],
) -> Enter:
    def resolve(address: str) -> Target:
        return locate(address, place, folder).target

    if all(_names_a_server(loaded) for loaded in scripts):
        return over_sockets(resolve, tell=tell)
    found = locate("/", place, folder)
    if found.app is None:
        if found.schema is not None:
            check(load_schema(found))
        return over_sockets(resolve, found.server, tell=tell)
    if place.app is None:
        tell(found.how)  # nobody asked for it, so it is said
    return in_process(found.app or None, found.root, check)


def _names_a_server(loaded: Loaded) -> bool:
    target = loaded.script.target
    return target is not None and whole_target(target.path.source) is not None
