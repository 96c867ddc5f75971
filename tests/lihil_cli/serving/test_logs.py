import asyncio
import logging
import sys
from typing import Any

import pytest

from lihil_cli.serving.logs import Lifecycle, SafeFormatter, logging_config


def record(message: str, *values: object, name: str = "uvicorn.error", level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, values, None)


def raised(error: BaseException) -> logging.LogRecord:
    try:
        raise error
    except BaseException:
        return logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())


def test_a_line_has_time_level_and_message_and_nothing_a_terminal_would_obey() -> None:
    line = SafeFormatter(colour=False).format(record('%s - "WebSocket %s" 403', "1.2.3.4:5", "/\x1b[2J\r"))
    assert line.endswith(' INFO     1.2.3.4:5 - "WebSocket /\\x1b[2J\\x0d" 403')
    assert line[:4].isdigit()


def test_a_traceback_is_made_harmless_too() -> None:
    text = SafeFormatter(colour=False).format(raised(ValueError("\x1b]0;owned\x07")))
    assert "Traceback" in text
    assert "\\x1b]0;owned\\x07" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(("level", "begin"), [(logging.ERROR, "\x1b[31m"), (logging.WARNING, "\x1b[33m")])
def test_with_colour_trouble_stands_out(level: int, begin: str) -> None:
    line = SafeFormatter(colour=True).format(record("it broke", level=level))
    assert line.startswith(begin)
    assert line.endswith("it broke\x1b[0m")


def test_with_colour_an_ordinary_line_stays_plain() -> None:
    assert "\x1b" not in SafeFormatter(colour=True).format(record("fine"))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (record('%s - "WebSocket %s" [accepted]', "1.2.3.4:5", "/"), True),
        (record('%s - "%s %s HTTP/%s" %d', "a", "GET", "/", "1.1", 200, name="uvicorn.access"), True),
        (record("hello", name="lihil.app"), True),
        (record("Started server process [%d]", 1), False),
        (record("connection open"), False),
        (record("Invalid HTTP request received.", level=logging.WARNING), True),
        (record("Application startup failed. Exiting.", level=logging.ERROR), False),
        (raised(ValueError("a bug of the app")), True),
        (raised(asyncio.CancelledError()), False),
    ],
)
def test_requests_and_trouble_are_shown_and_what_the_server_does_with_itself_is_not(
    line: logging.LogRecord, shown: bool
) -> None:
    assert Lifecycle().filter(line) is shown


@pytest.mark.parametrize(
    ("level", "threshold", "filtered"),
    [("info", "INFO", True), ("warning", "WARNING", True), ("debug", "DEBUG", False), ("trace", "DEBUG", False)],
)
def test_debugging_shows_what_is_left_out_otherwise(level: str, threshold: str, filtered: bool) -> None:
    config: dict[str, Any] = logging_config(colour=False, level=level)
    assert config["loggers"]["uvicorn"]["level"] == threshold
    assert config["loggers"]["lihil"]["level"] == threshold
    assert ("filters" in config["handlers"]["stderr"]) is filtered
    assert "root" not in config
