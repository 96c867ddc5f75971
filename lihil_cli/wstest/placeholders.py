"""`${NAME}` in a header: what should not stand in a shell's history comes from the environment, or else from `.env`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.wstest.request import parse_header

_FILE = ".env"

Headers = tuple[tuple[str, str], ...]


def fill_headers(headers: Headers, folder: Path, environ: Mapping[str, str] = os.environ) -> Headers:
    """The headers with every `${NAME}` replaced; `$${` stands for `${`. `folder` is in the project, which has the file.

    Raises CliError (USAGE) for a name that nothing has, and for a value that cannot be sent.
    """
    if not any("${" in value for _, value in headers):
        return headers
    values = environment(folder, environ)
    return tuple(parse_header(f"{name}: {_fill(name, value, values)}") for name, value in headers)


def environment(folder: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of this process, and those of `.env` that it has not. Raises CliError (USAGE) for a broken file."""
    return {**_read_file(folder), **environ}


def _fill(name: str, text: str, values: Mapping[str, str]) -> str:
    from lihil_cli.wstest.patterns.source import SourceError
    from lihil_cli.wstest.patterns.template import UnknownNameError, fill, split_template

    try:
        return fill(split_template(text), values)
    except UnknownNameError as unknown:
        raise _usage(
            f"the header {name} asks for {unknown.name}, which neither the environment nor {_FILE} has"
        ) from None
    except SourceError:
        raise _usage(f"the header {name} has a ${{ without a name and }}; $${{ stands for ${{ itself") from None


def _read_file(folder: Path) -> dict[str, str]:
    from lihil_cli.envfile import read_env_files
    from lihil_cli.settings import find_project_file

    project = find_project_file(folder)
    places: Sequence[Path] = (folder, *([project.parent] if project is not None else []))
    files = [place / _FILE for place in places if (place / _FILE).is_file()][:1]
    return {name: value for name, (value, _) in read_env_files(files).items()}


def _usage(message: str) -> CliError:
    return CliError(message, code=ExitCode.USAGE)
