"""From settings to the plan of a serving process; what cannot be served so is found here, before anything runs."""

import sys

from lihil.server.drain import drain_within
from lihil_cli.console import colour_allowed
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.loader import Target
from lihil_cli.proxies import Proxies, parse_proxies
from lihil_cli.serving.server import Plan
from lihil_cli.serving.tls import Certificate, make_context
from lihil_cli.settings import Rank, Settings


def make_plan(settings: Settings, target: Target) -> Plan:
    """How to serve `target`. Raises CliError for a certificate that cannot be used and for settings without effect."""
    if settings.uds.value is None and settings.uds_mode.rank is not Rank.DEFAULT:
        raise _without("uds_mode", settings.uds_mode.source, "uds")
    return Plan(
        target,
        settings.log_level.value,
        drain_within(settings.drain.value),
        colour_allowed(sys.stderr),
        certificate=_certificate(settings),
        proxies=_proxies(settings),
        env_files=settings.env_file.value,
        root_path=settings.root_path.value,
        access_log=settings.access_log.value,
    )


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_cert.value is None:
        for name, setting in (("tls_key", settings.tls_key), ("tls_key_password", settings.tls_key_password)):
            if setting.rank is not Rank.DEFAULT:
                raise _without(name, setting.source, "tls_cert")
        return None
    certificate = Certificate(settings.tls_cert.value, settings.tls_key.value, settings.tls_key_password.value or "")
    try:
        make_context(certificate)
    except CliError as error:
        keys = {settings.tls_cert.source, settings.tls_key.source} - {"default"}
        raise CliError(f"{error.message} ({', '.join(sorted(keys))})", hint=error.hint, code=error.code) from error
    return certificate


def _proxies(settings: Settings) -> Proxies | None:
    if settings.proxy_headers.value:
        return parse_proxies(settings.forwarded_allow_ips.value)
    if settings.forwarded_allow_ips.rank is not Rank.DEFAULT:
        raise _without("forwarded_allow_ips", settings.forwarded_allow_ips.source, "proxy_headers")
    return None


def _without(name: str, source: str, needed: str) -> CliError:
    flag = f"--{needed.replace('_', '-')}"
    return CliError(f"{name} ({source}) does nothing without {needed}", hint=flag, code=ExitCode.USAGE)
