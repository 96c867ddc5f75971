"""`lihil run` without --reload, from its settings to its exit code."""

from collections.abc import Mapping
from pathlib import Path

from lihil_cli.errors import ExitCode
from lihil_cli.loader import find_target
from lihil_cli.production.events import Limits
from lihil_cli.rereading import reread
from lihil_cli.serving.ending import Orders, heed_signals
from lihil_cli.serving.opening import open_address
from lihil_cli.settings import Settings, resolve_settings


def serve_code_as_it_is(settings: Settings, flags: Mapping[str, object]) -> ExitCode:
    """Serve in one process or in several, as the settings say, until a signal gives an order.

    `flags` are what the command line says, for when the settings are read again. Raises CliError.
    """
    orders = Orders()
    heed_signals(orders)
    here = Path.cwd()  # which may have been removed when the settings are read again
    target = find_target(settings.app.value, settings.root)
    with open_address(settings) as (listener, address):
        # Behind the listener: a port that is taken is said before uvicorn is loaded.
        from lihil_cli.production.pool import serve_pool
        from lihil_cli.production.single import serve_here
        from lihil_cli.serving.planning import make_plan
        from lihil_cli.serving.report import Place, say, traces, warn_if_open
        from lihil_cli.serving.server import Plan

        plan = make_plan(settings, target)
        tls = plan.certificate is not None
        place = Place(str(target), address.host, address.port, settings.root, address.path, tls)
        warn_if_open(place)

        def renew() -> tuple[Plan, Limits]:
            nonlocal settings
            renewed, lines = reread(settings, resolve_settings(flags, start=here))
            plan = make_plan(renewed, target)
            settings = renewed
            for line in lines:
                say(line)
            return plan, limits_of(settings)

        with traces(place):
            if settings.workers.value > 1:
                return serve_pool(plan, limits_of(settings), listener, place, renew)
            return serve_here(plan, listener, place, orders)


def limits_of(settings: Settings) -> Limits:
    """The bounds that a pool is kept in."""
    times = (settings.start_timeout.value, settings.drain.value, settings.hang_timeout.value)
    return Limits(settings.workers.value, *times)
