import colorsys
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.devserver.imports import ImportRecord


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with one module, one installed package and one optional import."""
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "installed_by_test.py").write_text("")
    (tmp_path / "users_module.py").write_text("import installed_by_test, users_package.part\n")
    (tmp_path / "users_package").mkdir()
    (tmp_path / "users_package" / "__init__.py").write_text("try:\n    from . import local\nexcept ImportError: pass\n")
    (tmp_path / "users_package" / "part.py").write_text(
        "try:\n    import overrides_of_test\nexcept ImportError: pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("users_", "installed_by"))]:
        del sys.modules[name]


def test_the_users_files_everybody_elses_modules_and_what_was_missing(project: Path) -> None:
    record = ImportRecord(project)
    record.watch(lambda: (__import__("users_module"), importlib.reload(colorsys)))
    told = record.as_message()
    names = sorted(str(Path(file).relative_to(project)) for file in told["files"])
    assert names == ["users_module.py", "users_package/__init__.py", "users_package/part.py"]
    assert told["packages"] == ["installed_by_test"]
    assert told["missing"] == ["local", "overrides_of_test"]
    assert not any(file.startswith(str(project)) for file in told["inherited"])


def test_what_was_there_before_is_inherited_and_not_told_again(project: Path) -> None:
    __import__("users_module")
    record = ImportRecord(project)
    record.watch(lambda: __import__("users_module"))
    told = record.as_message()
    assert (told["files"], told["packages"]) == ([], [])
    assert str(project / "users_package" / "part.py") in told["inherited"]


def test_nothing_is_left_behind_in_the_import_system(project: Path) -> None:
    before = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError):
        ImportRecord(project).watch(lambda: 1 / 0)
    assert sys.meta_path == before


@pytest.mark.parametrize("sets", [False, True])
def test_what_a_lifespan_imports_is_told_as_long_as_it_sets_no_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch, sets: bool
) -> None:
    record = ImportRecord(project)
    record.watch(lambda: __import__("installed_by_test"))
    if sets:
        monkeypatch.setenv("SET_IN_A_LIFESPAN", "1")
    (project / "site-packages" / "installed_by_test_too.py").write_text("")
    importlib.invalidate_caches()
    __import__("installed_by_test_too")
    told = record.as_message()
    assert told["packages"] == ["installed_by_test", "installed_by_test_too"][: 1 if sets else 2]
    assert told["waiting"] == int(sets)


def test_what_a_handler_imports_belongs_to_the_code_and_is_not_to_be_loaded_ahead(project: Path) -> None:
    record = ImportRecord(project)
    record.watch(lambda: __import__("users_package"))
    first = record.as_message()
    assert not record.has_grown()
    before = time.time()
    assert not record.has_grown()
    __import__("users_module")
    after = time.time()
    assert record.has_grown()
    told = record.as_message()
    assert not record.has_grown()
    new = {str(Path(file).relative_to(project)) for file in set(told["files"]) - set(first["files"])}
    assert new == {"users_module.py", "users_package/part.py"}
    assert (told["packages"], told["waiting"]) == (first["packages"], first["waiting"]) == ([], 0)
    assert (first["since"], before <= told["since"] <= after) == (0, True)
