import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.loader import MAX_LINES, Target, explain, find_target, load_app

APP = "async def app(scope, receive, send):\n    pass\n"


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Modules and folders that a test imports from are forgotten again."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path_importer_cache.clear()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def refusal(root: Path, app: str | None = "main:app") -> CliError:
    """What stands in the way of loading `app`."""
    with pytest.raises(CliError) as caught:
        load_app(find_target(app, root))
    return caught.value


@pytest.mark.parametrize(
    ("files", "app", "found"),
    [
        ({"main.py": APP}, None, "main:app"),
        ({"app.py": APP}, None, "app:app"),
        ({"main.py": APP, "app.py": APP}, None, "main:app"),
        ({"src/shop/main.py": APP, "main.py": ""}, None, "shop.main:app"),
        ({"src/shop/main.py": APP, "src/not-a-package/main.py": ""}, None, "shop.main:app"),
        ({"src/shop/main.py": APP}, "shop.main:app", "shop.main:app"),
        ({"deep/inside/web.py": APP}, "deep.inside.web:app", "deep.inside.web:app"),
        ({"main.py": "class Box:\n    app = None\n" + APP + "Box.app = app\n"}, "main:Box.app", "main:Box.app"),
    ],
)
def test_an_app_is_found_and_loaded(tmp_path: Path, files: dict[str, str], app: str | None, found: str) -> None:
    write(tmp_path, files)
    target = find_target(app, tmp_path)
    assert str(target) == found
    assert callable(load_app(target))


def test_the_root_and_its_source_folder_come_first_on_the_path_and_only_once(tmp_path: Path) -> None:
    write(tmp_path, {"src/shop/main.py": "import beside\n" + APP, "beside.py": ""})
    load_app(find_target(None, tmp_path))
    load_app(find_target(None, tmp_path))
    assert sys.path[:2] == [str(tmp_path / "src"), str(tmp_path)]
    assert sys.path.count(str(tmp_path)) == 1


def test_a_source_folder_that_is_a_package_itself_is_no_layout(tmp_path: Path) -> None:
    write(tmp_path, {"src/__init__.py": "", "src/main.py": APP})
    load_app(find_target("src.main:app", tmp_path))
    assert sys.path[0] == str(tmp_path)
    assert str(tmp_path / "src") not in sys.path


def test_finding_an_app_imports_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "raise RuntimeError"})
    assert find_target(None, tmp_path) == Target("main", "app", tmp_path)


@pytest.mark.parametrize(
    ("app", "hint"),
    [
        ("main", "main:app"),
        ("main.py", "main:app"),
        ("./main.py", "main:app"),
        ("src/shop/main.py:application", "shop.main:application"),
        ("main:", "main:app"),
        (":app", "main:app"),
        ("not a module:app", "main:app"),
        ("main:app()", "main:app"),
        ("main:a..b", "main:app"),
    ],
)
def test_a_name_of_the_wrong_form_is_a_usage_error_with_a_right_one(tmp_path: Path, app: str, hint: str) -> None:
    error = refusal(tmp_path, app)
    assert error.code == 2
    assert error.message == f"APP is written module:attribute, not {app!r}"
    assert error.hint == hint


def test_where_nothing_is_found_it_says_what_was_looked_for(tmp_path: Path) -> None:
    error = refusal(tmp_path, None)
    assert error.code == 2
    assert error.message == f"no app found in {tmp_path}: looked for src/*/main.py, main.py and app.py"


def test_where_two_are_found_it_asks_for_one(tmp_path: Path) -> None:
    write(tmp_path, {"src/shop/main.py": APP, "src/admin/main.py": APP})
    error = refusal(tmp_path, None)
    assert error.code == 2
    assert "admin.main:app, shop.main:app" in error.message
    assert "admin.main:app" in error.hint


@pytest.mark.parametrize(
    ("app", "message", "hint"),
    [
        ("mian:app", "no module named 'mian': looked for {root}/mian.py", "did you mean main:app?"),
        ("nowhere.web:app", "no module named 'nowhere': looked for {root}/nowhere.py", ""),
        ("main.web:app", "no module named 'main.web': looked for {root}/main/web.py", "did you mean main:app?"),
        ("main:ap", "main:ap is not there: {root}/main.py has no 'ap'", "did you mean main:app?"),
        ("main:zzz", "main:zzz is not there: {root}/main.py has no 'zzz'", "did you mean main:app?"),
        ("main:number.x", "main:number.x is not there: main:number has no 'x'", ""),
        ("main:number.rael", "main:number.rael is not there: main:number has no", "did you mean main:number.real?"),
        ("main:number", "main:number is of type int, not an ASGI application", "is called with (scope, receive, send)"),
        ("main:nothing", "main:nothing is None, not an ASGI application", "is called with"),
        ("main:sys", "main:sys is a module, not an ASGI application", "is called with"),
        ("main:Web", "main:Web is the class Web, not an ASGI application", "app = Web() and main:app"),
        ("main:make", "main:make is a function without parameters, not an ASGI", "app = make() and name main:app"),
        ("main:two", "main:two is of type function, not an ASGI application", "is called with"),
    ],
)
def test_a_wrong_name_is_told_with_what_is_there(tmp_path: Path, app: str, message: str, hint: str) -> None:
    kinds = "import sys\nnumber = 1\nnothing = None\nclass Web: pass\ndef make(): return app\ndef two(a, b): pass\n"
    write(tmp_path, {"main.py": kinds + APP})
    error = refusal(tmp_path, app)
    assert error.message.startswith(message.format(root=tmp_path))
    assert hint in error.hint
    assert bool(hint) == bool(error.hint)


@pytest.mark.parametrize(
    "source",
    [
        "async def app(*arguments): pass\n",
        "class Web:\n    async def __call__(self, scope, receive, send): pass\napp = Web()\n",
        "import functools\nasync def web(x, scope, receive, send): pass\napp = functools.partial(web, 1)\n",
        "class Odd:\n    __signature__ = 'none'\n    def __call__(self, *a): pass\napp = Odd()\n",
    ],
)
def test_whatever_takes_scope_receive_and_send_is_an_application(tmp_path: Path, source: str) -> None:
    write(tmp_path, {"main.py": source})
    assert callable(load_app(find_target("main:app", tmp_path)))


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (
            {"main.py": "\ndef app(:\n"},
            ["  main.py:2", "    def app(:", "            ^", "  SyntaxError: invalid syntax"],
        ),
        (
            {"main.py": "if True:\n    x = (1,\n         2]\n"},
            None,
        ),
        (
            {"main.py": "if True:\nx = 1\n"},
            [
                "  main.py:2",
                "    x = 1",
                "    ^",
                "  IndentationError: expected an indented block after 'if' statement on line 1",
            ],
        ),
        (
            {"main.py": "import fooo\n"},
            ["  main.py:1", "    import fooo", "  ModuleNotFoundError: No module named 'fooo'"],
        ),
        (
            {"main.py": "import helper\n", "helper.py": "\n\nvalue = 1 / 0\n"},
            ["  helper.py:3", "    value = 1 / 0", "            ^^^^^", "  ZeroDivisionError: division by zero"],
        ),
        (
            {"main.py": "import json\n\ndata = json.loads('{')\n"},
            [
                "  main.py:3",
                "    data = json.loads('{')",
                "           ^^^^^^^^^^^^^^^",
                "  JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            ],
        ),
        (
            {"main.py": "import sys\nsys.exit('no config')\n"},
            [
                "  main.py:2",
                "    sys.exit('no config')",
                "  SystemExit: sys.exit('no config') was called while the app was imported",
            ],
        ),
        (
            {"main.py": "raise SystemExit\n"},
            ["  main.py:1", "    raise SystemExit", "  SystemExit: sys.exit() was called while the app was imported"],
        ),
        (
            {"main.py": "class Oops(Exception): pass\nraise Oops\n"},
            ["  main.py:2", "    raise Oops", "  Oops"],
        ),
        (
            {"main.py": "e = ValueError('bad')\ne.add_note('look there')\nraise e\n"},
            ["  main.py:3", "    raise e", "  ValueError: bad", "  look there"],
        ),
    ],
)
def test_a_failing_import_is_shown_at_the_users_own_last_line(
    tmp_path: Path, files: dict[str, str], lines: list[str] | None
) -> None:
    write(tmp_path, files)
    headline, *rest = refusal(tmp_path).message.splitlines()
    assert headline == "main:app cannot be imported"
    if lines is not None:
        assert rest == lines
    assert rest[0].strip().partition(":")[0] in files
    assert "importlib" not in "\n".join(rest)


def test_a_caret_spans_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "if 1:\n    print(a b)\n"})
    lines = refusal(tmp_path).message.splitlines()
    assert lines[2:4] == ["    print(a b)", "          ^^^"]


@pytest.mark.parametrize(
    "source",
    ["raise ValueError('x\\n' * 100)\n", "raise ValueError('x' * 100_000)\n", "exec('(' * 40)\n", "\x00\n"],
)
def test_however_long_the_exception_twelve_lines_are_enough(tmp_path: Path, source: str) -> None:
    write(tmp_path, {"main.py": source})
    text = refusal(tmp_path).text
    assert len(text.splitlines()) <= MAX_LINES
    assert len(text) < 10_000


def test_a_file_in_another_encoding_is_told_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"x = '\xff'\n")
    assert "SyntaxError" in refusal(tmp_path).message


def test_an_installed_package_that_fails_is_shown_where_the_user_called_it(tmp_path: Path) -> None:
    package = ".venv/lib/python3/site-packages/broken.py"
    write(tmp_path, {"main.py": "import broken\n", package: "raise OSError('no libfoo')\n"})
    sys.path.append(str((tmp_path / package).parent))
    assert refusal(tmp_path).message.splitlines()[1:] == ["  main.py:1", "    import broken", "  OSError: no libfoo"]


def test_where_no_line_is_the_users_the_innermost_one_is_shown(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere, {"foreign.py": "raise OSError('no libfoo')\n"})
    sys.path.append(str(elsewhere))
    root = tmp_path / "root"
    root.mkdir()
    lines = refusal(root, "foreign:app").message.splitlines()
    assert lines[1:] == [f"  {elsewhere}/foreign.py:1", "    raise OSError('no libfoo')", "  OSError: no libfoo"]


def test_an_exception_that_was_never_raised_has_no_place(tmp_path: Path) -> None:
    assert explain(ValueError("bad"), tmp_path, "it failed") == "it failed\n  ValueError: bad"


def test_every_set_up_problem_is_shown_in_full(tmp_path: Path) -> None:
    source = """
from lihil.errors import SetupError, SetupProblem
raise SetupError([SetupProblem(f"problem {n}", f"fix {n}", file="main.py", line=n) for n in range(20)])
"""
    write(tmp_path, {"main.py": source})
    message = refusal(tmp_path).message
    assert all(f"main.py:{n}: problem {n}" in message for n in range(1, 20))
    assert all(f"fix: fix {n}" in message for n in range(20))
    assert "Traceback" not in message


def test_ctrl_c_during_an_import_is_no_error_of_the_app(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "raise KeyboardInterrupt\n"})
    with pytest.raises(KeyboardInterrupt):
        load_app(find_target("main:app", tmp_path))
