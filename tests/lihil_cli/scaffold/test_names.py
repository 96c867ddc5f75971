"""Which names a project may have, and that every refusal offers one that it may."""

import re
from importlib.metadata import PackageNotFoundError, requires

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lihil_cli.scaffold.names import MAX_LENGTH, NameRefusal, ProjectNames, parse_name, suggest_name

ACCEPTED = [
    ("a", "a", "a", "A"),
    ("x9", "x9", "x9", "X9"),
    ("my-app", "my-app", "my_app", "My App"),
    ("my_app", "my-app", "my_app", "My App"),
    ("MyApp", "myapp", "myapp", "MyApp"),
    ("Chat-Room_2", "chat-room-2", "chat_room_2", "Chat Room 2"),
    ("lihil-starter", "lihil-starter", "lihil_starter", "Lihil Starter"),
    ("lihil-starter2", "lihil-starter2", "lihil_starter2", "Lihil Starter2"),
    ("lihil_starter2", "lihil-starter2", "lihil_starter2", "Lihil Starter2"),
    ("tester", "tester", "tester", "Tester"),
    ("classes", "classes", "classes", "Classes"),
    ("console", "console", "console", "Console"),
    ("com10", "com10", "com10", "Com10"),
    ("main", "main", "main", "Main"),
    ("app", "app", "app", "App"),
    ("a-1", "a-1", "a_1", "A 1"),
    ("n" * 40, "n" * 40, "n" * 40, "N" + "n" * 39),
    ("n" * 100, "n" * 100, "n" * 100, "N" + "n" * 99),
]

REFUSED = [
    ("class", "a Python keyword", "class_app"),
    ("async", "a Python keyword", "async_app"),
    ("None", "a Python keyword", "none_app"),
    ("match", "a Python keyword", "match_app"),
    ("type", "a Python keyword", "type_app"),
    ("json", "standard library", "json_app"),
    ("JSON", "standard library", "json_app"),
    ("asyncio", "standard library", "asyncio_app"),
    ("test", "standard library", "test_app"),
    ("Test", "standard library", "test_app"),
    ("distutils", "standard library", "distutils_app"),
    ("cgi", "standard library", "cgi_app"),
    ("compression", "standard library", "compression_app"),
    ("lihil", "needs itself", "lihil_app"),
    ("lihil-cli", "needs itself", "lihil_cli_app"),
    ("Starlette", "needs itself", "starlette_app"),
    ("uvicorn", "needs itself", "uvicorn_app"),
    ("python-multipart", "needs itself", "python_multipart_app"),
    ("typing_extensions", "needs itself", "typing_extensions_app"),
    ("pytest", "needs itself", "pytest_app"),
    ("py", "needs itself", "py_app"),
    ("tests", "project's layout", "tests_app"),
    ("src", "project's layout", "src_app"),
    ("site-packages", "project's layout", "site_packages_app"),
    ("dist", "project's layout", "dist_app"),
    ("con", "device name", "con_app"),
    ("NUL", "device name", "nul_app"),
    ("com0", "device name", "com0_app"),
    ("Lpt9", "device name", "lpt9_app"),
    ("", "needs a name", "my_app"),
    ("   ", "needs a name", "my_app"),
    ("a b", "ASCII letters", "a_b"),
    (" app", "ASCII letters", "app"),
    ("app\n", "ASCII letters", "app"),
    ("app\0", "ASCII letters", "app"),
    ("приложение", "ASCII letters", "my_app"),
    ("café", "ASCII letters", "cafe"),
    ("\uff46\uff55\uff4c\uff4c", "ASCII letters", "full"),
    ("ﬁne", "ASCII letters", "fine"),
    ("app🚀", "ASCII letters", "app"),
    ("💩", "ASCII letters", "my_app"),
    ("app.py", "ASCII letters", "app_py"),
    ("a+b", "ASCII letters", "a_b"),
    ("a--b", "ASCII letters", "a_b"),
    ("a_-b", "ASCII letters", "a_b"),
    ("app-", "ASCII letters", "app"),
    ("_app", "ASCII letters", "app"),
    ("__init__", "ASCII letters", "init"),
    ("q;id>pwn", "ASCII letters", "q_id_pwn"),
    ("$(id)", "ASCII letters", "id"),
    ("{{name}}", "ASCII letters", "name"),
    ("json!", "ASCII letters", "json_app"),
    ("C:app", "ASCII letters", "c_app"),
    ("\udce4pp", "ASCII letters", "pp"),
    ("9lives", "begins with a digit", "lives"),
    ("2024", "begins with a digit", "my_app"),
    ("٣x", "begins with a digit", "x"),
    ("-rf", "looks like an option", "rf"),
    ("--help", "looks like an option", "help"),
    (".", "a folder, not a name", "my_app"),
    ("..", "a folder, not a name", "my_app"),
    ("/", "a folder, not a name", "my_app"),
    ("n" * 101, "has 101 characters", "n" * 96),
    ("n" * 95 + "-" + "n" * 5, "has 101 characters", "n" * 95),
    ("app/", "ends in a slash", "app"),
    ("class//", "ends in a slash", "class_app"),
]

PATHS = [
    ("../x", "cd .. && lihil new x"),
    ("/abs/x", "cd /abs && lihil new x"),
    ("/x", "cd / && lihil new x"),
    ("a/b", "cd a && lihil new b"),
    ("a/b/", "cd a && lihil new b"),
    ("a\\b", "cd a && lihil new b"),
    ("C:\\work\\x", "cd 'C:\\work' && lihil new x"),
    ("my dir/My-App", "cd 'my dir' && lihil new My-App"),
    ("../class", "cd .. && lihil new class_app"),
    ("a/..", "cd a && lihil new my_app"),
    ("$(id)/x", "cd '$(id)' && lihil new x"),
]


@pytest.mark.parametrize(("text", "dist", "module", "title"), ACCEPTED, ids=ascii)
def test_a_name_gives_a_distribution_a_module_and_a_title(text: str, dist: str, module: str, title: str) -> None:
    assert parse_name(text) == ProjectNames(text, dist, module, title)


@pytest.mark.parametrize(("text", "reason", "suggestion"), REFUSED, ids=ascii)
def test_a_name_that_cannot_be_had_is_refused_with_one_that_can(text: str, reason: str, suggestion: str) -> None:
    refusal = parse_name(text)
    assert isinstance(refusal, NameRefusal)
    assert reason in refusal.reason
    assert refusal.command == f"lihil new {suggestion}"


@pytest.mark.parametrize(("text", "command"), PATHS, ids=ascii)
def test_a_path_is_refused_with_the_way_to_go_there_first(text: str, command: str) -> None:
    refusal = parse_name(text)
    assert isinstance(refusal, NameRefusal)
    assert refusal.command == command


def test_a_very_long_name_is_shortened_where_it_is_shown() -> None:
    refusal = parse_name("x" * 10_000)
    assert isinstance(refusal, NameRefusal)
    assert len(refusal.reason) < 120


@given(st.text() | st.text("aZ_-09./\\ é", max_size=120) | st.sampled_from([text for text, *_ in REFUSED]))
@example("n" * 96 + "_" + "n" * 96)
def test_any_text_is_accepted_or_refused_with_a_name_that_is_accepted(text: str) -> None:
    parsed = parse_name(text)
    if isinstance(parsed, NameRefusal):
        parsed = parse_name(parsed.suggestion)
    assert isinstance(parsed, ProjectNames)
    assert parsed.module.isidentifier()
    assert parsed.module.isascii()
    assert len(parsed.folder) <= MAX_LENGTH


@given(st.text())
def test_a_suggestion_is_always_a_name(text: str) -> None:
    assert isinstance(parse_name(suggest_name(text)), ProjectNames)


def test_no_project_can_take_the_name_of_what_it_installs() -> None:
    pending, needed = ["lihil", "pytest"], set[str]()
    while pending:
        dist = pending.pop()
        if dist in needed:
            continue
        needed.add(dist)
        pending += _requirements(dist)
    assert len(needed) > 15
    assert [dist for dist in sorted(needed) if isinstance(parse_name(dist), ProjectNames)] == []


def _requirements(dist: str) -> list[str]:
    """The names `dist` needs without an extra, as far as they are installed here."""
    try:
        lines = requires(dist) or []
    except PackageNotFoundError:
        return []
    plain = [line for line in lines if "extra ==" not in line]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower() for line in plain]
