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
from lihil_cli.rereading import FIXED, reread
from lihil_cli.serving.ending import Orders, heed_signals, leave
from lihil_cli.serving.opening import open_address
from lihil_cli.serving.report import Place, say, traces, warn_if_open
from lihil_cli.settings import Settings, resolve_settings

_FIXED = {"workers", "start_timeout", *FIXED} - {"app"}
_IDLE = ("drain", "hang_timeout")  # they bound the workers of a pool


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
            desk = Desk(place, left, has_keys=has_keyboard())
            renewal = _Renewal(settings, flags, here, left.token)
            return serve_following(plan_for(settings, left.token), listener, desk, choice, renewal.refresh)


class _Renewal:
    """The settings that are in force, from one reading of them to the next."""

    def __init__(self, settings: Settings, flags: Mapping[str, object], here: Path, token: str) -> None:
        self._settings = settings
        self._flags = flags
        self._here = here
        self._token = token
        self._told: list[str] = []

    def refresh(self) -> DevPlan:
        """The plan that they make now; what is new about them is said, once. Raises CliError."""
        now = resolve_settings(self._flags, start=self._here)
        settings, lines = reread(self._settings, now, fixed=_FIXED, idle=_IDLE)
        plan = plan_for(settings, self._token)
        for line in lines:
            if line not in self._told:
                say(line)
        self._settings, self._told = settings, lines
        return plan
