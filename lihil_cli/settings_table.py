"""Every setting with its source, for `lihil run --show-settings`: as lines for a terminal, or as JSON."""

import json

from lihil_cli.console import escape_terminal
from lihil_cli.settings import Settings


def as_document(settings: Settings) -> str:
    """`{"port": {"value": 8000, "source": "default"}, ...}`; what is secret is not among the values."""
    rows = settings.listed()
    return json.dumps({name: {"value": value, "source": source} for name, value, source in rows}, indent=2)


def as_lines(settings: Settings) -> list[str]:
    """Name, value and source in columns."""
    rows = [(name, as_text(value), source) for name, value, source in settings.listed()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:{widths[0]}}  {value:{widths[1]}}  {source}" for name, value, source in rows]
    return [escape_terminal(line, keep_newlines=False) for line in lines]


def as_text(value: object) -> str:
    """One value as it is listed."""
    match value:
        case None | []:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
