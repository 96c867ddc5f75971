"""What is done one after another with a connection, as it comes out of a pipe or a record, and how it is written."""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from lihil_cli.record import Record
from lihil_cli.wstest.closing import NORMAL, may_be_sent
from lihil_cli.wstest.pattern import Pattern, value_pattern

DEFAULT_EXPECT_S = 10.0
_MAX_REASON_BYTES = 123  # RFC 6455, section 5.5: a control frame holds 125 bytes, two are the code
_MAX_PING_BYTES = 125


class Say(Record):
    """Send one message."""

    payload: str | bytes


class Measure(Record):
    """Send a ping."""

    payload: bytes = b""


class Leave(Record):
    """Close the connection."""

    code: int = NORMAL
    reason: str = ""


class Sleep(Record):
    """Go on after so many seconds."""

    seconds: float


class Expect(Record):
    """Go on when a message like this has come, and give up when none has within `within_s` seconds."""

    pattern: Pattern
    within_s: float = DEFAULT_EXPECT_S


Step: TypeAlias = Say | Measure | Leave | Sleep | Expect

FRAMINGS = ("lines", "jsonl", "nul")


def read_step(record: bytes, framing: str, *, is_binary: bool) -> Step:
    """One record of the input. Raises ValueError, saying what is wrong, for one that is no step."""
    if framing == "jsonl":
        return _read_object(record)
    return Say(record) if is_binary else Say(_text(record))


def check_text(text: str) -> str:
    """The text itself. Raises ValueError for one that is no UTF-8, as a text message has to be."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise ValueError(f"\\u{ord(half):04x} is half of a character, so it cannot be in a text message") from None
    return text


def _text(record: bytes) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError:
        # RFC 6455, section 5.6: a text message is UTF-8.
        raise ValueError("not UTF-8, so it cannot be a text message; --binary sends it as it is") from None


def _read_object(record: bytes) -> Step:
    try:
        content = json.loads(record, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError('no JSON object; write it like {"text": "hi"}')
    known = [key for key in _READERS if key in content]
    if len(known) != 1:
        raise ValueError(f"has to have one of the keys {', '.join(_READERS)}")
    return _READERS[known[0]](content)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _say_text(content: Mapping[str, Any]) -> Step:
    if not isinstance(content["text"], str):
        raise ValueError('"text" takes a text; "json" takes any value')
    return Say(check_text(content["text"]))


def _say_json(content: Mapping[str, Any]) -> Step:
    try:
        text = json.dumps(content["json"], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise ValueError('"json" holds a number that is too large, or too many levels: it is no JSON again') from None
    return Say(check_text(text))


def _say_bytes(content: Mapping[str, Any]) -> Step:
    try:
        return Say(b64decode(content["b64"], validate=True))
    except (ValueError, TypeError):
        raise ValueError('"b64" takes bytes in base64') from None


def _measure(content: Mapping[str, Any]) -> Step:
    payload = check_text(str(content["ping"] or "")).encode()
    if len(payload) > _MAX_PING_BYTES:
        raise ValueError(f'"ping" takes at most {_MAX_PING_BYTES} bytes')
    return Measure(payload)


def _leave(content: Mapping[str, Any]) -> Step:
    code, reason = content["close"] or NORMAL, content.get("reason") or ""
    if not isinstance(code, int) or isinstance(code, bool) or not may_be_sent(code):
        raise ValueError('"close" takes a code that may be sent: 1000-1003, 1007-1014 or 3000-4999')
    return Leave(code, _reason(reason))


def _reason(value: object) -> str:
    if not isinstance(value, str) or len(check_text(value).encode()) > _MAX_REASON_BYTES:
        raise ValueError(f'"reason" takes a text of at most {_MAX_REASON_BYTES} bytes')
    return value


def _sleep(content: Mapping[str, Any]) -> Step:
    return Sleep(_seconds(content["sleep"], "sleep"))


def _expect(content: Mapping[str, Any]) -> Step:
    return Expect(value_pattern(content["expect"]), _seconds(content.get("within", DEFAULT_EXPECT_S), "within"))


def _seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f'"{name}" takes a number of seconds')
    return float(value)


_READERS = {
    "text": _say_text,
    "json": _say_json,
    "b64": _say_bytes,
    "ping": _measure,
    "close": _leave,
    "sleep": _sleep,
    "expect": _expect,
}


def steps_of_record(lines: Iterable[str | bytes], speed: float | None) -> Iterator[Step]:
    """What this side did in a recorded conversation, at its pace times `speed`, or at once where that is None.

    A record is what `--record` and `-o jsonl` write. Raises ValueError, naming the line, for what is none.
    """
    last_s: float | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            kind, time_s = event["ev"], _seconds(event["t"], "t")
            step = _step_of(event)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"line {number} is no event of a record: {error}") from None
        if kind == "open":
            last_s = time_s
        if step is None:
            continue
        if speed is not None and last_s is not None and time_s > last_s:
            yield Sleep((time_s - last_s) / speed)
        last_s = time_s
        yield step


def _step_of(event: Mapping[str, Any]) -> Step | None:
    if event["ev"] == "send":
        is_text = event["kind"] == "text"
        return Say(check_text(str(event["data"])) if is_text else b64decode(event["b64"], validate=True))
    if event["ev"] == "close" and event["by"] == "client" and may_be_sent(int(event["code"])):
        return Leave(int(event["code"]), _reason(event["reason"]))
    return None


def parse_speed(text: str) -> float | None:
    """`2x`, `0.5` or `max`, which is None. Raises ValueError."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ValueError(f"{text!r} is no speed; write it like 2x, 0.5x or max")
    return speed
