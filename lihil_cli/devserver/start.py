"""`lihil run --reload`, from its settings to its exit code."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from lihil_cli.devserver.desk import Desk
from lihil_cli.devserver.keys import has_keyboard
from lihil_cli.devserver.mode import choose_mode
from lihil_cli.devserver.plan import DevPlan, plan_for
from lihil_cli.devserver.supervisor import loaded_modules, serve_following
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.serving.ending import Orders, heed_signals, leave
from lihil_cli.serving.opening import open_address
from lihil_cli.serving.report import Place, traces, warn_if_open
from lihil_cli.settings import Settings, resolve_settings


def serve_with(flags: Mapping[str, object]) -> NoReturn:
    """Serve with these flags of the command line, and leave. Raises CliError."""
    leave(serve_code_that_changes(resolve_settings(flags), flags))


def serve_code_that_changes(settings: Settings, flags: Mapping[str, object]) -> ExitCode:
    """Serve the newest code that can be served, until a signal; settings are read anew when their files change.

    Raises CliError.
    """
    heed_signals(Orders())
    if sys.platform == "win32":
        raise CliError("--reload is not there on Windows yet", hint="run it in WSL, or with --no-reload")
    here = Path.cwd()  # which may have been removed when the settings are read again
    target = plan_for(settings, "").target
    with open_address(settings) as (listener, address):
        tls = settings.tls_cert.value is not None
        place = Place(str(target), address.host, address.port, settings.root, address.path, tls)
        mode = settings.reload_mode.value
        choice = choose_mode(mode, platform=sys.platform, modules=loaded_modules(), environ=os.environ)
        warn_if_open(place)
        with traces(place) as left:

            def refresh() -> DevPlan:
                return plan_for(resolve_settings(flags, start=here), left.token)

            desk = Desk(place, left, has_keys=has_keyboard())
            return serve_following(plan_for(settings, left.token), listener, desk, choice, refresh)
