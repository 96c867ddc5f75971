"""Where a setting comes from.

A flag wins, else `LIHIL_*` in the environment, else that in the env file, else `[tool.lihil]`, else the default.
"""

import os
import tomllib
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from lihil_cli.envfile import read_env_files
from lihil_cli.errors import CliError, ExitCode
from lihil_cli.keys import KEYS, LOG_LEVELS, Key, as_held
from lihil_cli.record import Record

__all__ = ["LOG_LEVELS", "Rank", "Setting", "Settings", "find_project_file", "resolve_settings"]

T = TypeVar("T")

TABLE = "[tool.lihil]"


class Rank(IntEnum):
    """The kinds of sources; the lowest wins."""

    FLAG = 0
    ENVIRONMENT = 1
    ENV_FILE = 2
    PROJECT = 3
    DEFAULT = 4


class Setting(Record, Generic[T]):
    """One resolved value and where it was set: `--port`, `LIHIL_PORT`, the path of a file, or `default`."""

    value: T
    source: str
    rank: Rank = Rank.DEFAULT

    def __eq__(self, other: object) -> bool:
        """The source says it all, rank or no rank."""
        return isinstance(other, Setting) and (self.value, self.source) == (other.value, other.source)

    def __hash__(self) -> int:
        return hash((self.value, self.source))


class Settings(Record):
    """What `lihil run` and `lihil routes` go by. `root` is the folder of pyproject.toml, else the working folder."""

    root: Path
    app: Setting[str | None]
    host: Setting[str]
    port: Setting[int]
    uds: Setting[Path | None]
    uds_mode: Setting[str]
    fd: Setting[int | None]
    reload: Setting[bool]
    reload_mode: Setting[str]
    workers: Setting[int]
    drain: Setting[float]
    start_timeout: Setting[float]
    hang_timeout: Setting[float]
    tls_cert: Setting[Path | None]
    tls_key: Setting[Path | None]
    tls_key_password: Setting[str | None]
    proxy_headers: Setting[bool]
    forwarded_allow_ips: Setting[str]
    root_path: Setting[str]
    env_file: Setting[tuple[Path, ...]]
    log_level: Setting[str]
    access_log: Setting[bool]

    def listed(self) -> list[tuple[str, object, str]]:
        """Every key with its value, as JSON can hold it, and its source; what is secret is not among the values."""
        rows = [(name, setting) for name, setting in vars(self).items() if name in KEYS]
        return [(name, _shown(KEYS[name], setting.value), setting.source) for name, setting in rows]


def resolve_settings(
    flags: Mapping[str, object] | None = None, *, start: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Settle every key; a flag that is None or an empty list counts as not given.

    Raises CliError for an unknown key, a value of the wrong kind, a pyproject.toml that is not TOML, or an env file
    that cannot be read.
    """
    here = (start or Path.cwd()).resolve()
    file = find_project_file(here)
    sources = _Sources(flags or {}, environ, here, _read_table(file) if file else {}, file, {})
    found: Setting[Any] = sources.settle("env_file")
    sources = sources.but(variables=read_env_files(found.value))
    settled: dict[str, Setting[Any]] = {key: sources.settle(key) for key in KEYS}
    return Settings(root=file.parent if file else here, **{**settled, "env_file": found})


def find_project_file(start: Path) -> Path | None:
    """The nearest pyproject.toml in `start` or a folder above it."""
    here = start.resolve()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return file
    return None


class _Sources(Record):
    """All the places in which a key may be set."""

    flags: Mapping[str, object]
    environ: Mapping[str, str]
    here: Path
    table: Mapping[str, object]
    project: Path | None
    variables: Mapping[str, tuple[str, Path]]

    def settle(self, key: str) -> Setting[Any]:
        law, variable = KEYS[key], f"LIHIL_{key.upper()}"
        if self.flags.get(key) not in (None, []):
            flag = "APP" if key == "app" else f"--{key.replace('_', '-')}"
            return _checked(law, self.flags[key], self.here, flag, flag, Rank.FLAG)
        if text := self.environ.get(variable):
            return _checked(law, law.read(text), self.here, variable, variable, Rank.ENVIRONMENT)
        text, file = self.variables.get(variable, ("", self.here))
        if text:
            return _checked(law, law.read(text), file.parent, str(file), f"{file}: {variable}", Rank.ENV_FILE)
        if self.project is not None and key in self.table:
            name = f"{self.project}: {TABLE} {key}"
            return _checked(law, self.table[key], self.project.parent, str(self.project), name, Rank.PROJECT)
        return Setting(law.default, "default")


def _checked(law: Key, value: object, folder: Path, source: str, name: str, rank: Rank) -> Setting[Any]:
    if not law.accepts(value):
        shown = "that" if law.is_secret else repr(value)
        raise CliError(f"{name} takes {law.takes}, not {shown}", code=ExitCode.USAGE)
    return Setting(as_held(law, value, folder), source, rank)


def _shown(law: Key, value: object) -> object:
    if law.is_secret and value is not None:
        return "(secret)"
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _read_table(file: Path) -> Mapping[str, object]:
    """The table `[tool.lihil]` of one pyproject.toml, its keys known to be ours; empty where there is none."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"{file} cannot be read: {error}", code=ExitCode.USAGE) from error
    tool = document.get("tool", {})
    table = tool.get("lihil", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise CliError(f"{file}: tool.lihil is to be a table, not {table!r}", code=ExitCode.USAGE)
    for key in table:
        if key not in KEYS:
            raise _unknown_key(file, key)
    return table


def _unknown_key(file: Path, key: str) -> CliError:
    import difflib  # for a mistake only

    near = difflib.get_close_matches(key.replace("-", "_"), KEYS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the keys are {', '.join(KEYS)}"
    return CliError(f"{file}: {TABLE} has no key {key!r}; {hint}", code=ExitCode.USAGE)
