"""How a template's files become a project's."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lihil_cli.scaffold.names import ProjectNames, parse_name
from lihil_cli.scaffold.plan import SENTINEL, Origin, Plan, PlannedFile, TemplateFile, pip_install_line, plan_project


def names(text: str) -> ProjectNames:
    parsed = parse_name(text)
    assert isinstance(parsed, ProjectNames)
    return parsed


def only(plan: Plan) -> PlannedFile:
    (file,) = plan.files
    return file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"import lihil_starter.main", b"import my_app.main"),
        (b'name = "lihil-starter"', b'name = "my-app"'),
        (b"# Lihil Starter\n", b"# My App\n"),
        (b"lihil_starterlihil-starter", b"my_appmy-app"),
        (b"lihil starter, LIHIL_STARTER, lihil", b"lihil starter, LIHIL_STARTER, lihil"),
        (b"one\r\ntwo\r\n", b"one\ntwo\n"),
        ("Lihil Starter: привет".encode(), "My App: привет".encode()),
        (b"", b""),
    ],
)
def test_text_gets_the_projects_names_and_unix_line_ends(before: bytes, after: bytes) -> None:
    assert only(plan_project([TemplateFile("a.txt", before)], names("my-app"))).data == after


@pytest.mark.parametrize("data", [b"lihil_starter\0\r\n", b"\xff lihil_starter\r\n", b"\x89PNG\r\n\x1a\n"])
def test_what_is_not_text_is_left_byte_for_byte(data: bytes) -> None:
    assert only(plan_project([TemplateFile("a.bin", data)], names("my-app"))).data == data


def test_paths_get_the_projects_names() -> None:
    files = [TemplateFile("src/lihil_starter/lihil-starter.py", b""), TemplateFile("README.md", b"")]
    assert [file.path for file in plan_project(files, names("my-app")).files] == ["README.md", "src/my_app/my-app.py"]


def test_a_name_that_contains_a_sentinel_is_put_in_once() -> None:
    file = TemplateFile("lihil_starter", b"lihil_starter lihil-starter Lihil Starter")
    planned = only(plan_project([file], names("lihil-starter2")))
    assert planned.path == "lihil_starter2"
    assert planned.data == b"lihil_starter2 lihil-starter2 Lihil Starter2"


def test_a_script_stays_one() -> None:
    files = [TemplateFile("a.sh", b"#!/bin/sh\n", executable=True), TemplateFile("b.txt", b"")]
    script, text = plan_project(files, names("x")).files
    assert script.mode & 0o111
    assert not text.mode & 0o111


@given(st.binary() | st.text().map(str.encode))
def test_under_the_sentinel_names_a_file_without_carriage_returns_is_itself(data: bytes) -> None:
    data = data.replace(b"\r", b"")
    assert only(plan_project([TemplateFile("lihil_starter/x", data)], SENTINEL)).data == data


def test_the_sentinel_is_a_name_like_any_other() -> None:
    assert parse_name("lihil-starter") == SENTINEL


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//x", "./x", "a\\x", "C:x", "a/."])
def test_a_path_that_leaves_the_project_refuses_the_template(path: str) -> None:
    (refusal,) = plan_project([TemplateFile(path, b"")], names("x")).refusals
    assert "leaves the project's folder" in refusal


def test_two_paths_that_become_one_refuse_the_template() -> None:
    files = [TemplateFile("Src/lihil_starter.py", b""), TemplateFile("src/x.py", b"")]
    assert plan_project(files, names("x")).refusals == ("'Src/x.py' and 'src/x.py' are the same file",)


ORIGINS = [
    (Origin("folder", "/src/lihil", editable=True), {"path": "/src/lihil", "editable": True}, "-e /src/lihil"),
    (Origin("folder", "/my src/lihil"), {"path": "/my src/lihil"}, "'/my src/lihil'"),
    (Origin("file", "/w/lihil-1.0.0.whl"), {"path": "/w/lihil-1.0.0.whl"}, "/w/lihil-1.0.0.whl"),
    (Origin("url", "https://h.example/l.whl"), {"url": "https://h.example/l.whl"}, "'lihil @ https://h.example/l.whl'"),
    (
        Origin("git", "https://h.example/l.git", revision="abc", subdirectory="py"),
        {"git": "https://h.example/l.git", "rev": "abc", "subdirectory": "py"},
        "'lihil @ git+https://h.example/l.git@abc#subdirectory=py'",
    ),
    (Origin("folder", '/a"b\\c\td'), {"path": '/a"b\\c\td'}, "'/a\"b\\c\td'"),
]


@pytest.mark.parametrize(("origin", "source", "arguments"), ORIGINS, ids=lambda value: getattr(value, "kind", ""))
def test_a_lihil_from_elsewhere_is_where_uv_and_pip_are_told_to_look(
    origin: Origin, source: dict[str, object], arguments: str
) -> None:
    project = TemplateFile("pyproject.toml", b'[project]\nname = "lihil-starter"\n')
    readme = TemplateFile("README.md", b'pip install -e ".[dev]"\n')
    planned_readme, planned_project = plan_project([project, readme], names("x"), origin=origin).files
    document = tomllib.loads(planned_project.data.decode())
    assert document["project"] == {"name": "x"}
    assert document["tool"]["uv"]["sources"] == {"lihil": source}
    assert f'pip install {arguments} -e ".[dev]"' in planned_project.data.decode()
    assert planned_readme.data.decode() == f'pip install {arguments} -e ".[dev]"\n'
    assert pip_install_line(origin) == f'pip install {arguments} -e ".[dev]"'


def test_a_line_break_in_a_path_does_not_leave_the_comment() -> None:
    origin = Origin("folder", "/a\nname = 1")
    planned = only(plan_project([TemplateFile("pyproject.toml", b"")], names("x"), origin=origin))
    assert tomllib.loads(planned.data.decode()) == {"tool": {"uv": {"sources": {"lihil": {"path": "/a\nname = 1"}}}}}


def test_a_lihil_from_an_index_adds_nothing() -> None:
    project = TemplateFile("pyproject.toml", b'[project]\nname = "x"\n')
    assert only(plan_project([project], names("x"))).data == project.data
    assert (Origin().uv_source, Origin().pip_arguments) == ("", "")
    assert pip_install_line(Origin()) == 'pip install -e ".[dev]"'


@pytest.mark.parametrize(
    ("readme", "command"),
    [
        (b"```sh\nlihil ws-test '/a?b=1'\n```\n", "lihil ws-test '/a?b=1'"),
        (b"uv run lihil ws-test /a\nlihil ws-test /b\n", "lihil ws-test /a"),
        (b"see lihil ws-test\n", ""),
    ],
)
def test_the_line_to_try_is_the_readmes_first(readme: bytes, command: str) -> None:
    assert plan_project([TemplateFile("README.md", readme)], names("x")).try_command == command


def test_a_template_without_a_readme_has_no_line_to_try() -> None:
    assert plan_project([], names("x")).try_command == ""
