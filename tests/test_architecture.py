"""The rules of the house that import-linter and ruff cannot see."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FRAMEWORK = sorted((ROOT / "lihil").rglob("*.py"))
OURS = [*FRAMEWORK, *sorted((ROOT / "lihil_cli").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]
PURE = sorted(path for pattern in PYPROJECT["tool"]["gates"]["pure"] for path in ROOT.glob(pattern))

PUBLIC_NAMES = {
    *(
        "Annotated",
        "AsyncResource",
        "AsyncScope",
        "Broadcaster",
        "DependentNode",
        "EventStream",
        "Graph",
        "HTML",
        "HTTPException",
    ),
    *("Ignore", "Json", "Lihil", "NodeMeta", "Param", "Request", "Resolver", "Resource", "Response", "Route", "SSE"),
    *(
        "LihilError",
        "SetupError",
        "Struct",
        "Text",
        "WebSocket",
        "WebSocketDisconnect",
        "WebSocketRoute",
        "WhenFull",
        "__version__",
    ),
    *("field", "status", "use"),
}
# What acts: waits, opens, starts, draws or serves. A pure core decides, and leaves all of this to its shell.
ACTING = {
    *("asyncio", "multiprocessing", "selectors", "signal", "socket", "ssl", "subprocess", "threading", "time"),
    *("anyio", "httpx", "prompt_toolkit", "rich", "starlette", "typer", "uvicorn", "watchfiles", "websockets"),
}
# What `import lihil` must not load: the command line's parts, the server, and what is slow and not always needed.
SLOW_OR_FOREIGN = {"uvicorn", "typer", "rich", "watchfiles", "httpx", "pydantic", "prompt_toolkit", "lihil_cli"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_packages(path: Path) -> set[str]:
    """The top-level packages that a module imports anywhere in it, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def test_what_is_imported_is_a_named_dependency() -> None:
    """A package that merely comes along with another one may stay away tomorrow."""
    # pytest loads its plugin itself, so it is there whenever that is.
    ours = [path for path in OURS if not path.is_relative_to(ROOT / "tests") and not path.match("pytest_*.py")]
    imported = set[str]().union(*map(imported_packages, ours)) - sys.stdlib_module_names - {"lihil", "lihil_cli"}
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    entries = sum(extras, PYPROJECT["project"]["dependencies"])
    named = {re.split(r"[^\w-]", entry)[0].replace("-", "_").removeprefix("python_") for entry in entries}
    assert imported - named == set()


@pytest.mark.parametrize("path", FRAMEWORK, ids=name_of)
def test_annotations_of_the_framework_are_true_at_run_time(path: Path) -> None:
    assert "TYPE_CHECKING" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_no_file_is_two_rooms(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_a_pure_core_imports_nothing_that_acts(path: Path) -> None:
    # The masking of frames takes one C function of websockets where it is there; that function acts on nothing.
    allowed = {"websockets"} if name_of(path) == "lihil/rfc6455/frames.py" else set()
    assert imported_packages(path) & ACTING - allowed == set()


def test_every_listed_pure_core_exists() -> None:
    patterns = PYPROJECT["tool"]["gates"]["pure"]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []


@pytest.mark.parametrize("path", FRAMEWORK, ids=name_of)
def test_no_room_reaches_for_the_front_door(path: Path) -> None:
    """A room that imports from `lihil` itself would import every room at once."""
    tree = ast.parse(path.read_text("utf-8"))
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "lihil" not in [*plain, *modules]


def test_the_public_names_are_the_written_list() -> None:
    import lihil

    assert set(lihil.__all__) == PUBLIC_NAMES
    assert [name for name in sorted(PUBLIC_NAMES) if not hasattr(lihil, name)] == []


def test_importing_lihil_loads_no_server_no_command_line_and_nothing_slow() -> None:
    script = "import json, sys, lihil; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert SLOW_OR_FOREIGN & set(json.loads(done.stdout)) == set()


def test_a_test_file_stands_where_its_module_stands() -> None:
    """tests/lihil/params/test_decode.py tests lihil/params/decode.py, and so does test_decode_of_lists.py beside it.

    A folder may be tested as one, too.
    """
    strays = []
    for path in sorted((ROOT / "tests").glob("lihil*/**/test_*.py")):
        folder = ROOT / path.parent.relative_to(ROOT / "tests")
        words = path.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        if not any((folder / f"{name}.py").exists() or (folder / name).is_dir() for name in names):
            strays.append(name_of(path))
    assert strays == []
