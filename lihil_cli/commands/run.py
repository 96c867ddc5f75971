"""`lihil run`: serve an app, on one process, several, or one that follows the source files."""

import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Annotated

import typer

from lihil_cli.errors import CliError, ExitCode, Terminated
from lihil_cli.settings import LOG_LEVELS, RELOAD_MODES, Settings, resolve_settings


def run(
    app: Annotated[
        str | None, typer.Argument(metavar="APP", help="module:attribute, such as main:app.", show_default=False)
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one (default: 8000).")] = None,
    reload: Annotated[bool | None, typer.Option(help="Load the code again when a source file changes.")] = None,
    reload_mode: Annotated[
        str | None, typer.Option(help=f"How the next process is made: {', '.join(RELOAD_MODES)} (default: auto).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes serve (default: 1).")] = None,
    log_level: Annotated[str | None, typer.Option(help=f"{', '.join(LOG_LEVELS)} (default: info).")] = None,
) -> None:
    """Serve an app.

    Without APP: `app` in [tool.lihil] of pyproject.toml, else src/*/main.py, main.py or app.py with an `app` in it.
    Each option can also be set as LIHIL_HOST, LIHIL_PORT, ... or in [tool.lihil]; a flag wins.

    Examples:

    \b
        lihil run --reload
        lihil run main:app --port 0
        lihil run shop.main:app --host 0.0.0.0 --workers 4 --log-level warning
    """
    flags = {
        "app": app,
        "host": host,
        "port": port,
        "reload": reload,
        "reload_mode": reload_mode.lower() if reload_mode else None,
        "workers": workers,
        "log_level": log_level.lower() if log_level else None,
    }
    raise typer.Exit(_serve(flags))


def _serve(flags: Mapping[str, object]) -> ExitCode:
    settings = resolve_settings(flags)
    _check_mode(settings)
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        return _open_and_follow(settings, flags) if settings.reload.value else _open_and_serve(settings)
    except Terminated:
        return ExitCode.TERMINATED
    except KeyboardInterrupt:
        return ExitCode.OK  # Ctrl-C is how a server is meant to end


def _raise_terminated(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def _open_and_serve(settings: Settings) -> ExitCode:
    from lihil_cli.devserver.listener import chosen_port, open_listener
    from lihil_cli.loader import find_target

    target = find_target(settings.app.value, settings.root)
    with open_listener(settings.host.value, settings.port.value) as listener:
        from lihil_cli.console import colour_allowed
        from lihil_cli.devserver.loop import serve_here, serve_pool
        from lihil_cli.devserver.report import Place, traces, warn_if_open
        from lihil_cli.devserver.worker import DRAIN_GRACE_S, Plan

        place = Place(str(target), settings.host.value, chosen_port(listener), settings.root)
        plan = Plan(target, settings.log_level.value, DRAIN_GRACE_S, colour_allowed(sys.stderr))
        warn_if_open(place)
        with traces(place):
            if settings.workers.value > 1:
                return serve_pool(plan, listener, place, workers=settings.workers.value)
            return serve_here(plan, listener, place)


def _open_and_follow(settings: Settings, flags: Mapping[str, object]) -> ExitCode:
    from lihil_cli.console import colour_allowed
    from lihil_cli.devserver.desk import Desk
    from lihil_cli.devserver.keys import has_keyboard
    from lihil_cli.devserver.listener import chosen_port, open_listener
    from lihil_cli.devserver.mode import choose_mode
    from lihil_cli.devserver.plan import DevPlan
    from lihil_cli.devserver.report import Place, traces, warn_if_open
    from lihil_cli.devserver.supervisor import loaded_modules, serve_following
    from lihil_cli.loader import find_target

    target = find_target(settings.app.value, settings.root)
    with open_listener(settings.host.value, settings.port.value) as listener:
        place = Place(str(target), settings.host.value, chosen_port(listener), settings.root)
        choice = choose_mode(
            settings.reload_mode.value, platform=sys.platform, modules=loaded_modules(), environ=os.environ
        )
        warn_if_open(place)
        with traces(place) as left:

            def make_plan() -> DevPlan:
                now = resolve_settings(flags, start=settings.root)
                app = find_target(now.app.value, now.root)
                return DevPlan(app, now.log_level.value, colour_allowed(sys.stderr), left.token, tuple(sys.argv))

            return serve_following(make_plan(), listener, Desk(place, left, has_keys=has_keyboard()), choice, make_plan)


def _check_mode(settings: Settings) -> None:
    if settings.reload.value and settings.workers.value > 1:
        raise CliError(
            f"reload ({settings.reload.source}) and {settings.workers.value} workers ({settings.workers.source})"
            " exclude each other",
            hint="--no-reload, or --workers 1",
            code=ExitCode.USAGE,
        )
