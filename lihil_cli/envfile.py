"""`--env-file`: variables for the app, and `LIHIL_*` for its server, from a file of `NAME=value` lines."""

import io
import os
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in `path`, as python-dotenv reads them: quotes, `export`, comments, `${OTHER}`.

    Raises CliError for a file that cannot be read, and for the first line that is no `NAME=value`.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CliError(f"env file {path} cannot be read: {reason}", code=ExitCode.USAGE) from error
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            blank = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
            line = binding.original.line + blank
            raise CliError(f"{path}:{line} is no NAME=value", hint="comments begin with #", code=ExitCode.USAGE)
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def apply_env_file(path: Path) -> None:
    """Put the variables of `path` into the environment of this process, but for those that it has already."""
    for name, value in read_env_file(path).items():
        os.environ.setdefault(name, value)
