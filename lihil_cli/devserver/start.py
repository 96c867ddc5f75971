"""`lihil run --reload`, from its settings to its exit code."""

import os
import sys
from collections.abc import Mapping

from lihil_cli.console import colour_allowed
from lihil_cli.devserver.desk import Desk
from lihil_cli.devserver.keys import has_keyboard
from lihil_cli.devserver.mode import choose_mode
from lihil_cli.devserver.plan import DevPlan
from lihil_cli.devserver.supervisor import loaded_modules, serve_following
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import find_target
from lihil_cli.serving.opening import open_address
from lihil_cli.serving.report import Place, traces, warn_if_open
from lihil_cli.serving.transport import read_certificate, read_proxies
from lihil_cli.settings import Settings, resolve_settings


def serve_code_that_changes(settings: Settings, flags: Mapping[str, object]) -> ExitCode:
    """Serve the newest code that can be served, until a signal; settings are read anew when their files change.

    Raises CliError.
    """
    if sys.platform == "win32":
        raise CliError("--reload is not there on Windows yet", hint="run it in WSL, or with --no-reload")
    target = find_target(settings.app.value, settings.root)
    with open_address(settings) as (listener, address):
        tls = read_certificate(settings) is not None
        place = Place(str(target), address.host, address.port, settings.root, address.path, tls)
        modules, environ = loaded_modules(), os.environ
        choice = choose_mode(settings.reload_mode.value, platform=sys.platform, modules=modules, environ=environ)
        warn_if_open(place)
        with traces(place) as left:

            def make_plan() -> DevPlan:
                return plan_of(resolve_settings(flags), left.token)

            return serve_following(make_plan(), listener, Desk(place, left, has_keys=has_keyboard()), choice, make_plan)


def plan_of(settings: Settings, token: str) -> DevPlan:
    """What the processes of the dev server are told. Raises CliError."""
    return DevPlan(
        find_target(settings.app.value, settings.root),
        settings.log_level.value,
        colour_allowed(sys.stderr),
        token,
        tuple(sys.argv),
        certificate=read_certificate(settings),
        proxies=read_proxies(settings),
        env_file=settings.env_file.value,
        root_path=settings.root_path.value,
        access_log=settings.access_log.value,
    )
