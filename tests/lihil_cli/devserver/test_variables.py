import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lihil_cli.devserver.variables import Variables

SOURCES = {
    "first_of_test.py": "",
    "second_of_test.py": "import os\nos.environ['SET_BY_PACKAGE'] = '1'\n",
    "mine_of_test.py": "import first_of_test, second_of_test\nimport setting_of_test\nimport third_of_test\n",
    "setting_of_test.py": "import os\nos.environ['SAME'] = 'same'\nos.environ.pop('ABSENT', None)\nCHANGE\n",
    "third_of_test.py": "import os\nos.environ['LATER'] = '1'\n",
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SAME", "same")
    before = dict(os.environ)
    yield tmp_path
    for name in [name for name in sys.modules if name.endswith("_of_test")]:
        del sys.modules[name]
    for name in set(os.environ) - set(before):
        del os.environ[name]


def watched(folder: Path, change: str) -> Variables:
    for name, source in SOURCES.items():
        (folder / name).write_text(source.replace("CHANGE", change))
    variables = Variables(lambda file: file.endswith(("mine_of_test.py", "setting_of_test.py")))
    with variables.watched():
        __import__("mine_of_test")
    return variables


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("os.environ['OMP_OF_TEST'] = '1'", "OMP_OF_TEST"),
        ("del os.environ['SAME']", "SAME"),
        ("(lambda: os.environb.update({b'OMP_OF_TEST': b'1'}))()", "OMP_OF_TEST"),
        ("os.putenv('OMP_OF_TEST', '1')", "OMP_OF_TEST"),
    ],
)
def test_the_first_change_of_the_users_parts_what_was_imported_from_what_waits(
    project: Path, change: str, name: str
) -> None:
    variables = watched(project, change)
    assert variables.setting == f"{name} in {project / 'setting_of_test.py'}:4"
    behind = [name for name in sys.modules if name.endswith("_of_test") and variables.behind(name)]
    assert sorted(behind) == ["mine_of_test", "setting_of_test", "third_of_test"]


def test_what_packages_set_and_what_is_not_changed_is_nobodys_setting(project: Path) -> None:
    variables = watched(project, "")
    assert variables.setting == ""
    assert not variables.behind("third_of_test")


def test_a_change_outside_of_any_import_is_none_and_nothing_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    real = os.putenv, os.unsetenv
    variables = Variables(lambda file: False)
    with variables.watched():
        monkeypatch.setenv("OMP_OF_TEST", "1")
    assert variables.setting == ""
    assert (os.putenv, os.unsetenv) == real
