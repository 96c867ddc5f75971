"""From settings to what stands between the app and its clients: a certificate, proxies that are believed.

What cannot be used is found here, before anything runs.
"""

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.proxies import Proxies, parse_proxies
from lihil_cli.serving.tls import Certificate, make_context
from lihil_cli.settings import Rank, Settings


def read_certificate(settings: Settings) -> Certificate | None:
    """The certificate to serve with. Raises CliError for one that cannot be used, or that lacks its other half."""
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


def read_proxies(settings: Settings) -> Proxies | None:
    """Whose word about a client counts. Raises CliError for proxies that are named and not believed."""
    if settings.proxy_headers.value:
        return parse_proxies(settings.forwarded_allow_ips.value)
    if settings.forwarded_allow_ips.rank is not Rank.DEFAULT:
        raise _without("forwarded_allow_ips", settings.forwarded_allow_ips.source, "proxy_headers")
    return None


def _without(name: str, source: str, needed: str) -> CliError:
    flag = f"--{needed.replace('_', '-')}"
    return CliError(f"{name} ({source}) does nothing without {needed}", hint=flag, code=ExitCode.USAGE)
