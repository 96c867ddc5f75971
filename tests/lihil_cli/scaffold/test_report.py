"""What a user is told once a project stands."""

import pytest

from lihil_cli.scaffold.plan import SENTINEL, Origin, TemplateFile, plan_project
from lihil_cli.scaffold.report import Report, Step, next_steps, template_table

FILES = [TemplateFile("README.md", b"lihil ws-test '/a?b=1'\n"), TemplateFile("run.sh", b"x", executable=True)]
PLAN = plan_project(FILES, SENTINEL)


def test_with_uv_every_line_goes_through_it() -> None:
    steps = next_steps(SENTINEL, PLAN, Origin(), uv_found=True, windows=False)
    assert [line for step in steps for line in step.lines] == [
        "cd lihil-starter",
        "uv run lihil run --reload",
        "uv run lihil ws-test '/a?b=1'",
        "uv run pytest",
    ]


@pytest.mark.parametrize(
    ("windows", "prepare"),
    [
        (False, ["python3 -m venv .venv", ". .venv/bin/activate"]),
        (True, ["py -m venv .venv", ".venv\\Scripts\\activate"]),
    ],
)
def test_without_uv_an_environment_is_made_first(windows: bool, prepare: list[str]) -> None:
    origin = Origin("folder", "/w", editable=True)
    steps = next_steps(SENTINEL, PLAN, origin, uv_found=False, windows=windows)
    assert [line for step in steps for line in step.lines] == [
        "cd lihil-starter",
        *prepare,
        'pip install -e /w -e ".[dev]"',
        "lihil run --reload",
        "lihil ws-test '/a?b=1'",
        "pytest",
    ]


def test_the_text_lists_the_files_and_then_the_steps() -> None:
    report = Report(SENTINEL, "minimal", PLAN, (Step("run it", ("cd x", "go")),), dry_run=False)
    assert report.text.splitlines() == [
        "made lihil-starter from the minimal template, 2 files:",
        "  lihil-starter/README.md",
        "  lihil-starter/run.sh",
        "",
        "run it:",
        "  cd x",
        "  go",
    ]


def test_the_document_holds_the_same() -> None:
    report = Report(SENTINEL, "minimal", PLAN, (Step("run it", ("go",)),), dry_run=True)
    assert report.text.startswith("would make ")
    assert report.document == {
        "name": "lihil-starter",
        "dist": "lihil-starter",
        "module": "lihil_starter",
        "title": "Lihil Starter",
        "template": "minimal",
        "dry_run": True,
        "files": [
            {"path": "README.md", "bytes": 23, "executable": False},
            {"path": "run.sh", "bytes": 1, "executable": True},
        ],
        "next": ["go"],
    }


def test_templates_stand_in_columns() -> None:
    assert template_table([("a", "One"), ("longer", "Two"), ("c", "")]) == "a       One\nlonger  Two\nc"
    assert template_table([]) == ""
