"""`lihil run` without --reload, from its settings to its exit code."""

from lihil_cli.errors import ExitCode
from lihil_cli.loader import find_target
from lihil_cli.serving.ending import Orders
from lihil_cli.serving.opening import open_address
from lihil_cli.settings import Settings


def serve_code_as_it_is(settings: Settings, orders: Orders) -> ExitCode:
    """Serve in one process or in several, as the settings say, until a signal gives an order. Raises CliError."""
    target = find_target(settings.app.value, settings.root)
    with open_address(settings) as (listener, address):
        # Behind the listener: a port that is taken is said before uvicorn is loaded.
        from lihil_cli.production.pool import serve_pool
        from lihil_cli.production.single import serve_here
        from lihil_cli.production.supervisor import Limits
        from lihil_cli.serving.planning import make_plan
        from lihil_cli.serving.report import Place, traces, warn_if_open

        plan = make_plan(settings, target)
        tls = plan.certificate is not None
        place = Place(str(target), address.host, address.port, settings.root, address.path, tls)
        warn_if_open(place)
        with traces(place):
            if settings.workers.value > 1:
                limits = Limits(settings.workers.value, settings.start_timeout.value, settings.drain.value)
                return serve_pool(plan, listener, place, limits)
            return serve_here(plan, listener, place, orders)
