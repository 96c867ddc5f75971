"""pytest collects `.wst` files: one test each, run against the project's app in this process.

The app is `lihil_app` in pytest's configuration, else `app` in `[tool.lihil]`, else the one at a usual place;
`lihil_scripts` are the patterns of file names that are collected. `-p no:lihil` leaves all of it out. Nothing of lihil
is imported before a file of such a name is met.
"""

from fnmatch import fnmatch
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what `pytest.ini` or `[tool.pytest.ini_options]` may say."""
    parser.addini("lihil_app", "The app that .wst scripts talk to, as module:attribute.", default=None)
    parser.addini("lihil_scripts", "Patterns of the file names of WebSocket scripts.", type="args", default=["*.wst"])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take a file whose name fits."""
    if not any(fnmatch(file_path.name, pattern) for pattern in parent.config.getini("lihil_scripts")):
        return None
    from lihil_cli.wstest.script.pytest_items import ScriptFile

    return ScriptFile.from_parent(parent, path=file_path)
