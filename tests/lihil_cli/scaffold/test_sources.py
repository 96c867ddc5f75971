"""Where templates are found and read, and where lihil is found to have come from."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lihil_cli.scaffold.plan import Origin, TemplateFile
from lihil_cli.scaffold.sources import (
    find_templates,
    is_skipped,
    lihil_origin,
    list_templates,
    origin_of_record,
    read_template,
    template_names,
)

REPOSITORY = Path(__file__).parents[3]


def make_template(templates: Path, name: str, description: str = "") -> Path:
    folder = templates / name
    folder.mkdir(parents=True)
    line = f'description = "{description}"\n' if description else ""
    (folder / "pyproject.toml").write_text(f'[project]\nname = "x"\n{line}')
    return folder


def test_an_installed_package_holds_its_templates(tmp_path: Path) -> None:
    package = tmp_path / "lihil_cli"
    make_template(package / "templates", "one")
    make_template(tmp_path / "templates", "two")
    assert template_names(find_templates(package)) == ["one"]


def test_a_checkout_has_its_templates_beside_the_package(tmp_path: Path) -> None:
    make_template(tmp_path / "templates", "two")
    assert template_names(find_templates(tmp_path / "lihil_cli")) == ["two"]


def test_templates_are_read_from_a_zipped_package(tmp_path: Path) -> None:
    archive = tmp_path / "lihil.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for source in (REPOSITORY / "lihil_cli").rglob("*.py"):
            packed.write(source, source.relative_to(REPOSITORY))
        packed.writestr("lihil_cli/templates/one/pyproject.toml", '[project]\nname = "x"\n')
        packed.writestr("lihil_cli/templates/one/bin/go.sh", "#!/bin/sh\n")
    code = """
from lihil_cli.scaffold.sources import find_templates, read_template
print([(file.path, file.executable) for file in read_template(find_templates(), "one")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(archive)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[('bin/go.sh', True), ('pyproject.toml', False)]\n"


def test_a_script_in_a_zip_is_known_by_its_first_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
        packed.writestr("one/run.sh", "#!/bin/sh\n")
        packed.writestr("one/text", "text\n")
    assert read_template(zipfile.Path(tmp_path / "t.zip"), "one") == [
        TemplateFile("run.sh", b"#!/bin/sh\n", executable=True),
        TemplateFile("text", b"text\n"),
    ]


def test_an_installation_without_templates_has_none(tmp_path: Path) -> None:
    assert template_names(find_templates(tmp_path / "lihil_cli")) == []


def test_a_folder_without_a_pyproject_is_no_template(tmp_path: Path) -> None:
    make_template(tmp_path, "one", "The first")
    make_template(tmp_path, "two")
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").write_text("")
    assert list_templates(tmp_path) == [("one", "The first"), ("two", "")]


def test_no_templates_at_all_are_an_empty_list(tmp_path: Path) -> None:
    assert template_names(tmp_path / "missing") == []


def test_every_file_is_read_with_its_mode_but_not_what_tools_leave_behind(tmp_path: Path) -> None:
    folder = make_template(tmp_path, "one")
    for path in ("src/a.py", "src/__pycache__/a.pyc", ".venv/pyvenv.cfg", ".env", "uv.lock", ".env.example", "run.sh"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x\r\n")
    (folder / "run.sh").chmod(0o755)
    assert read_template(tmp_path, "one") == [
        TemplateFile(".env.example", b"x\r\n"),
        TemplateFile("pyproject.toml", b'[project]\nname = "x"\n'),
        TemplateFile("run.sh", b"x\r\n", executable=True),
        TemplateFile("src/a.py", b"x\r\n"),
    ]


@pytest.mark.parametrize(
    "name", [".git", ".coverage", ".coverage.host.1", "a.pyc", "x.egg-info", "node_modules", ".pytest_cache", "dist"]
)
def test_leftovers_are_skipped(name: str) -> None:
    assert is_skipped(name)


@pytest.mark.parametrize(
    "name", [".gitignore", ".github", ".env.example", ".python-version", "py.typed", "build.py", "Dockerfile"]
)
def test_a_projects_own_dotfiles_are_not(name: str) -> None:
    assert not is_skipped(name)


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        (
            {"url": "file:///work/lihil", "dir_info": {"editable": True}},
            Origin("folder", "/work/lihil", editable=True),
        ),
        ({"url": "file:///my%20work/lihil", "dir_info": {}}, Origin("folder", "/my work/lihil")),
        ({"url": "file:///C:/work/lihil", "dir_info": {}}, Origin("folder", "C:/work/lihil")),
        (
            {"url": "file:///w/lihil-1.0.0-py3-none-any.whl", "archive_info": {"hash": "sha256=0"}},
            Origin("file", "/w/lihil-1.0.0-py3-none-any.whl"),
        ),
        (
            {"url": "https://h.example/l.tar.gz", "archive_info": {}, "subdirectory": "py"},
            Origin("url", "https://h.example/l.tar.gz", subdirectory="py"),
        ),
        (
            {"url": "https://h.example/l.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            Origin("git", "https://h.example/l.git", revision="abc"),
        ),
        ({"url": "https://h.example/l", "vcs_info": {"vcs": "hg", "commit_id": "abc"}}, Origin()),
        ({}, Origin()),
    ],
)
def test_an_installers_record_says_where_lihil_came_from(record: dict[str, Any], origin: Origin) -> None:
    assert origin_of_record(record) == origin


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        ('{"url": "file:///w/lihil", "dir_info": {}}', Origin("folder", "/w/lihil")),
        (None, Origin()),
    ],
)
def test_the_record_of_the_installed_lihil_is_found(
    record: str | None, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "lihil-1.0.0.dist-info"
    installed.mkdir()
    if record:
        (installed / "direct_url.json").write_text(record)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "missing"), str(tmp_path), *sys.path])
    assert lihil_origin() == origin


def test_a_checkout_that_was_never_installed_is_its_own_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    assert lihil_origin(tmp_path / "lihil_cli") == Origin()
    (tmp_path / "pyproject.toml").write_text("")
    assert lihil_origin(tmp_path / "lihil_cli") == Origin("folder", tmp_path.as_posix(), editable=True)
