"""`lihil ws-test FILE.wst ...`, from its options to its exit code."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.settings import find_project_file
from lihil_cli.wstest.handshake import Handshake
from lihil_cli.wstest.script.files import SUFFIX, load_files
from lihil_cli.wstest.script.servers import in_process, over_sockets
from lihil_cli.wstest.script.suite import Options, Reports, run_scripts
from lihil_cli.wstest.target import Target

__all__ = ["Reports", "play"]


def play(
    names: Sequence[str],
    resolve: Callable[[str], Target],
    handshake: Handshake,
    reports: Reports,
    *,
    app: str | None,
    timeout_s: float | None,
) -> int:
    """Run the scripts against `app` in this process, or else against the servers that `resolve` finds.

    Raises CliError: USAGE for what is no script, TIMEOUT when time has run out.
    """
    other = next((name for name in names if not name.endswith(SUFFIX)), None)
    if other is not None:
        raise CliError(f"{other!r} stands among scripts", hint=f"give {SUFFIX} files alone", code=ExitCode.USAGE)
    options = Options(handshake=handshake, timeout_s=timeout_s, reports=reports)
    scripts = load_files(names, options.environ)
    if app is None:
        return run_scripts(scripts, over_sockets(resolve), options, sys.stdout)
    file = find_project_file(Path.cwd())
    root = Path.cwd() if file is None else file.parent
    return run_scripts(scripts, in_process(app, root), options, sys.stdout)
