"""Serving in the process that was started: no parent, no children."""

import socket

from lihil_cli.errors import ExitCode
from lihil_cli.serving.ending import Orders
from lihil_cli.serving.report import Place, show_banner
from lihil_cli.serving.server import Plan, serve, talk_hints


def serve_here(plan: Plan, listener: socket.socket, place: Place, orders: Orders) -> ExitCode:
    """Serve in this process until a signal; a terminal that is closed ends it as SIGTERM does.

    Raises CliError when the app cannot be imported or its lifespan fails.
    """
    return serve(plan, listener, lambda app: show_banner(place, talk_hints(app)), orders)
