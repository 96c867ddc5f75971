"""`lihil new`: a project from a template."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lihil_cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    # The engine is imported when the command runs: `lihil --help` has no use for it.
    from lihil_cli.scaffold.names import ProjectNames
    from lihil_cli.scaffold.report import Report
    from lihil_cli.scaffold.sources import Folder


def new(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The project's name, and its folder's.", show_default=False)
    ] = None,
    template: Annotated[str, typer.Option("--template", "-t", help="What to start from; see --list.")] = "minimal",
    list_templates: Annotated[bool, typer.Option("--list", help="List the templates and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made; write nothing.")] = False,
    no_git: Annotated[bool, typer.Option("--no-git", help="Make no git repository.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Make a new project: typed, tested, linted, ready to run.

    Everything is made at once or nothing is; an existing project is never touched.

    \b
        lihil new my-app
        lihil new my-app --dry-run
        lihil new --list
    """
    from lihil_cli.scaffold.sources import find_templates

    templates = find_templates()
    if list_templates:
        typer.echo(_listing(templates, as_json=as_json))
        return
    names = _names(name)
    _check_template(templates, template)
    report = _make(names, templates, template, dry_run=dry_run, git=not no_git)
    typer.echo(json.dumps(report.document, indent=2) if as_json else report.text)


def _make(names: "ProjectNames", templates: "Folder", template: str, *, dry_run: bool, git: bool) -> "Report":
    import shutil

    from lihil_cli.scaffold.plan import plan_project
    from lihil_cli.scaffold.report import Report, next_steps
    from lihil_cli.scaffold.sources import lihil_origin, read_template
    from lihil_cli.scaffold.write import check_target, write_project

    target = _working_folder() / names.folder
    check_target(target)
    origin = lihil_origin()
    plan = plan_project(read_template(templates, template), names, origin=origin)
    if plan.refusals:
        raise CliError(f"the template {template} cannot be used: {'; '.join(plan.refusals)}")
    if not dry_run:
        note = write_project(target, plan.files, first_commit=f"Start from lihil's {template} template" if git else "")
        if note:
            typer.echo(f"note: {_printable(note)}", err=True)
    uv_found = shutil.which("uv") is not None
    steps = next_steps(names, plan, origin, uv_found=uv_found, windows=sys.platform == "win32")
    return Report(names, template, plan, steps, dry_run)


def _names(name: str | None) -> "ProjectNames":
    from lihil_cli.scaffold.names import NameRefusal, parse_name

    parsed = parse_name(name or "")
    if isinstance(parsed, NameRefusal):
        raise CliError(_printable(f"{parsed.reason}; try: {parsed.command}"), code=ExitCode.USAGE)
    return parsed


def _check_template(templates: "Folder", template: str) -> None:
    from lihil_cli.scaffold.sources import template_names

    known = template_names(templates)
    if template not in known:
        listed = ", ".join(known) or "none, so this installation of lihil is not whole"
        raise CliError(_printable(f"there is no template '{template}'; there are: {listed}"), code=ExitCode.USAGE)


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise CliError("the folder you are in is gone; cd to one that exists") from None


def _listing(templates: "Folder", *, as_json: bool) -> str:
    from lihil_cli.scaffold.report import template_table
    from lihil_cli.scaffold.sources import list_templates

    listed = list_templates(templates)
    if as_json:
        return json.dumps([{"name": name, "description": description} for name, description in listed], indent=2)
    return template_table(listed)


def _printable(text: str) -> str:
    from lihil_cli.console import escape_terminal

    return escape_terminal(text, keep_newlines=False)
