"""`lihil run`: serve an app, on one process, several, or one that follows the source files."""

from collections.abc import Mapping
from typing import Annotated

import typer

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.keys import LOG_LEVELS, RELOAD_MODES
from lihil_cli.settings import Rank, Settings, resolve_settings


def run(  # noqa: PLR0913 - one argument per option
    app: Annotated[
        str | None, typer.Argument(metavar="APP", help="module:attribute, such as main:app.", show_default=False)
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen (default: 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one (default: 8000).")] = None,
    uds: Annotated[str | None, typer.Option(metavar="PATH", help="Listen on a Unix socket instead.")] = None,
    uds_mode: Annotated[str | None, typer.Option(metavar="MODE", help="Its permissions (default: 660).")] = None,
    fd: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Use a socket that is open already: systemd's first is 3.")
    ] = None,
    reload: Annotated[bool | None, typer.Option(help="Load the code again when a source file changes.")] = None,
    reload_mode: Annotated[
        str | None, typer.Option(help=f"How the next process is made: {', '.join(RELOAD_MODES)} (default: auto).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="How many processes serve (default: 1).")] = None,
    drain: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a stop may take (default: 8).")
    ] = None,
    start_timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a worker may take to serve (default: 60).")
    ] = None,
    hang_timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long one's event loop may stand still (default: 30; 0: for ever)."),
    ] = None,
    tls_cert: Annotated[
        str | None,
        typer.Option("--tls-cert", "--ssl-certfile", metavar="FILE", help="Serve HTTPS and WSS: the PEM chain."),
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option("--tls-key", "--ssl-keyfile", metavar="FILE", help="Its key, if in another file.")
    ] = None,
    tls_key_password: Annotated[
        str | None,
        typer.Option("--tls-key-password", "--ssl-keyfile-password", metavar="TEXT", help="Of a key that is locked."),
    ] = None,
    proxy_headers: Annotated[
        bool | None, typer.Option(help="Believe X-Forwarded-For and X-Forwarded-Proto of trusted proxies.")
    ] = None,
    forwarded_allow_ips: Annotated[
        str | None, typer.Option(metavar="PEERS", help="Which those are (default: 127.0.0.1,::1,unix).")
    ] = None,
    root_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Below which path a proxy serves the app.")
    ] = None,
    env_file: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="NAME=value lines for what the environment lacks; of several the last wins."),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help=f"{', '.join(LOG_LEVELS)} (default: info).")] = None,
    access_log: Annotated[bool | None, typer.Option(help="One line for each request (default: yes).")] = None,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print every setting and where it comes from; serve nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --show-settings: as JSON.")] = False,
) -> None:
    """Serve an app.

    Without APP: `app` in [tool.lihil] of pyproject.toml, else src/*/main.py, main.py or app.py with an `app` in it.
    Each option can also be set as LIHIL_HOST, LIHIL_PORT, ... in the environment or in the env file, or in
    [tool.lihil]; a flag wins.

    Examples:

    \b
        lihil run --reload
        lihil run main:app --port 0
        lihil run shop.main:app --host 0.0.0.0 --workers 4 --drain 20
        lihil run --uds /run/shop/app.sock --proxy-headers
        lihil run --show-settings
    """
    flags = dict(locals())
    for name in ("show_settings", "as_json"):
        del flags[name]
    for name in ("log_level", "reload_mode"):
        flags[name] = None if flags[name] is None else str(flags[name]).lower()
    settings = resolve_settings(flags)
    if as_json and not show_settings:
        raise CliError("--json belongs to --show-settings", code=ExitCode.USAGE)
    if show_settings:
        raise typer.Exit(_show(settings, as_json=as_json))
    _check(settings)
    from lihil_cli.serving.ending import leave

    leave(_serve(settings, flags))


def _show(settings: Settings, *, as_json: bool) -> ExitCode:
    from lihil_cli.settings_table import as_document, as_lines

    typer.echo(as_document(settings) if as_json else "\n".join(as_lines(settings)))
    return ExitCode.OK


def _serve(settings: Settings, flags: Mapping[str, object]) -> ExitCode:
    if settings.reload.value:
        from lihil_cli.devserver.reading import hand_over
        from lihil_cli.devserver.start import serve_code_that_changes

        hand_over(flags)
        return serve_code_that_changes(settings, flags)
    from lihil_cli.production.start import serve_code_as_it_is

    return serve_code_as_it_is(settings, flags)


def _check(settings: Settings) -> None:
    if settings.reload.value and settings.workers.value > 1:
        raise CliError(
            f"reload ({settings.reload.source}) and {settings.workers.value} workers ({settings.workers.source})"
            " exclude each other",
            hint="--no-reload, or --workers 1",
            code=ExitCode.USAGE,
        )
    for name, setting in (("drain", settings.drain), ("hang_timeout", settings.hang_timeout)):
        if settings.reload.value and setting.rank is Rank.FLAG:  # elsewhere it is meant for production
            raise CliError(
                f"{name} ({setting.source}) does nothing with reload ({settings.reload.source})",
                hint="leave it out, or --no-reload",
                code=ExitCode.USAGE,
            )
