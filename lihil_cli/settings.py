"""Where a setting comes from: a flag, else `LIHIL_*` in the environment, else `[tool.lihil]`, else the default."""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from lihil_cli.errors import CliError, ExitCode

T = TypeVar("T")

LOG_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")
RELOAD_MODES = ("auto", "fork", "standby", "cold")
TABLE = "[tool.lihil]"
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One resolved value and where it was set: `--port`, `LIHIL_PORT`, a pyproject.toml's path, or `default`."""

    value: T
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What `lihil run` and `lihil routes` go by. `root` is the folder of pyproject.toml, else the working folder."""

    root: Path
    app: Setting[str | None]
    host: Setting[str]
    port: Setting[int]
    reload: Setting[bool]
    reload_mode: Setting[str]
    workers: Setting[int]
    log_level: Setting[str]


def resolve_settings(
    flags: Mapping[str, object] | None = None,
    *,
    start: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settle every key; a flag that is None counts as not given.

    Raises CliError for an unknown key, a value of the wrong kind, or a pyproject.toml that is not TOML.
    """
    file = find_project_file(start or Path.cwd())
    table = _read_table(file) if file else {}
    given = flags or {}

    def settle(key: str) -> Setting[object]:
        return _settle(key, given=given.get(key), environ=environ, table=table, file=file)

    return Settings(
        root=file.parent if file else (start or Path.cwd()).resolve(),
        app=cast("Setting[str | None]", settle("app")),
        host=cast("Setting[str]", settle("host")),
        port=cast("Setting[int]", settle("port")),
        reload=cast("Setting[bool]", settle("reload")),
        reload_mode=cast("Setting[str]", settle("reload_mode")),
        workers=cast("Setting[int]", settle("workers")),
        log_level=cast("Setting[str]", settle("log_level")),
    )


def find_project_file(start: Path) -> Path | None:
    """The nearest pyproject.toml in `start` or a folder above it."""
    here = start.resolve()
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return file
    return None


@dataclass(frozen=True, slots=True)
class _Key:
    """A key's default, what it takes in words, its reader from text, and the test a finished value has to pass."""

    default: object
    takes: str
    read: Callable[[str], object]
    accepts: Callable[[object], bool]


def _read_number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() else text


def _read_switch(text: str) -> object:
    word = text.lower()
    if word in _YES:
        return True
    return False if word in _NO else text


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


_KEYS: dict[str, _Key] = {
    "app": _Key(None, "a text such as 'main:app'", str, _is_text),
    "host": _Key("127.0.0.1", "a text such as '127.0.0.1'", str, _is_text),
    "port": _Key(8000, "a whole number from 0 to 65535", _read_number, _is_number(0, 65535)),
    "reload": _Key(False, "true or false", _read_switch, lambda value: isinstance(value, bool)),
    "reload_mode": _Key("auto", f"one of {', '.join(RELOAD_MODES)}", str.lower, RELOAD_MODES.__contains__),
    "workers": _Key(1, "a whole number from 1 to 256", _read_number, _is_number(1, 256)),
    "log_level": _Key("info", f"one of {', '.join(LOG_LEVELS)}", str.lower, LOG_LEVELS.__contains__),
}


def _settle(
    key: str, *, given: object, environ: Mapping[str, str], table: Mapping[str, object], file: Path | None
) -> Setting[object]:
    law = _KEYS[key]
    variable = f"LIHIL_{key.upper()}"
    if given is not None:
        flag = "APP" if key == "app" else f"--{key.replace('_', '-')}"
        return _checked(law, given, source=flag, name=flag)
    if environ.get(variable):
        return _checked(law, law.read(environ[variable]), source=variable, name=variable)
    if key in table:
        return _checked(law, table[key], source=str(file), name=f"{file}: {TABLE} {key}")
    return Setting(law.default, "default")


def _checked(law: _Key, value: object, *, source: str, name: str) -> Setting[object]:
    if law.accepts(value):
        return Setting(value, source)
    raise CliError(f"{name} takes {law.takes}, not {value!r}", code=ExitCode.USAGE)


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
        if key not in _KEYS:
            raise _unknown_key(file, key)
    return table


def _unknown_key(file: Path, key: str) -> CliError:
    near = difflib.get_close_matches(key.replace("-", "_"), _KEYS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the keys are {', '.join(_KEYS)}"
    return CliError(f"{file}: {TABLE} has no key {key!r}; {hint}", code=ExitCode.USAGE)
