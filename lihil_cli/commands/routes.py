"""`lihil routes`: what an app answers to, as a table or as JSON."""

from typing import TYPE_CHECKING, Annotated

import typer

from lihil_cli.errors import CliError

if TYPE_CHECKING:
    # Imported when the command runs: the framework is what it loads the app with.
    from lihil.schema.model import AppModel, ParamModel, RouteModel
    from lihil_cli.settings import Settings


def routes(
    app: Annotated[
        str | None, typer.Argument(metavar="APP", help="module:attribute, such as main:app.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Show every route: HTTP and WebSocket, its typed parameters, its handler and where that stands.

    The app is found as by `lihil run`, and imported.

    Examples:

    \b
        lihil routes
        lihil routes main:app --json
    """
    from lihil_cli.console import escape_terminal
    from lihil_cli.settings import resolve_settings

    model = _describe(resolve_settings({"app": app}))
    typer.echo(_as_json(model) if as_json else escape_terminal(_as_text(model)))
    problems = [problem for route in model.routes for problem in route.problems]
    if problems:
        raise CliError("\n".join(["the app would not start:", *problems]))


def _describe(settings: "Settings") -> "AppModel":
    from lihil_cli.envfile import apply_env_files
    from lihil_cli.loader import find_target, load_app

    apply_env_files(settings.env_file.value)
    target = find_target(settings.app.value, settings.root)
    loaded = load_app(target)  # first, so that an app which cannot be imported is reported as such

    from lihil import Lihil
    from lihil.schema.model import describe_app

    if not isinstance(loaded, Lihil):
        raise CliError(
            f"{target} is of type {type(loaded).__name__}: only the routes of a lihil.Lihil can be listed",
            hint="lihil run serves any ASGI application",
        )
    return describe_app(loaded, title=str(target))


def _as_json(model: "AppModel") -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(model), indent=2).decode()


def _as_text(model: "AppModel") -> str:
    rows = [_row(route) for route in model.routes]
    if not rows:
        return f"{model.title} has no routes"
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, row[:4], widths), row[4]]).rstrip() for row in rows]
    return "\n".join(lines)


def _row(route: "RouteModel") -> tuple[str, str, str, str, str]:
    params = ", ".join(_param(param) for param in route.params) or "-"
    return (route.method or "WS", route.path, params, route.handler, f"{route.file}:{route.line}")


def _param(param: "ParamModel") -> str:
    """`limit: int = 10 (query)`; a parameter that may be absent but has no default ends in a question mark."""
    default = "?" if param.default is None else f" = {param.default}"
    return f"{param.name}: {param.type}{'' if param.required else default} ({param.location})"
