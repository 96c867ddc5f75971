"""`.wst` files: read, checked, and, where one cannot be read, told with file, line and column."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lihil_cli.errors import CliError, ExitCode
from lihil_cli.record import Record
from lihil_cli.wstest.patterns.difference import visible, width
from lihil_cli.wstest.patterns.source import SourceError
from lihil_cli.wstest.placeholders import environment
from lihil_cli.wstest.script.names import check_names
from lihil_cli.wstest.script.parse import locate, parse_script
from lihil_cli.wstest.script.steps import Script

SUFFIX = ".wst"
_SHOWN = 160


class Loaded(Record):
    """A script and the name of its file, as it was given."""

    name: str
    script: Script


def environ_for(names: Sequence[str], folder: Path) -> Mapping[str, str]:
    """What `${name}` in the scripts may stand for: the environment, and the project's `.env` where one asks for it."""
    return environment(folder) if any(map(_asks, names)) else os.environ


def _asks(name: str) -> bool:
    with suppress(OSError):
        return b"${" in Path(name).read_bytes()
    return False


def load_files(names: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[Loaded]:
    """Every script, in order. Raises CliError (USAGE) that tells the first mistake in each file that has one."""
    loaded: list[Loaded] = []
    wrong: list[str] = []
    for name in names:
        try:
            loaded.append(load_file(name, environ))
        except CliError as error:
            wrong.append(error.message)
    if wrong:
        raise CliError("\n".join(wrong), code=ExitCode.USAGE)
    return loaded


def load_file(name: str, environ: Mapping[str, str] = os.environ) -> Loaded:
    """One script. Raises CliError (USAGE) for a file that cannot be read, or that is no script."""
    try:
        text = Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise CliError(f"{name}: {error.strerror or error}", code=ExitCode.USAGE) from None
    except UnicodeDecodeError as error:
        raise CliError(f"{name}: not UTF-8 at byte {error.start}", code=ExitCode.USAGE) from None
    try:
        script = parse_script(text)
        check_names(script, text, environ)
    except SourceError as error:
        raise CliError("\n".join(mistake_lines(name, text, error)), code=ExitCode.USAGE) from None
    return Loaded(name, script)


def mistake_lines(name: str, text: str, error: SourceError) -> list[str]:
    """`chat.wst:3:7: what is wrong`, the line, a caret under the place, and what could stand there."""
    position = locate(text, error.at)
    start = max(position.column - _SHOWN, 0)
    line = position.text[start : start + 2 * _SHOWN]
    before = visible(line[: position.column - 1 - start])
    expected = f" expected {error.expected}" if error.expected else ""
    return [
        f"{name}:{position.line}:{position.column}: {error.message}",
        f"    {visible(line)}",
        f"    {' ' * width(before)}^{expected}",
    ]
