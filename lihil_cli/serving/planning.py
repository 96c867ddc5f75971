"""From settings to the plan of a serving process; what cannot be served so is found here, before anything runs."""

import sys

from lihil.server.drain import drain_within
from lihil_cli.console import colour_allowed
from lihil_cli.loader import Target
from lihil_cli.serving.server import Plan
from lihil_cli.serving.transport import read_certificate, read_proxies
from lihil_cli.settings import Settings


def make_plan(settings: Settings, target: Target) -> Plan:
    """How to serve `target`. Raises CliError for a certificate that cannot be used and for settings without effect."""
    return Plan(
        target,
        settings.log_level.value,
        drain_within(settings.drain.value),
        colour_allowed(sys.stderr),
        certificate=read_certificate(settings),
        proxies=read_proxies(settings),
        env_file=settings.env_file.value,
        root_path=settings.root_path.value,
        access_log=settings.access_log.value,
    )
