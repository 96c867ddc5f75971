"""What pytest holds for a `.wst` file: the file, and the one test in it."""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pytest

from lihil_cli.errors import CliError
from lihil_cli.settings import find_project_file, resolve_settings
from lihil_cli.wstest.script.files import Loaded, environ_for, load_file
from lihil_cli.wstest.script.outcome import Outcome
from lihil_cli.wstest.script.report import outcome_lines
from lihil_cli.wstest.script.servers import in_process
from lihil_cli.wstest.script.suite import Options, run_script


def project_of(node: pytest.File | pytest.Item) -> Path:
    """The project's folder: the nearest one above the script, else pytest's own root."""
    file = find_project_file(node.path.parent)
    return node.config.rootpath if file is None else file.parent


class ScriptFile(pytest.File):
    """One file; a mistake in it is an error of collection, as it is in a Python file."""

    @cached_property
    def environ(self) -> Mapping[str, str]:
        """What a name in the script may stand for."""
        return environ_for([str(self.path)], project_of(self))

    def collect(self) -> Iterator["ScriptItem"]:
        try:
            loaded = load_file(str(self.path), self.environ)
        except CliError as error:
            raise self.CollectError(error.message) from None
        yield ScriptItem.from_parent(self, name=self.path.stem, loaded=loaded, environ=self.environ)


class ScriptFailedError(Exception):
    """A script did not pass."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class ScriptItem(pytest.Item):
    """The script as a test. The app starts for it and stops after it."""

    def __init__(self, *, loaded: Loaded, environ: Mapping[str, str], name: str, parent: ScriptFile) -> None:
        super().__init__(name, parent)
        self._loaded = loaded
        self._environ = environ

    def runtest(self) -> None:
        app, root = self._place_of_app()
        outcome = run_script(self._loaded, in_process(app, root), Options(environ={**self._environ, **os.environ}))
        if not outcome.passed:
            raise ScriptFailedError(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The script's own report; of a mistake that the user can mend, its words."""
        error = excinfo.value
        if isinstance(error, ScriptFailedError):
            return "\n".join(outcome_lines(error.outcome))
        if isinstance(error, CliError):
            return error.text
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name

    def _place_of_app(self) -> tuple[str | None, Path]:
        """The app and its project's folder."""
        root = project_of(self)
        named = self.config.getini("lihil_app")
        return named or resolve_settings(start=root).app.value, root
