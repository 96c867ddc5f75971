"""Every template as the project it is: in place, and generated under awkward names."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lihil_cli.scaffold.names import ProjectNames, parse_name
from lihil_cli.scaffold.plan import SENTINEL, plan_project
from lihil_cli.scaffold.sources import find_templates, is_skipped, read_template, template_names
from lihil_cli.scaffold.write import write_project

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = REPOSITORY / "templates"
NAMES = ["a", "my-app", "x9", "lihil-starter2", "n" * 40]
TRY_LINES = {"minimal": "lihil ws-test '/web_socket/session123?max_users=5'"}

every_template = pytest.mark.parametrize("template", template_names(TEMPLATES))
every_name = pytest.mark.parametrize("name", NAMES)


def project_names(name: str) -> ProjectNames:
    names = parse_name(name)
    assert isinstance(names, ProjectNames)
    return names


def generate(template: str, name: str, folder: Path) -> Path:
    plan = plan_project(read_template(TEMPLATES, template), project_names(name))
    assert plan.refusals == ()
    write_project(folder / name, plan.files)
    return folder / name


def check(project: Path, *words: str) -> None:
    """Run a tool of the project in it, and show what it said unless it is content."""
    environment = {**os.environ, "PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def check_style(project: Path) -> None:
    check(project, "ruff", "check", "--no-cache", ".")
    check(project, "ruff", "format", "--no-cache", "--check", ".")


def check_types(project: Path) -> None:
    check(project, "pyright", "--pythonpath", sys.executable)


def check_tests(project: Path) -> None:
    check(project, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def test_the_templates_of_this_checkout_are_the_ones_in_use() -> None:
    assert find_templates() == TEMPLATES
    assert "minimal" in template_names(TEMPLATES)


@every_template
def test_a_template_passes_its_own_tests_where_it_stands(template: str) -> None:
    check_tests(TEMPLATES / template)


@every_template
def test_a_template_is_well_formed_where_it_stands(template: str) -> None:
    check_style(TEMPLATES / template)
    check_types(TEMPLATES / template)


@every_template
@every_name
def test_a_generated_project_passes_its_own_tests(template: str, name: str, tmp_path: Path) -> None:
    check_tests(generate(template, name, tmp_path))


@every_template
@every_name
def test_a_generated_project_is_well_formed(template: str, name: str, tmp_path: Path) -> None:
    check_style(generate(template, name, tmp_path))


@every_template
def test_a_generated_project_is_typed_to_the_last_line(template: str, tmp_path: Path) -> None:
    check_types(generate(template, "n" * 40, tmp_path))


@every_template
def test_under_the_sentinel_names_a_project_is_the_template(template: str) -> None:
    files = read_template(TEMPLATES, template)
    assert [(file.path, file.data) for file in plan_project(files, SENTINEL).files] == [
        (file.path, file.data) for file in files
    ]


@every_template
def test_a_generated_project_has_no_trace_of_the_sentinel(template: str) -> None:
    plan = plan_project(read_template(TEMPLATES, template), project_names("my-app"))
    assert [file.path for file in plan.files if "starter" in file.path or b"starter" in file.data.lower()] == []


@every_template
def test_the_repository_holds_every_file_of_a_template_and_no_other(template: str) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", f"templates/{template}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = {path.removeprefix(f"templates/{template}/") for path in listed.stdout.split("\0") if path}
    assert {file.path for file in read_template(TEMPLATES, template)} == tracked


@every_template
def test_a_template_holds_no_links_and_ends_its_lines_as_unix_does(template: str) -> None:
    assert [path for path in (TEMPLATES / template).rglob("*") if path.is_symlink()] == []
    assert [file.path for file in read_template(TEMPLATES, template) if b"\r\n" in file.data] == []


@every_template
def test_pip_and_uv_install_the_same_development_tools(template: str) -> None:
    document = tomllib.loads((TEMPLATES / template / "pyproject.toml").read_text())
    assert document["project"]["optional-dependencies"]["dev"] == document["dependency-groups"]["dev"]
    assert document["project"]["requires-python"] == ">=3.11"
    assert document["project"]["dependencies"][0].startswith("lihil>=1.0")
    assert document["tool"]["lihil"] == {"app": "lihil_starter.main:app"}


@every_template
def test_the_readme_prints_what_the_command_prints(template: str) -> None:
    plan = plan_project(read_template(TEMPLATES, template), SENTINEL)
    assert plan.try_command.startswith("lihil ws-test '")
    assert plan.try_command == TRY_LINES.get(template, plan.try_command)
    readme = (TEMPLATES / template / "README.md").read_text()
    for line in ("uv run lihil run --reload", "\nlihil run --reload\n", 'pip install -e ".[dev]"', "uv run pytest"):
        assert line in readme


@every_template
def test_the_notes_for_assistants_fit_on_one_screen(template: str) -> None:
    assert len((TEMPLATES / template / "AGENTS.md").read_text().splitlines()) <= 60


@every_template
def test_what_running_a_template_leaves_behind_is_never_generated(template: str, tmp_path: Path) -> None:
    copy = tmp_path / "templates" / template
    shutil.copytree(TEMPLATES / template, copy, ignore=lambda _, names: {name for name in names if is_skipped(name)})
    before = read_template(tmp_path / "templates", template)
    for leftover in ("uv.lock", ".env", ".coverage", "src/lihil_starter/__pycache__/main.cpython-311.pyc"):
        (copy / leftover).parent.mkdir(exist_ok=True)
        (copy / leftover).write_bytes(b"x")
    assert read_template(tmp_path / "templates", template) == before
