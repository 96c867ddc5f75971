"""`--env-file`: variables for the app, and `LIHIL_*` for its server, from files of `NAME=value` lines."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode


def read_env_files(paths: Sequence[Path]) -> dict[str, tuple[str, Path]]:
    """The variables in `paths` and where each was set last, as python-dotenv reads them.

    That is with quotes, `export`, comments, and `${OTHER}` for one that stands before it or in a file before.
    Raises CliError for a file that cannot be read, and for the first line that is no `NAME=value`.
    """
    if not paths:
        return {}
    from dotenv import dotenv_values

    places: dict[str, Path] = {}
    text = ""
    for path in paths:
        more = _read(path)
        places |= dict.fromkeys(_names(more, path), path)
        text += f"{more}\n"
    values = dotenv_values(stream=io.StringIO(text))
    return {name: (value, places[name]) for name, value in values.items() if value is not None}


def apply_env_files(paths: Sequence[Path]) -> None:
    """Put the variables of `paths` into the environment of this process, but for those that it has already."""
    for name, (value, _) in read_env_files(paths).items():
        os.environ.setdefault(name, value)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CliError(f"env file {path} cannot be read: {reason}", code=ExitCode.USAGE) from error


def _names(text: str, path: Path) -> list[str]:
    from dotenv.parser import parse_stream

    names = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            blank = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
            line = binding.original.line + blank
            raise CliError(f"{path}:{line} is no NAME=value", hint="comments begin with #", code=ExitCode.USAGE)
        if binding.key is not None:
            names.append(binding.key)
    return names
