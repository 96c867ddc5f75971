"""What can be set: each key's default, what it takes in words, how text becomes it, and what it must be."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lihil_cli.proxies import LOCAL, parse_proxies
from lihil_cli.record import Record

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
RELOAD_MODES: Final = ("auto", "fork", "standby", "cold")

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


class Key(Record):
    """One key. `read` makes a value of an environment variable's text; what it cannot read stays as it is, and fails.

    A path is relative to the working folder, or to the folder of the file in which it stands. Where there may be many
    the value is a tuple of them.
    """

    default: object
    takes: str
    accepts: Callable[[object], bool]
    read: Callable[[str], object] = str
    is_path: bool = False
    is_many: bool = False
    is_secret: bool = False


def _read_number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() else text


def _read_seconds(text: str) -> object:
    try:
        return float(text) if text.isascii() else text
    except ValueError:
        return text


def _read_switch(text: str) -> object:
    word = text.lower()
    if word in _YES:
        return True
    return False if word in _NO else text


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _are_texts(value: object) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_text, value)))


def _read_list(text: str) -> object:
    return [word.strip() for word in text.split(",")]


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_seconds(low: float, high: float) -> Callable[[object], bool]:
    return lambda value: type(value) in {int, float} and low <= value <= high  # type: ignore[operator]


def _is_bound(value: object) -> bool:
    return value is not False and (value == 0 or _is_seconds(1, 3600)(value))


def _is_mode(value: object) -> bool:
    """Octal digits as text: the number 660 of a TOML file would be another mode than the one that was meant."""
    return isinstance(value, str) and len(value) in {3, 4} and set(value) <= set("01234567") and int(value, 8) <= 0o777


def _are_proxies(value: object) -> bool:
    try:
        return isinstance(value, str) and parse_proxies(value) is not None
    except ValueError:
        return False


def _is_root_path(value: object) -> bool:
    return value == "" or (_is_text(value) and str(value).startswith("/") and not str(value).endswith("/"))


def _file(example: str, *, secret: bool = False) -> Key:
    return Key(None, f"a path such as '{example}'", _is_text, is_path=True, is_secret=secret)


_SWITCH: Final = "true or false"

KEYS: Final[Mapping[str, Key]] = {
    "app": Key(None, "a text such as 'main:app'", _is_text),
    "host": Key("127.0.0.1", "a text such as '127.0.0.1'", _is_text),
    "port": Key(8000, "a whole number from 0 to 65535", _is_number(0, 65535), _read_number),
    "uds": _file("/run/app/app.sock"),
    "uds_mode": Key("660", "an octal mode in quotes, such as '660'", _is_mode),
    "fd": Key(None, "a whole number from 0 to 65535", _is_number(0, 65535), _read_number),
    "reload": Key(False, _SWITCH, _is_switch, _read_switch),
    "reload_mode": Key("auto", f"one of {', '.join(RELOAD_MODES)}", RELOAD_MODES.__contains__, str.lower),
    "workers": Key(1, "a whole number from 1 to 256", _is_number(1, 256), _read_number),
    "drain": Key(8.0, "seconds from 0 to 3600", _is_seconds(0, 3600), _read_seconds),
    "start_timeout": Key(60.0, "seconds from 0.1 to 3600", _is_seconds(0.1, 3600), _read_seconds),
    "hang_timeout": Key(30.0, "seconds from 1 to 3600, or 0", _is_bound, _read_seconds),
    "tls_cert": _file("cert.pem"),
    "tls_key": _file("key.pem"),
    "tls_key_password": Key(None, "a text", _is_text, is_secret=True),
    "proxy_headers": Key(False, _SWITCH, _is_switch, _read_switch),
    "forwarded_allow_ips": Key(LOCAL, "addresses and networks such as '10.0.0.0/8,unix', or '*'", _are_proxies),
    "root_path": Key("", "a path such as '/api', without a slash at its end", _is_root_path),
    "env_file": Key((), "paths such as '.env'", _are_texts, _read_list, is_path=True, is_many=True),
    "log_level": Key("info", f"one of {', '.join(LOG_LEVELS)}", LOG_LEVELS.__contains__, str.lower),
    "access_log": Key(True, _SWITCH, _is_switch, _read_switch),
}


def as_held(law: Key, value: object, folder: Path) -> object:
    """What a key holds for an accepted value: paths absolute, from `folder` if need be, and many as a tuple."""
    values = value if isinstance(value, list) else [value]
    held = tuple(folder / Path(str(each)).expanduser() if law.is_path else each for each in values)
    return held if law.is_many else held[0]
