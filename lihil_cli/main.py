"""The Typer app: which commands there are, and how a command line is carried out.

Importing this module loads typer and nothing bigger: a command is imported when it is asked for, by its name or by the
help that lists all of them, and its engine when it runs.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import typer

from lihil_cli import read_version
from lihil_cli.console import colour_allowed
from lihil_cli.errors import ExitCode
from lihil_cli.outcome import outcome, tell
from lihil_cli.plain_values import PlainCommand, PlainGroup

SUMMARY = """Make, serve and talk to realtime services.

\b
    lihil new my-app
    lihil run --reload
    lihil ws-test /ws
"""

PANELS = {"new": "Create", "run": "Run", "routes": "Run", "ws-test": "Talk"}
"""The help panel of each command. `ws-test` is the function `ws_test` in `lihil_cli.commands.ws_test`, and so on."""

Commands: TypeAlias = tuple[tuple[str, Callable[..., object], str], ...]
"""Name, function and help panel of each command."""


def run(arguments: Sequence[str], *, commands: Commands | None = None) -> int:
    """Carry out one command line and return its exit code; what went wrong has been said on stderr by then.

    `commands` stand in place of those that `PANELS` names.
    """
    try:
        code = _outcome(list(arguments) or ["--help"], load_commands(arguments) if commands is None else commands)
        sys.stdout.flush()
    except BrokenPipeError:
        code = ExitCode.BROKEN_PIPE
    if code == ExitCode.BROKEN_PIPE:
        _forget_stdout()
    return code


def load_commands(arguments: Sequence[str]) -> Commands:
    """The command that the first argument names, or all of them where it names none."""
    named = [name for name in PANELS if name in arguments[:1]] or list(PANELS)
    return tuple((name, _load(name.replace("-", "_")), PANELS[name]) for name in named)


def _load(name: str) -> Callable[..., object]:
    function: Callable[..., object] = getattr(importlib.import_module(f"lihil_cli.commands.{name}"), name)
    return function


def build_app(commands: Commands, *, rich_help: bool) -> typer.Typer:
    """The commands in one Typer app. Rich help is for terminals: elsewhere it costs a slow import and escapes."""
    app = typer.Typer(
        name="lihil",
        cls=PlainGroup,
        help=_help_text(SUMMARY, rich_help=rich_help),
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="markdown" if rich_help else None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_common_options)
    for name, function, panel in commands:
        text = _help_text(inspect.getdoc(function) or "", rich_help=rich_help)
        app.command(name, cls=PlainCommand, help=text, rich_help_panel=panel)(function)
    return app


def _help_text(text: str, *, rich_help: bool) -> str:
    """Plain help keeps the lines of a paragraph that begins with a backspace; Markdown has indentation for that."""
    return text.replace("\b\n", "") if rich_help else text


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lihil {read_version()}")
        raise typer.Exit


def _common_options(
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """The options that stand before a command; `--version` has done its work when this is called."""


def _outcome(arguments: list[str], commands: Commands) -> int:
    app = build_app(commands, rich_help=colour_allowed(sys.stdout))

    def carry_out() -> object:
        try:
            return app(arguments, prog_name="lihil", standalone_mode=False)
        except typer.Abort:
            return ExitCode.INTERRUPTED
        except Exception as error:
            if hasattr(error, "format_message"):  # typer's usage errors have no public name before 0.28
                return _tell_usage(error)
            raise

    return outcome(carry_out)


def _tell_usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lihil"
    tell(f"error: {error.format_message()}\nhint: {command} --help")
    return ExitCode.USAGE


def _forget_stdout() -> None:
    """Send what is still buffered to nowhere, or the interpreter complains about the broken pipe when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
