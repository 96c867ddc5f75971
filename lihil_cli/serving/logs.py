"""What the server's log looks like: one line for each request, nothing from a client that a terminal would obey."""

import asyncio
import logging
from typing import Any

from lihil_cli.console import escape_terminal

_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31;1"}


class SafeFormatter(logging.Formatter):
    """Time, level and message; every control character in them made visible, tracebacks included."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(message)s", "%Y-%m-%d %H:%M:%S")
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        line = escape_terminal(super().format(record))
        sgr = _COLOURS.get(record.levelname, "")
        return f"\x1b[{sgr}m{line}\x1b[0m" if self.colour and sgr else line


class Lifecycle(logging.Filter):
    """Leaves out what uvicorn says about itself: its start and stop are reported by us, in our own words.

    What stays at INFO is one line for each request and each opening handshake; warnings and errors stay, but for the
    traceback of a handler that was cancelled because the server stops.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return False
        if record.name != "uvicorn.error":
            return True
        if record.levelno == logging.INFO:
            return '"WebSocket %s"' in str(record.msg)
        return not str(record.msg).startswith("Application startup failed")


def logging_config(*, colour: bool, level: str) -> dict[str, Any]:
    """The dictConfig for uvicorn's loggers and lihil's, all to stderr; the app's own loggers are left alone."""
    threshold = "DEBUG" if level == "trace" else level.upper()
    logger = {"handlers": ["stderr"], "level": threshold, "propagate": False}
    handler: dict[str, Any] = {"class": "logging.StreamHandler", "formatter": "safe", "stream": "ext://sys.stderr"}
    if threshold != "DEBUG":
        handler["filters"] = ["lifecycle"]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"safe": {"()": SafeFormatter, "colour": colour}},
        "filters": {"lifecycle": {"()": Lifecycle}},
        "handlers": {"stderr": handler},
        "loggers": {"uvicorn": dict(logger), "lihil": dict(logger)},
    }
